/// \file
/// Starting with faults, conversations, and what is left.

#include "faults/faulty.hpp"

#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/tested_build.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

using namespace harness;

namespace faults_tests {
namespace {

/// A sanitizer keeps freed memory, and remembers every thread that there was.
const std::int64_t memory_slack = (sanitized ? 48 : 2) * 1024 * 1024;

/// How often each rule has struck, as the injector has counted it.
std::array<std::uint64_t, 16> counts_in(const std::string& name) {
    std::array<std::uint64_t, 16> counts{};
    std::ifstream file(name, std::ios::binary);
    file.read(reinterpret_cast<char*>(counts.data()), sizeof counts);
    return counts;
}

/// Reports to table.py --count how often faults struck.
void tell(std::uint64_t struck) {
    const char* const name = std::getenv("STRUCK");
    if (name != nullptr) std::ofstream(name, std::ios::app) << struck << '\n';
}

} // namespace

std::string variant::name() const {
    return fmt::format("stage {} {}", stage, arguments);
}

std::vector<variant> stages(int first) {
    const char* const only = std::getenv("STAGE");
    std::vector<variant> all;
    for (int stage = first; stage <= 5; ++stage)
        if (only == nullptr || std::to_string(stage) == only)
            all.push_back({stage, stage == 5 ? "--threads 2" : ""});
    return all;
}

std::uint64_t seed() {
    static const std::uint64_t chosen = [] {
        const char* const given = std::getenv("SEED");
        const std::uint64_t made = given != nullptr ? std::strtoull(given, nullptr, 10)
                                                    : std::random_device{}();
        fmt::print("SEED={}\n", made);
        return made;
    }();
    return chosen;
}

faults_for_children::faults_for_children(const std::string& script, const std::string& counts) {
    const auto injector = build_program("tests/faults/libfault_injector.so");
    const auto& first = tested_build().preload_first;
    ::setenv("LD_PRELOAD", (first + (first.empty() ? "" : ":") + injector).c_str(), 1);
    ::setenv("FAULTS", fmt::format("seed={} {}", seed(), script).c_str(), 1);
    if (!counts.empty()) ::setenv("FAULTS_COUNTS", counts.c_str(), 1);
}

faults_for_children::~faults_for_children() {
    for (const auto* const name : {"LD_PRELOAD", "FAULTS", "FAULTS_COUNTS"}) ::unsetenv(name);
}

std::uint64_t struck_in(const std::string& counts) {
    const auto all = counts_in(counts);
    return std::accumulate(all.begin(), all.end(), std::uint64_t{0});
}

outcome run_with_faults(const std::string& script, const std::vector<std::string>& words,
                        milliseconds limit, const child_options& options) {
    const temporary_directory directory;
    const auto counts = directory.file("counts");
    const faults_for_children faults(script, counts);
    child program(words, options);
    const auto ended = program.wait_exit(limit);
    tell(struck_in(counts));
    if (!ended) throw failure("it still runs:\n" + program.out() + program.err());
    return {*ended, program.out(), program.err()};
}

faulty_server::faulty_server(const variant& which, const std::string& script,
                             const std::string& listen) {
    const faults_for_children faults(script, directory_.file("counts"));
    server_ = server::ours(stage_program(which.stage), split_words(which.arguments), listen);
}

faulty_server::~faulty_server() {
    tell(struck());
}

std::uint64_t faulty_server::struck(std::size_t rule) const {
    return counts_in(directory_.file("counts")).at(rule);
}

std::uint64_t faulty_server::struck() const {
    return struck_in(directory_.file("counts"));
}

namespace {

/// One client of talk().
class talker {
public:
    talker(const endpoint& to, std::uint64_t which, const habit& how)
        : how_(how), bytes_(which), sizes_(which, how.most_a_piece), client_(to) {}

