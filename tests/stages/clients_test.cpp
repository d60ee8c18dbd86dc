/// \file
/// The standard streams of the stages' clients: what a client can't read or write it says, and what
/// comes late it waits for. Run for each stage that has a client; STAGE in the environment picks
/// one.

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/pattern.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"
#include "harness/temporary_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using harness::wait_for;

namespace {

std::vector<int> stages() {
    const char* const only = std::getenv("STAGE");
    if (only != nullptr) return {std::stoi(only)};
    return {1, 2, 5};
}

/// A stage's client, and its own server for it to talk to.
struct pair_of_programs {
    explicit pair_of_programs(int stage)
        : server(harness::server::ours(harness::stage_program(stage), {})),
          words{harness::stage_program(stage, "client"), server->address()},
          line(harness::stage_command(stage, "client") + " " + server->address()) {}

    std::unique_ptr<harness::server> server;
    std::vector<std::string> words; ///< the client's command line
    std::string line;               ///< the same for a shell
};

/// Runs a program to its end.
struct finished {
    std::string out, err;
    int status = -1;

    explicit finished(harness::child& child) {
        const auto ending = child.wait_exit();
        REQUIRE(ending);
        out = child.out();
        err = child.err();
        status = ending->number;
    }
};

void check_ends(const std::string& command, int status, const std::string& out,
                const std::string& err) {
    INFO(command);
    harness::child shell({"sh", "-c", command});
    const finished run(shell);
    CHECK(run.status == status);
    CHECK(run.out == out);
    CHECK(run.err == err);
}

} // namespace

TEST_CASE("a client whose output can't be written says so in one line", "[client]") {
    for (const int stage : stages()) {
        const pair_of_programs both(stage);
        const std::string full = "write /dev/stdout: no space left on device\n";
        check_ends("echo hello | " + both.line + " >/dev/full", 1, "", full);
        check_ends("head -c 3000000 /dev/zero | " + both.line + " >/dev/full", 1, "", full);
        check_ends(both.line + " --help >/dev/full", 1, "", full);
        check_ends(both.line + " --version >/dev/full", 1, "", full);
        check_ends("echo hello | " + both.line + " 1</dev/null", 1, "",
                   "write /dev/stdout: bad file descriptor\n");
    }
}

TEST_CASE("a client whose input can't be read says so in one line", "[client]") {
    for (const int stage : stages()) {
        const pair_of_programs both(stage);
        check_ends(both.line + " </", 1, "", "read /dev/stdin: is a directory\n");
        const std::string bad = "read /dev/stdin: bad file descriptor\n";
        check_ends(both.line + " 0>/dev/null", 1, "", bad);
        check_ends(both.line + " 0>&1", 1, "", bad); // the writing end of a pipe
    }
}

TEST_CASE("a closed standard stream is /dev/null to a client, as it is in Go", "[client]") {
    for (const int stage : stages()) {
        const pair_of_programs both(stage);
        check_ends(both.line + " <&-", 0, "", "");
        check_ends("echo hello | " + both.line + " >&-", 0, "", "");
        check_ends("echo hello | " + both.line + " 2>&-", 0, "hello\n", "");
        check_ends(both.line + " <&- >&- 2>&-", 0, "", "");
        check_ends(both.line + " --nonsense <&- >&- 2>&-", 2, "", "");
    }
}

TEST_CASE("a client whose output does not block prints every byte", "[client]") {
    const harness::temporary_directory place;
    const std::string text = harness::pattern(1).text(5'000'000); // many times a pipe's room
    std::ofstream(place.file("input"), std::ios::binary) << text;
    for (const int stage : stages()) {
        const pair_of_programs both(stage);
        harness::child program(both.words, {.input = place.file("input"), .non_blocking = true});
        const finished run(program);
        CHECK(run.status == 0);
        CHECK(run.err.empty());
        CHECK(run.out.size() == text.size());
        CHECK((run.out == text)); // in parentheses: not to be printed
    }
}

TEST_CASE("a client whose input does not block waits for bytes that come late", "[client]") {
    const harness::temporary_directory place;
    const auto fifo = place.file("input");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    for (const int stage : stages()) {
        const pair_of_programs both(stage);
        harness::unique_fd input(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
        harness::child run(both.words, {.input = fifo, .non_blocking = true});
        CHECK_FALSE(run.wait_exit(harness::milliseconds(200))); // it has got EAGAIN by now
        REQUIRE(::write(input.get(), "late\n", 5) == 5);
        CHECK(wait_for([&] { return run.out() == "late\n"; }));
        CHECK(run.running());
        REQUIRE(::write(input.get(), "later\n", 6) == 6);
        CHECK(wait_for([&] { return run.out() == "late\nlater\n"; }));
        input.reset();
        const finished ended(run);
        CHECK(ended.status == 0);
        CHECK(ended.err.empty());
    }
}
