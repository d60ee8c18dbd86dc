/// \file
/// Accepting a client fails: for want of something, because the client has gone, or behind
/// accept4, where it is registered or gets its thread.

#include "faults/faulty.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

using namespace faults_tests;
using namespace harness;

namespace {

/// The bystander comes first, so the second to the fourth accept4 fail.
void accepts_after(const std::string& error) {
    for (const auto& which : stages()) {
        const auto script = fmt::format("accept4:{}=3@1", error);
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, script);
        CHECK(one.run({.size = 3000}).complete == 8); // nobody is lost by it
        CHECK(one.server.struck() == 3);
        one.finish();
    }
}

/// With an error that lasts, accept4 is tried seldom, the error is logged once a second, and
/// clients that are connected are still served. \param calls how often accept4 is called for each
/// try
void rests_after(const std::string& error, std::uint64_t calls = 1) {
    for (const auto& which : stages()) {
        const auto script = fmt::format("accept4:{}=1000000@1", error);
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, script);
        const auto since = steady::now();
        client waiting(one.server->where());
        waiting.send_all("hello");
        CHECK(wait_for([&] { return one.server->err() != ""; }));
        const auto in_want = [&] { CHECK(waiting.hears_nothing_for(milliseconds(100))); };
        expect_rest(one.server->pid(), sanitized ? 0.5 : 0.1, in_want);
        const auto struck = one.server.struck();
        const auto said = one.server->err();
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(steady::now() - since).count();
        const auto most = calls * (7 + static_cast<std::uint64_t>(seconds)); // 5, 10 ... 1000 ms
        CHECK(struck >= 1);
        CHECK(struck <= most);
        CHECK(std::count(said.begin(), said.end(), '\n') <= seconds);
        one.finish();
    }
}

/// How much of what a client has sent its server has not read.
std::uint64_t unread_of(const server& of, const client& from) {
    const auto end = server_end(of.pid(), from.local());
    return kernel_queues(from.fd()).to_send + (end ? kernel_queues(end->get()).to_read : 0);
}

/// accept4 fails for good while clients are served and bytes are left unsent: the clients get them,
/// and the server says why it ends.
void stops_after(const std::string& error, const std::string& text) {
    for (const auto& which : stages()) {
        const auto script = fmt::format("accept4:{}=1000000@6", error);
        INFO(which.name() << " with FAULTS='" << script << "'");
        faulty_server server(which, script);
        std::vector<client> silent;
        for (int i = 0; i < 5; ++i) silent.emplace_back(server->where()).echo("hello");
        client owed(server->where(), 32768);
        const auto sent = owed.send_until_stuck(pattern(1), 20'000'000,
                                                milliseconds(300 * patience));
        const auto unread = unread_of(*server, owed);
        const auto last = start_connect(server->where()); // accept4 fails
        for (auto& each : silent) each.expect_end();
        const auto rest = owed.receive_rest();
        CHECK(pattern(1).difference(rest.bytes, 0).value_or("") == "");
        CHECK(rest.bytes.size() >= sent - std::min(unread, sent));
        const auto how = server->wait_exit();
        REQUIRE(how);
        CHECK(how->to_string() == "exit status 1");
        CHECK(server->err() ==
              fmt::format("accept tcp {}: accept4: {}\n", server->address(), text));
    }
}

/// Not an error of the server's: the next one is accepted at once, and nothing is said.
void passes_over(const std::string& error) {
    for (const auto& which : stages()) {
        const auto script = fmt::format("accept4:{}=20@1", error);
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, script);
        CHECK(one.run({.size = 3000}).complete == 8);
        CHECK(one.server.struck() == 20);
        CHECK(one.server->err() == "");
        one.finish();
    }
}

/// The connection is there, but can't be watched: only that one is closed.
void closes_that_one(const std::string& error, const std::string& text) {
    for (const auto& which : stages(3)) {
        const auto script = fmt::format("epoll_ctl:{}=2@1", error);
        INFO(which.name() << " with FAULTS='" << script << "'");
        trial one(which, script);
        CHECK(one.run({.size = 3000}).complete == 6);
        CHECK(one.server.struck() == 2);
        wait_for([&] { return one.server->err().contains(text); }); // it is still under way
        CHECK_THAT(one.server->err(), contains(text));
        one.finish();
    }
}

} // namespace

TEST_CASE("accept fails with EMFILE three times, and all are served") {
    accepts_after("emfile");
}

TEST_CASE("accept fails with ENFILE three times, and all are served") {
    accepts_after("enfile");
}

TEST_CASE("accept fails with ENOBUFS three times, and all are served") {
    accepts_after("enobufs");
}

TEST_CASE("accept fails with ENOMEM three times, and all are served") {
    accepts_after("enomem");
}

TEST_CASE("while accept fails with EMFILE the server rests") {
    rests_after("emfile");
}

TEST_CASE("while accept fails with ENFILE the server rests") {
    rests_after("enfile");
}

TEST_CASE("while accept fails with ENOBUFS the server rests") {
    rests_after("enobufs");
}

TEST_CASE("while accept fails with ENOMEM the server rests") {
    rests_after("enomem");
}

TEST_CASE("accept fails with EPERM three times, and all are served") {
    accepts_after("eperm");
}

