/// \file
/// How a server starts, or says why it can't: options, addresses, exit statuses.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/matches.hpp"
#include "harness/proc.hpp"
#include "harness/temporary_directory.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <sstream>

using namespace conformance;
using namespace harness;

namespace {

/// It ends with `status`, one line on standard error that says `what`, and says nothing else.
void check_refused(const std::vector<std::string>& arguments, int status, const std::string& what) {
    const auto result = run_with(arguments);
    INFO(fmt::format("{}", fmt::join(arguments, " ")));
    CHECK(result.ended.to_string() == fmt::format("exit status {}", status));
    CHECK(result.out == "");
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.ends_with('\n'));
    CHECK_THAT(result.err, contains(what));
}

/// A client of a Unix socket that has a name of its own, the bytes after the family.
class named_client {
public:
    named_client(const endpoint& to, const std::string& name)
        : fd_(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        sockaddr_un own{};
        own.sun_family = AF_UNIX;
        name.copy(own.sun_path, sizeof own.sun_path);
        const auto size = offsetof(sockaddr_un, sun_path) + name.size();
        check(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own),
                     static_cast<socklen_t>(size)),
              "bind");
        check(::connect(fd_.get(), to.get(), to.length), "connect");
    }
    void echo() {
        std::array<char, 6> back{};
        REQUIRE(::send(fd_.get(), "hello\n", 6, MSG_NOSIGNAL) == 6);
        REQUIRE(::recv(fd_.get(), back.data(), back.size(), MSG_WAITALL) == 6);
    }

private:
    unique_fd fd_;
};

/// Every line tells an event of that client, and nothing in it commands a terminal.
void check_log(const std::string& log, const std::string& name) {
    CHECK(std::ranges::count(log, '\n') == 4);
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        INFO(line);
        CHECK(matches(line, "^(serving|received from|sent to|disconnected from) "));
        CHECK_THAT(line, contains(name));
        CHECK(std::ranges::none_of(line, [](char c) { return (c >= 0 && c < ' ') || c == 127; }));
    }
}

} // namespace

TEST_CASE("an option that can't be read is named in one line, and the status is 2",
          "[ours][starting]") {
    check_refused({"--frobnicate"}, 2, "--frobnicate");
    check_refused({"--listen"}, 2, "--listen");
    check_refused({"--grace"}, 2, "--grace");
    check_refused({"--max-connections"}, 2, "--max-connections");
    for (const auto* duration : {"5", "-1s", "abc", "", "s", "1.2.3s", "1s5", "1 s", "."})
        check_refused({"--grace", duration}, 2, "--grace");
    for (const auto* number : {"0",    "-1",  "x",     "",           "1x",
                               "1.5",  "00",  "0x10",  "0X10",       "0b11",
                               "0o17", "1e1", "1'000", "1_000",      "1,000",
                               "+5",   " 5",  "5 ",    "2147483648", "99999999999999999999"})
        check_refused({"--max-connections", number}, 2, "--max-connections");
    check_refused({"stray"}, 2, "stray");
    if (under_test().can.has_wait) check_refused({"--wait", "sometimes"}, 2, "sometimes");
    if (under_test().can.has_timeouts) {
        check_refused({"--idle-timeout", "5"}, 2, "--idle-timeout");
        check_refused({"--write-timeout", "soon"}, 2, "--write-timeout");
    }
}

TEST_CASE("an address that can't be read is named in one line, and the status is 2",
          "[ours][starting]") {
    struct unreadable {
        const char* address;
        const char* named; // in the line
    };
    for (const auto& [address, named] :
         std::initializer_list<unreadable>{{"8080", "8080"},
                                           {"127.0.0.1:99999", "address 99999: invalid port"},
                                           {"127.0.0.1:+99999", "address +99999: invalid port"},
                                           {"127.0.0.1:-1", "address -1: invalid port"},
                                           {"[::1]:4294967376", "4294967376: invalid port"},
                                           {"127.0.0.1: 80", "lookup tcp/ 80: unknown port"},
                                           {"127.0.0.1:80 ", "lookup tcp/80 : unknown port"},
                                           {"127.0.0.1:++80", "lookup tcp/++80: unknown port"},
                                           {"127.0.0.1:0x50", "lookup tcp/0x50: unknown port"},
                                           {"[::1", "[::1"},
                                           {"127.0.0.1:80:90", "127.0.0.1:80:90"},
                                           {"::1:80", "::1:80"},
                                           {"localhost:nosuchservice", "nosuchservice"},
                                           {"unix:", "unix:"}}) {
        check_refused({"--listen", address}, 2, named);
    }
}

