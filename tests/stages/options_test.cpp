/// \file
/// Durations as Go writes them, and errors as Go prints them.

#include "harness/catch.hpp"
#include "stage1_blocking/net/op_error.hpp"
#include "stage1_blocking/options.hpp"
#include "stage1_blocking/syscall/syscall_error.hpp"

#include <cerrno>
#include <chrono>

using namespace std::chrono_literals;
using stage1::parse_duration;

TEST_CASE("stage1: durations are written as Go writes them") {
    CHECK(parse_duration("0") == 0ns);
    CHECK(parse_duration("300ms") == 300ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration(".5s") == 500ms);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h30m") == 90min);
    CHECK(parse_duration("1m0.5s") == 60500ms);
    CHECK(parse_duration("7ns") == 7ns);
    CHECK(parse_duration("3us") == 3us);
    CHECK(parse_duration("3\u00b5s") == 3us);
}

TEST_CASE("stage1: what is not a duration is told apart from one") {
    for (const auto* text :
         {"", "5", "s", ".s", "1..5s", "1.2.3s", "-1s", "+1s", "1 s", "1sec", "1s2", "abc", "1e3s"})
        CHECK_FALSE(parse_duration(text));
    CHECK(parse_duration("5").error() ==
          R"("5" is not a duration; write 300ms, 1.5s, 2m or 1h30m)");
}

TEST_CASE("stage1: a duration beyond all time can still be added to the present") {
    const auto longest = parse_duration("99999999999h");
    REQUIRE(longest);
    CHECK(*longest > 24h * 365 * 99);
    CHECK(std::chrono::steady_clock::now() + *longest > std::chrono::steady_clock::now());
}

TEST_CASE("stage1: errors read as Go's do") {
    const stage1::syscall_error denied{"bind", EACCES};
    CHECK(denied.message() == "bind: permission denied");
    const stage1::op_error listening{"listen", "tcp", "", "127.0.0.1:80", denied.message()};
    CHECK(listening.message() == "listen tcp 127.0.0.1:80: bind: permission denied");
    const stage1::op_error unknown{"dial", "tcp", "", "", "lookup nosuch: no such host"};
    CHECK(unknown.message() == "dial tcp: lookup nosuch: no such host");
    const stage1::op_error reset{"read", "tcp", "127.0.0.1:1", "127.0.0.1:2",
                                 stage1::syscall_error{"read", ECONNRESET}.message()};
    CHECK(reset.message() == "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer");
}
