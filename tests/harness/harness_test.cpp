/// \file
/// Does the harness find what is wrong, and nothing where nothing is? It is run against a server
/// that is right and against two dozen that are broken, and against small programs that misbehave.

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

/// Runs one case, or all if it is left out, against the server with that defect.
verdict check_server(const std::string& defect, const std::string& test_case = "~[ours]",
                     bool knows_our_options = false) {
    const auto broken = build_program("tests/broken_server");
    std::vector<std::string> words{build_program("tests/check_server"), test_case};
    if (knows_our_options)
        words.insert(words.end(), {"--program", broken, "--server-args", defect});
    else
        words.insert(words.end(), {"--server", broken + " " + defect + " {port}"});
    child runner(words);
    const auto ended = runner.wait_exit(std::chrono::minutes(5));
    if (!ended) throw failure("check_server does not end:\n" + runner.out());
    return {ended->ok(), runner.out() + runner.err()};
}

constexpr const char* harmless_case = "bytes of every value come back as they are";

/// It fails the case, for the reason that its defect gives, and passes one that has nothing to do
/// with it.
void check_found(const std::string& defect, const std::string& test_case, const std::string& reason,
                 bool knows_our_options = false, const std::string& harmless = harmless_case) {
    const auto found = check_server(defect, test_case, knows_our_options);
    INFO(found.report);
    CHECK_FALSE(found.passes);
    CHECK_THAT(found.report, contains(reason));
    const auto other = check_server(defect, harmless, knows_our_options);
    INFO(other.report);
    CHECK(other.passes);
}

/// Like check_found(), with a case about options and signals.
void check_found_in_ours(const std::string& defect, const std::string& test_case,
                         const std::string& reason) {
    check_found(defect, test_case, reason, true);
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
                "one.held_by(*server)");
}

TEST_CASE("a server that leaks a descriptor a connection is found", "[broken]") {
    check_found("leaks_descriptors", "descriptors and memory are the same after 4000 connections",
                "comes_back_to(before, server->pid())");
}

TEST_CASE("a server that spins when it is out of descriptors is found", "[broken]") {
    check_found("spins_on_emfile",
                "out of descriptors\\, the server rests until it has one\\, and serves all",
                "it never rests");
}

TEST_CASE("a server that never arms EPOLLOUT is found", "[broken][release]") {
    check_found("never_arms_epollout", "the smallest buffers that the kernel allows lose nothing",
                "nothing moved");
}

TEST_CASE("a server that always arms EPOLLOUT is found", "[broken][release]") {
    check_found("always_arms_epollout",
                "with 500 connections and nothing to do\\, it uses no processor time",
                "it never rests");
}

TEST_CASE("a server that loses the edge behind a short read is found", "[broken][release]") {
    check_found("loses_the_edge", "data and the end of the stream in one go are both seen",
                "no end of the stream");
}

TEST_CASE("a server that mistakes a newcomer for who has left is found", "[broken][release]") {
    check_found("mistakes_newcomers", "who comes while another leaves is not mistaken for him",
                "the server ");
}

TEST_CASE("a server that mixes its clients up is found", "[broken][release]") {
    check_found("mixes_clients_up", "30 clients at once get their own bytes", "lost: ");
}

TEST_CASE("a server that takes a NUL for the end is found", "[broken][release]") {
    check_found("takes_nul_for_the_end", harmless_case, "ended the stream after 0", false,
                "writing to a client that has closed does not end the server");
}

TEST_CASE("a server that SIGPIPE ends is found", "[broken][release]") {
    check_found("dies_of_sigpipe",
                "answering a client that has left after its last word ends nothing", "FAILED");
}

TEST_CASE("a server that a client's reset ends is found", "[broken][release]") {
    check_found("dies_of_a_reset", "a reset while bytes are owed ends that connection only",
                "FAILED");
}

TEST_CASE("a server that closes on urgent data is found", "[broken][release]") {
    check_found("closes_on_urgent_data", "urgent bytes between the others derail nothing",
                "FAILED");
}

TEST_CASE("a server that ignores a half-close is found", "[broken][release]") {
    check_found("ignores_half_close", "data and the end of the stream in one go are both seen",
                "no end of the stream");
}

TEST_CASE("a server that one client can keep for itself is found", "[broken][release]") {
    check_found("serves_one_until_it_rests",
                "clients that never stop sending and reading keep no other waiting",
                "took.longest");
}

TEST_CASE("a server that accepts a few clients an edge is found", "[broken][release]") {
    check_found("accepts_few_an_edge", "900 clients that connect in the same moment are all served",
                "burst.served()");
}

TEST_CASE("a server that keeps a record of each client is found", "[broken][release]") {
    check_found("leaks_memory", "descriptors and memory are the same after 4000 connections",
                "memory(server->pid()).anonymous");
}

TEST_CASE("a server without CLOEXEC is found", "[broken][release]") {
    check_found_in_ours("inherits_descriptors", "no descriptor is inherited by a child",
                        "each.close_on_exec");
}

TEST_CASE("a server that delays small writes is found", "[broken][release]") {
    check_found_in_ours(
        "delays_small_writes",
        "accepted sockets have no delay\\, and keep-alive at 15 s\\, 15 s\\, 9 probes",
        "socket_option(fd, IPPROTO_TCP");
}

TEST_CASE("a server with a short backlog is found", "[broken][release]") {
    check_found_in_ours("short_backlog", "a listener has SO_REUSEADDR and the system's backlog",
                        "backlog(fd) == somaxconn");
}

TEST_CASE("a server whose timers do not move is found", "[broken][release]") {
    check_found_in_ours("does_not_move_timers", "messages extend --idle-timeout", "the server ");
}

TEST_CASE("a server whose timeouts come 20 ms early is found", "[broken][release]") {
    check_found_in_ours(
        "times_out_early",
        "who says nothing is closed by --idle-timeout\\, never early and not much later",
        "ended - sent >= span");
}

TEST_CASE("a server that stops with bytes owed is found", "[broken][release]") {
    check_found_in_ours("stops_with_bytes_owed", "a stop sends what the server has already read",
                        "rest.bytes.size() >= read");
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

TEST_CASE("a child reads the file that it is given, or nothing", "[harness]") {
    child one_line({"head", "-n", "1"}, {.input = "/proc/sys/kernel/ostype"});
    CHECK(one_line.wait_exit()->ok());
    CHECK(one_line.out() == "Linux\n");
    child silent({"cat"});
    CHECK(silent.wait_exit()->ok());
    CHECK(silent.out() == "");
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