TEST_CASE("a host that does not exist is an error of listen, and the status is 1",
          "[ours][starting]") {
    const auto result = run_with({"--listen", "nosuch.invalid:0"});
    CHECK(result.ended.to_string() == "exit status 1");
    CHECK(result.out == "");
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK_THAT(result.err, starts_with("listen tcp: lookup nosuch.invalid"));
}

TEST_CASE("what Go takes for no IP address is a host that does not exist", "[ours][starting]") {
    for (const std::string host :
         {"127.0.0.010", "127.1", "0x7f.1", "2130706433", "0", "127.0.0.1%lo", " 127.0.0.1"}) {
        const auto result = run_with({"--listen", host + ":0"});
        CHECK(result.ended.to_string() == "exit status 1");
        CHECK(result.out == "");
        CHECK(result.err == fmt::format("listen tcp: lookup {}: no such host\n", host));
    }
}

TEST_CASE("a port that is taken is an error of listen, and the status is 1", "[ours][starting]") {
    const auto first = start_with("");
    const auto result = run_with({"--listen", first->address()});
    CHECK(result.ended.to_string() == "exit status 1");
    CHECK(result.out == "");
    CHECK(result.err ==
          fmt::format("listen tcp {}: bind: address already in use\n", first->address()));
    client(first->where()).echo("the first goes on");
}

TEST_CASE("an error of listen names every interface as it was written", "[ours][starting]") {
    for (const std::string host : {"", "0.0.0.0", "[::]"}) {
        const auto first = start_with("", host + ":0");
        const auto taken = fmt::format("{}:{}", host, first->port());
        const auto result = run_with({"--listen", taken});
        CHECK(result.err == fmt::format("listen tcp {}: bind: address already in use\n", taken));
        CHECK(result.ended.to_string() == "exit status 1");
    }
}

TEST_CASE("the answers to --help and --version are not errors", "[ours][starting]") {
    for (const auto* option : {"--help", "-h", "--version"}) {
        INFO(option);
        const auto result = run_with({option});
        CHECK(result.ended.ok());
        CHECK(result.err == "");
        CHECK(result.out != "");
    }
    const auto help = run_with({"--help"}).out;
    for (const auto* option :
         {"--listen", "--verbose", "--max-connections", "--grace", "--version"})
        CHECK_THAT(help, contains(option));
}

TEST_CASE("a duration is written as Go writes it", "[ours][starting]") {
    for (const auto* duration : {"1.5s", "300ms", "1h30m", "2m", "1h", "0s"}) {
        INFO(duration);
        const auto server = start_with(fmt::format("--grace {}", duration));
        client(server->where()).echo("hello");
    }
}

TEST_CASE("a number is decimal, with or without zeros in front", "[ours][starting]") {
    const auto server = start_with("--max-connections 010");
    std::vector<client> clients;
    for (int i = 0; i < 10; ++i) clients.emplace_back(server->where()).echo("one of ten");
    client eleventh(server->where());
    eleventh.send_all("too many");
    CHECK(eleventh.hears_nothing_for(milliseconds(100)));
    clients.pop_back();
    CHECK(eleventh.receive_exactly(8) == "too many");
}