TEST_CASE("accept fails with EACCES three times, and all are served") {
    accepts_after("eacces");
}

TEST_CASE("accept fails with ETIMEDOUT three times, and all are served") {
    accepts_after("etimedout");
}

TEST_CASE("while accept fails with EPERM the server rests") {
    rests_after("eperm");
}

TEST_CASE("while every connection is lost before accept the server rests") {
    rests_after("econnaborted", 64);
}

TEST_CASE("a listener that can accept no more lets its clients have what is theirs") {
    stops_after("ebadf", "bad file descriptor");
    stops_after("enotsock", "socket operation on non-socket");
    stops_after("eopnotsupp", "operation not supported");
}

TEST_CASE("ECONNABORTED of accept is passed over") {
    passes_over("econnaborted");
}

TEST_CASE("EPROTO of accept is passed over") {
    passes_over("eproto");
}

TEST_CASE("ENETDOWN of accept is passed over") {
    passes_over("enetdown");
}

TEST_CASE("ENETUNREACH of accept is passed over") {
    passes_over("enetunreach");
}

TEST_CASE("EHOSTUNREACH of accept is passed over") {
    passes_over("ehostunreach");
}

TEST_CASE("EINTR of accept is passed over") {
    passes_over("eintr");
}

TEST_CASE("a listener that is ready and then says EAGAIN keeps nobody out") {
    loses_nothing("accept4:eagain=0.5", {.size = 3000}, 2);
}

TEST_CASE("ENOSPC of epoll_ctl closes that connection only") {
    closes_that_one("enospc", "no space left on device");
}

TEST_CASE("ENOMEM of epoll_ctl closes that connection only") {
    closes_that_one("enomem", "cannot allocate memory");
}

TEST_CASE("a thread that can't be had costs that connection only") {
    for (const auto& which : stages()) {
        if (which.stage != 1) continue;
        trial one(which, "pthread_create:eagain=2@2"); // the signals' thread, the bystander's, ...
        CHECK(one.run({.size = 3000}).complete == 6);
        CHECK(one.server.struck() == 2);
        const std::string text = "pthread_create: resource temporarily unavailable";
        wait_for([&] { return one.server->err().contains(text); });
        CHECK_THAT(one.server->err(), contains(text));
        one.finish();
    }
}

TEST_CASE("a server that does not get the thread it begins with says so and ends") {
    for (const auto& which : stages()) {
        if (which.stage != 1) continue;
        const auto result = run_with_faults(
            "pthread_create:eagain=1", {stage_program(which.stage), "--listen", "127.0.0.1:0"});
        CHECK(result.ended.to_string() == "exit status 1");
        CHECK_THAT(result.err, contains("pthread_create: resource temporarily unavailable\n"));
    }
}

TEST_CASE("a scheduler that does not get all of its threads says so and ends") {
    for (const auto& which : stages(5))
        for (const int after : {0, 2}) {
            const auto script = fmt::format("pthread_create:eagain=1@{}", after);
            INFO(which.name() << " with FAULTS='" << script << "'");
            const auto result = run_with_faults(
                script, {stage_program(which.stage), "--listen", "127.0.0.1:0", "--threads", "4"});
            INFO(result.err);
            CHECK(result.ended.to_string() == "exit status 1");
            CHECK_THAT(result.err, contains("pthread_create: resource temporarily unavailable\n"));
        }
}

TEST_CASE("a signal ends a server that looks up a name, whatever the name server does") {
    for (const auto& which : stages())
        for (const int signal : {SIGTERM, SIGINT}) {
            INFO(which.name());
            const temporary_directory directory;
            const faults_for_children faults("getaddrinfo:forever=1", directory.file("counts"));
            child starting({stage_program(which.stage), "--listen", "localhost:0"});
            REQUIRE(wait_for([&] { return struck_in(directory.file("counts")) == 1; }));
            starting.signal(signal);
            const auto how = starting.wait_exit(std::chrono::seconds(2) * patience);
            REQUIRE(how);
            CHECK(how->to_string() == "exit status 0");
            CHECK(starting.out() == "");
        }
}

TEST_CASE("a stop event that can't be read once stops the server all the same") {
    for (const auto& which : stages()) {
        INFO(which.name());
        faulty_server server(which, "read:eio=1");
        client(server->where()).echo("hello");
        CHECK(server->stop(SIGTERM).ok());
    }
}

TEST_CASE("a listener that can't be had is an error of listen in one line") {
    const std::pair<const char*, const char*> errors[] = {
        {"emfile", "too many open files"},
        {"enfile", "too many open files in system"},
        {"enobufs", "no buffer space available"},
        {"enomem", "cannot allocate memory"},
        {"eacces", "permission denied"},
        {"eafnosupport", "address family not supported by protocol"}};
    for (const auto& which : stages())
        for (const auto& [name, text] : errors) {
            const auto script = fmt::format("socket:{}=9", name);
            INFO(which.name() << " with FAULTS='" << script << "'");
            const auto result = run_with_faults(
                script, {stage_program(which.stage), "--listen", "127.0.0.1:7"});
            CHECK(result.ended.to_string() == "exit status 1");
            CHECK(result.err == fmt::format("listen tcp 127.0.0.1:7: socket: {}\n", text));
            CHECK(result.out == "");
        }
}
