/// \file
/// Does the harness find what is wrong, and nothing where nothing is? It is run against a server
/// that is right and against five that are broken, and against small programs that misbehave.

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/client.hpp"
#include "harness/pattern.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <csignal>

using namespace harness;

namespace {

struct verdict {
    bool passes = false;
    std::string report;
};

/// Runs one case, or all if it is "", against the server with that defect.
verdict check_server(const std::string& defect, const std::string& test_case = "~[ours]") {
    const auto command = build_program("tests/broken_server") + " " + defect + " {port}";
    child runner({build_program("tests/check_server"), "--server", command, test_case});
    const auto ended = runner.wait_exit(std::chrono::minutes(5));
    if (!ended) throw failure("check_server does not end:\n" + runner.out());
    return {ended->ok(), runner.out() + runner.err()};
}

/// It fails the case, for the reason that its defect gives, and passes one that has nothing to do
/// with it.
void check_found(const std::string& defect, const std::string& test_case,
                 const std::string& reason) {
    const auto found = check_server(defect, test_case);
    INFO(found.report);
    CHECK_FALSE(found.passes);
    CHECK_THAT(found.report, contains(reason));
    const auto harmless = check_server(defect, "bytes of every value come back as they are");
    INFO(harmless.report);
    CHECK(harmless.passes);
}

} // namespace

TEST_CASE("a server that is right passes every case", "[broken]") {
    const auto all = check_server("nothing");
    INFO(all.report);
    CHECK(all.passes);
}

TEST_CASE("a server that loses a byte after 64 KiB is found", "[broken]") {
    check_found("loses_a_byte", "1 MiB in one write comes back byte for byte", "came back as");
}

TEST_CASE("a server that drops what is owed at half-close is found", "[broken]") {
    check_found("drops_owed",
                "a client that half-closes with 5 MB owed gets all of them\\, then the end",
                "the server ");
}

TEST_CASE("a server that buffers without bound is found", "[broken]") {
    check_found("buffers_without_bound",
                "a client that sends and never reads is stopped\\, and no other waits",
                "one.sent < far_too_much");
}

TEST_CASE("a server that leaks a descriptor a connection is found", "[broken]") {
    check_found("leaks_descriptors", "descriptors and memory are the same after 4000 connections",
                "comes_back_to(before, *server)");
}

TEST_CASE("a server that spins when it is out of descriptors is found", "[broken]") {
    check_found("spins_on_emfile",
                "out of descriptors\\, the server rests until it has one\\, and serves all",
                "meter.share()");
}

TEST_CASE("the harness itself says when no server was chosen", "[harness]") {
    ::unsetenv("STAGE");
    child runner({build_program("tests/check_server")});
    CHECK(runner.wait_exit()->to_string() == "exit status 2");
    CHECK(runner.err() == "check_server: which server? --server 'COMMAND {port}' or --stage N\n");
    child none({build_program("tests/check_server"), "--server", "true", "no such case"});
    CHECK_FALSE(none.wait_exit()->ok());
}

TEST_CASE("no case has a name that Catch2 would take for an option", "[harness]") {
    child runner({build_program("tests/check_server"), "--list-tests"});
    REQUIRE(runner.wait_exit());
    CHECK_THAT(runner.out(), contains("comes back byte for byte"));
    CHECK_THAT(runner.out(), !contains("\n  -")); // it would be obeyed, and the test pass
}

TEST_CASE("a server that does not come up is reported with what it printed", "[harness]") {
    CHECK_THROWS_WITH(server::foreign("echo oh no {port} >&2; false"), contains("oh no"));
    CHECK_THROWS_WITH(server::ours("/bin/echo", {}), contains("exit status 0"));
    CHECK_THROWS_AS(child({"/nonexistent"}), std::system_error);
}

TEST_CASE("a child never waits for its output to be read, and its end is told", "[harness]") {
    child loud({"/bin/sh", "-c", "head -c 1000000 /dev/zero; echo err >&2; exit 7"});
    CHECK(loud.wait_exit()->to_string() == "exit status 7");
    CHECK(loud.out().size() == 1'000'000);
    CHECK(loud.err() == "err\n");
    child killed({"/bin/sh", "-c", "kill -9 $$"});
    CHECK(killed.wait_exit()->by_signal);
}

TEST_CASE("a child's own child ends with it", "[harness]") {
    pid_t grandchild = 0;
    {
        child parent({"/bin/sh", "-c", "sleep 1000 & echo pid $!; wait"});
        grandchild = std::stoi(parent.wait_line("pid ", must_happen).value());
        CHECK(::kill(grandchild, 0) == 0);
    }
    // Nobody may be there to collect it, so it may be a zombie; what it may not do is run.
    CHECK(wait_for([&] { return ::kill(grandchild, 0) != 0 || descriptors(grandchild).empty(); }));
}

TEST_CASE("a pattern tells where a byte is lost, and nothing where none is", "[harness]") {
    const pattern bytes(42);
    const auto text = bytes.text(100'000);
    CHECK_FALSE(bytes.difference(text, 0));
    CHECK_FALSE(bytes.difference(std::string_view(text).substr(777), 777));
    CHECK_THAT(bytes.difference(text.substr(0, 5) + text.substr(6), 0).value(),
               starts_with("byte 5 came back as"));
    random_sizes sizes(1, 1000);
    for (int i = 0; i < 10'000; ++i) {
        const auto size = sizes();
        CHECK((size >= 1 && size <= 1000));
    }
}