TEST_CASE("started with descriptors 0 to 2 closed, it sends clients nothing but their echo",
          "[ours][starting]") {
    for (const auto* verbose : {"", "-v"}) {
        INFO("options " << verbose);
        const auto server = start_with(verbose, fmt::format("127.0.0.1:{}", free_port()),
                                       {.no_standard_streams = true});
        client first(server->where());
        client second(server->where());
        for (int i = 0; i < 10; ++i) {
            first.echo("one");
            second.echo("another");
        }
        client(server->where()).reset();
        first.exchange({.bytes = pattern(1), .size = 200'000, .half_close = true});
        second.shutdown_write();
        second.expect_end();
        CHECK(server->running());
    }
}

TEST_CASE("a log that nobody reads does not end the server", "[ours][starting]") {
    const auto server = start_with("-v");
    client(server->where()).echo("read");
    server->stop_reading_err(); // from here on, every line of the log is EPIPE, and SIGPIPE
    for (int i = 0; i < 10; ++i) {
        client one(server->where());
        one.echo("not read");
        one.shutdown_write();
        one.expect_end();
    }
    CHECK(server->running());
}

TEST_CASE("with -v there is a line for each event, and bytes of a client never as they are",
          "[ours][starting]") {
    const auto quiet = start_with("");
    client(quiet->where()).echo("hello");
    CHECK(quiet->stop(SIGTERM).ok());
    CHECK(quiet->err() == "");

    const auto verbose = start_with("-v");
    client(verbose->where()).echo("hello\x1b[2J\n");
    CHECK(verbose->stop(SIGTERM).ok());
    std::size_t before = 0;
    for (const auto* event : {"serving 127.", "received from 127.", "hello", "sent to 127.",
                              "disconnected from 127."}) {
        INFO("no " << event << " after the others in\n" << verbose->err());
        const auto found = verbose->err().find(event, before);
        REQUIRE(found != std::string::npos);
        before = found;
    }
    CHECK(verbose->err().find('\x1b') == std::string::npos);
    CHECK_THAT(verbose->out(), starts_with("listening on "));
    CHECK(std::ranges::count(verbose->out(), '\n') == 1);
}

TEST_CASE("names of Unix clients are quoted where they are not plain, and forge no line",
          "[ours][starting]") {
    using namespace std::string_literals;
    struct naming {
        std::string bytes, shown;
    };
    const auto number = std::to_string(free_port());
    const temporary_directory here;
    for (const auto& [bytes, shown] : std::initializer_list<naming>{
             {"\0plain-"s + number, "@plain-" + number},
             {"\0a\nserving somebody"s + number, R"("@a\nserving somebody)" + number},
             {"\0\x1b[2J\x7f"s + number, R"("@\x1b[2J\x7f)" + number},
             {"\0a\0b"s + number, R"("@a\x00b)" + number},
             {"\0\xff\xc0"s + number, R"("@\xff\xc0)" + number},
             {here.file("a\r\x1b]0;b"), R"(a\r\x1b]0;b")"}}) {
        const auto server = start_with("-v", "unix:@log-" + number);
        named_client(server->where(), bytes).echo();
        CHECK(wait_for([&] { return server->err().find("disconnected") != std::string::npos; }));
        CHECK(server->stop(SIGTERM).ok());
        check_log(server->err(), shown);
    }
}

TEST_CASE("the name of a listener is quoted where it is not plain", "[ours][starting]") {
    const auto name = fmt::format("unix:@\x1b[2J\nlistening on {}", free_port());
    const auto server = start_with("", name);
    CHECK(std::ranges::count(server->out(), '\n') == 1);
    CHECK(server->out().find('\x1b') == std::string::npos);
    const auto result = run_with({"--listen", name});
    CHECK(result.ended.to_string() == "exit status 1");
    CHECK(std::ranges::count(result.err, '\n') == 1);
    CHECK(result.err.find('\x1b') == std::string::npos);
    check_refused({"--listen", "a\nb\x1b"}, 2, R"("a\nb\x1b")");
    check_refused({"--frob\nnicate"}, 2, "--frob?nicate");
    check_refused({"--listen", "a\nb.invalid:0"}, 1, R"(lookup "a\nb.invalid")");
    CHECK(server->stop(SIGTERM).ok());
}

TEST_CASE("a log file that may not grow does not end the server", "[ours][starting]") {
    const temporary_directory here;
    const auto log = here.file("log");
    const auto command = fmt::format("ulimit -f 2; exec {} {} -v --listen 127.0.0.1:0 2>{}",
                                     fmt::join(tested_build().launcher, " "), under_test().path,
                                     log);
    child limited({"/bin/sh", "-c", command});
    const auto address = limited.wait_line("listening on ", must_happen);
    REQUIRE(address);
    client one(parse_endpoint(*address));
    for (int i = 0; i < 100; ++i) one.echo("some more of the log");
    CHECK(std::filesystem::file_size(log) == 1024);
    limited.signal(SIGTERM);
    const auto ended = limited.wait_exit();
    REQUIRE(ended);
    CHECK(ended->to_string() == "exit status 0");
}

TEST_CASE(
    "a server that lacks descriptors to start names the call, and has not said that it listens",
    "[ours][starting]") {
    bool has_started = false;
    for (rlim_t limit = 4; !has_started; ++limit) {
        INFO(limit << " descriptors");
        REQUIRE(limit < 40);
        auto words = under_test().arguments;
        words.insert(words.begin(), {under_test().path, "--listen", "127.0.0.1:0"});
        child starting(words, {.descriptors = limit});
        has_started = starting.wait_line("listening on ", must_happen).has_value();
        if (has_started) {
            starting.signal(SIGTERM);
            CHECK(starting.wait_exit()->to_string() == "exit status 0");
            continue;
        }
        const auto ended = starting.wait_exit();
        REQUIRE(ended);
        if (ended->number == 127) continue; // its libraries were not loaded
        CHECK(ended->to_string() == "exit status 1");
        INFO(starting.err());
        CHECK(matches(starting.err(), "^(listen|accept) tcp 127.0.0.1:[0-9]*: "
                                      "(socket|eventfd|epoll_create1): too many open files\n$"));
        CHECK(starting.out() == "");
    }
}