    /// \return whether everything came back. \throws failure for what nobody may see
    bool run() {
        while (true) {
            const bool sends = !silenced_ && sent_ < how_.size;
            pollfd ready{client_.fd(), static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), 0};
            const deadline end(how_.limit);
            int count = 0;
            while ((count = ::poll(&ready, 1, end.left_ms())) <= 0 && !end.over()) {}
            if (count == 0)
                throw failure(fmt::format("nothing moved for {} ms: {} sent, {} back",
                                          how_.limit.count(), sent_, got_));
            if ((ready.revents & POLLIN) != 0 && !hear()) return is_complete();
            if (sends && (ready.revents & (POLLOUT | POLLERR | POLLHUP)) != 0) say();
        }
    }

private:
    void say() {
        const auto size = std::min<std::uint64_t>(sizes_(), how_.size - sent_);
        try {
            sent_ += client_.send_some(bytes_.text(size, sent_));
        } catch (const std::system_error&) { // cut off: hear what is left
            silenced_ = true;
        }
        if (sent_ == how_.size && !silenced_) client_.shutdown_write();
    }

    /// \return false at the end of the stream, however it comes
    bool hear() {
        std::array<char, 32768> buffer;
        const auto count = ::recv(client_.fd(), buffer.data(), buffer.size(), 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
        reset_ = count < 0;
        if (count <= 0) return false;
        const std::span arrived(buffer.data(), static_cast<std::size_t>(count));
        if (got_ + arrived.size() > sent_) throw failure("more came back than was sent");
        if (const auto wrong = bytes_.difference(arrived, got_)) throw failure(*wrong);
        got_ += arrived.size();
        return true;
    }

    [[nodiscard]] bool is_complete() const {
        if (got_ == how_.size) return true;
        if (!how_.may_end && !reset_ && !silenced_ && sent_ == how_.size)
            throw failure(fmt::format("a clean end after {} of {} bytes", got_, sent_));
        return false;
    }

    habit how_;
    pattern bytes_;
    random_sizes sizes_;
    client client_;
    std::uint64_t sent_ = 0, got_ = 0;
    bool silenced_ = false, reset_ = false;
};

} // namespace

tally talk(const endpoint& to, const habit& how) {
    tally all;
    std::mutex mutex; // protects it
    {
        std::vector<std::jthread> clients;
        for (std::size_t i = 0; i < how.clients; ++i)
            clients.emplace_back([&, i] {
                std::string wrong;
                bool complete = false;
                try {
                    complete = talker(to, seed() + i, how).run();
                } catch (const std::system_error&) {
                    complete = false; // reset before it was there
                } catch (const std::exception& error) {
                    wrong = error.what();
                }
                const std::scoped_lock lock(mutex);
                if (!wrong.empty())
                    all.broken.push_back(std::move(wrong));
                else
                    ++(complete ? all.complete : all.cut);
            });
    }
    return all;
}

trial::trial(const variant& which, const std::string& script, const std::string& listen)
    : server(which, script, listen), bystander(server->where()),
      rests_(script.find("timer=") == std::string::npos) {
    begin();
}

void trial::begin() {
    bystander.echo("the first one");
    descriptors_ = descriptor_count(server->pid());
    memory_ = memory(server->pid()).anonymous;
}

tally trial::run(const habit& how) {
    auto result = talk(server->where(), how);
    for (const auto& each : result.broken) UNSCOPED_INFO(each);
    CHECK(result.broken.empty());
    return result;
}

void trial::finish() {
    bystander.echo("still here");
    INFO(server->err());
    CHECK(comes_back_to(descriptors_, server->pid()));
    CHECK(memory(server->pid()).anonymous - memory_ <= memory_slack);
    if (rests_) {
        const auto in_silence = [&] { CHECK(bystander.hears_nothing_for(milliseconds(40))); };
        expect_rest(server->pid(), 0.25, in_silence); // who spins uses all of it
    }
    CHECK(server->stop(SIGTERM).to_string() == "exit status 0");
    bystander.expect_end();
}

void loses_nothing(const std::string& script, const habit& how, int first_stage) {
    for (const auto& which : stages(first_stage)) {
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, script);
        CHECK(one.run(how).complete == how.clients);
        one.finish();
    }
}

void cuts_off_some(const std::string& script, const habit& how) {
    for (const auto& which : stages()) {
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, "every=2 " + script);
        const auto result = one.run(how);
        CHECK(result.complete >= how.clients / 2); // every other one is not hit
        CHECK(one.server.struck() > 0);
        one.finish();
    }
}

} // namespace faults_tests
