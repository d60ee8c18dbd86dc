/// \file
/// check_server: the cases that every echo server must pass, run against any.
///
///     check_server --stage 3
///     check_server --stage 2 --server-args '--wait select' '[bytes]'
///     check_server --server 'ncat -lk 127.0.0.1 {port} -e /bin/cat'

#include "conformance/target.hpp"
#include "harness/catch_session.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr const char* usage =
    R"(check_server: is this an echo server?

  --server COMMAND     any server; {port} in its command is replaced by a free port of 127.0.0.1.
                       Cases about our own options and signals are left out.
  --stage N            one of ours; the environment's STAGE=N does the same
  --program PATH       any program that knows the options of ours
  --server-args WORDS  further options for ours, e.g. '--wait select'

Everything else is for Catch2: names and [tags] of cases, --list-tests, --reporter ...; see -?
)";

struct command_line {
    std::optional<std::string> server, stage, program, server_args;
    std::vector<std::string> for_catch;
    bool lists = false; // asks about the cases, runs none
    bool help = false;
};

/// Takes our own options out, "--name value" or "--name=value", and leaves the rest to Catch2.
command_line read(const std::vector<std::string>& words) {
    command_line read;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        const auto takes = [&](const std::string& name, std::optional<std::string>& value) {
            if (word == name && i + 1 < words.size())
                value = words[++i];
            else if (word.starts_with(name + "="))
                value = word.substr(name.size() + 1);
            else
                return false;
            return true;
        };
        if (takes("--server", read.server) || takes("--stage", read.stage) ||
            takes("--program", read.program) || takes("--server-args", read.server_args))
            continue;
        read.help = read.help || word == "--help" || word == "-h";
        read.lists = read.lists || word.starts_with("--list") || word == "-l" || word == "-t" ||
                     word == "-?" || word == "--libidentify";
        read.for_catch.push_back(word);
    }
    return read;
}

/// The server that the command line names. \throws harness::failure if there is none
conformance::target chosen_by(const command_line& line) {
    const auto arguments = harness::split_words(line.server_args.value_or(""));
    if (line.server) return conformance::somebody_elses(*line.server);
    if (line.program) return conformance::like_ours(*line.program, arguments);
    if (line.stage) return conformance::our_stage(*line.stage, arguments);
    throw harness::failure("which server? --server 'COMMAND {port}' or --stage N");
}

} // namespace

int main(int count, char** words) {
    auto line = read({words + 1, words + count});
    if (line.help) {
        std::fputs(usage, stdout);
        return 0;
    }
    const char* environment = std::getenv("STAGE");
    if (!line.stage && environment != nullptr) line.stage = environment;
    try {
        // The list is the same for every server, even for one that is not built.
        if (!line.lists) conformance::under_test() = chosen_by(line);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "check_server: %s\n", error.what());
        return 2;
    }
    return harness::run_cases(words[0], line.for_catch, line.server ? "~[ours]" : "");
}
