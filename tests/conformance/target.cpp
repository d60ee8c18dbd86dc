/// \file
/// Starting the server under test.

#include "conformance/target.hpp"

#include "harness/programs.hpp"
#include "harness/tested_build.hpp"

#include <array>
#include <cstdio>

namespace conformance {
namespace {

/// What each stage can do; the row is the stage's number. Stage 2 differs by how it waits.
constexpr std::array<abilities, 6> by_stage{{
    {},
    {.clients = 1000}, // a thread each
    {.clients = 1000,
     .has_wait = true,
     .has_trace = true}, // the cost of asking grows with every client
    {.clients = 9000, .has_trace = true},
    {.clients = 9000, .has_timeouts = true, .has_trace = true},
    {.clients = 9000, .has_timeouts = true, .has_trace = true},
}};

} // namespace

target& under_test() {
    static target chosen;
    return chosen;
}

target our_stage(const std::string& number, std::vector<std::string> arguments) {
    const std::size_t row = number.size() == 1 ? std::string("012345").find(number) : 0;
    if (row == 0 || row >= by_stage.size())
        throw harness::failure("there is no stage '" + number + "'");
    target chosen;
    chosen.path = harness::stage_program(static_cast<int>(row));
    chosen.can = by_stage.at(row);
    for (const auto& argument : arguments)
        if (argument == "spin" || argument == "--wait=spin") chosen.can.rests = false;
    // qemu takes 400 KB for each thread, and keeps most of it when the thread has ended.
    if (row == 1 && harness::emulated) chosen.can.shows_memory = false;
    // A signal that comes just before accept4(), read() or write() is kept until that returns.
    if (row == 1 && harness::tested_build().sanitizer == "thread") chosen.can.hears_signals = false;
    chosen.arguments = std::move(arguments);
    return chosen;
}

target like_ours(std::string path, std::vector<std::string> arguments) {
    target chosen;
    chosen.path = std::move(path);
    chosen.arguments = std::move(arguments);
    chosen.can.has_timeouts = true;
    return chosen;
}

target somebody_elses(std::string command) {
    target chosen;
    chosen.command = std::move(command);
    return chosen;
}

std::unique_ptr<harness::server> start(const harness::child_options& options) {
    const auto& chosen = under_test();
    if (!chosen.is_ours()) return harness::server::foreign(chosen.command, options);
    return start_with("", "127.0.0.1:0", options);
}

std::unique_ptr<harness::server> start_with(const std::string& arguments, const std::string& listen,
                                            const harness::child_options& options) {
    const auto& chosen = under_test();
    if (!chosen.is_ours()) throw harness::failure("only our own servers know these options");
    auto all = chosen.arguments;
    for (auto& word : harness::split_words(arguments)) all.push_back(std::move(word));
    return harness::server::ours(chosen.path, std::move(all), listen, options);
}

outcome run_with(const std::vector<std::string>& arguments) {
    const auto& chosen = under_test();
    if (!chosen.is_ours()) throw harness::failure("only our own servers know these options");
    std::vector<std::string> words{chosen.path};
    words.insert(words.end(), chosen.arguments.begin(), chosen.arguments.end());
    words.insert(words.end(), arguments.begin(), arguments.end());
    harness::child program(words);
    const auto ended = program.wait_exit();
    if (!ended) throw harness::failure("it still runs:\n" + program.out() + program.err());
    return {*ended, program.out(), program.err()};
}

bool shows_memory() {
    const bool shown = under_test().can.shows_memory;
    if (!shown) leave_out("its emulator needs memory for each thread, and does not give it back");
    return shown;
}

void leave_out(const std::string& why) {
    std::printf("LEFT OUT: %s\n", why.c_str());
    std::fflush(stdout);
}

} // namespace conformance
