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

/// Want that lasts: it is asked for seldom, said once, and who is there goes on.
void rests_without(const std::string& error) {
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
        const auto most = 7 + static_cast<std::uint64_t>(seconds); // 5, 10 ... 640, 1000 ms
        CHECK(struck >= 1);
        CHECK(struck <= most);
        CHECK(std::count(said.begin(), said.end(), '\n') <= seconds);
        one.finish();
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
    rests_without("emfile");
}

TEST_CASE("while accept fails with ENFILE the server rests") {
    rests_without("enfile");
}

TEST_CASE("while accept fails with ENOBUFS the server rests") {
    rests_without("enobufs");
}

TEST_CASE("while accept fails with ENOMEM the server rests") {
    rests_without("enomem");
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
