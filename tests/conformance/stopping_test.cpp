/// \file
/// SIGINT or SIGTERM: stops accepting, sends what it has already read, closes, within --grace;
/// a second signal ends it at once, and so does the first one while it starts. The status is 0
/// either way.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"
#include "harness/proc.hpp"

#include <fmt/format.h>

#include <csignal>
#include <fstream>

using namespace conformance;
using namespace harness;

namespace {

constexpr auto* too_late = "the thread sanitizer keeps a signal until a call of ours ends";

const milliseconds soon = milliseconds(2000) * patience;

/// How long it took to end, from the signal on.
struct stop_time {
    steady::time_point since = steady::now();
    [[nodiscard]] milliseconds operator()() const {
        return std::chrono::duration_cast<milliseconds>(steady::now() - since);
    }
};

/// What /proc says of a process.
std::string status_of(pid_t pid, const std::string& field) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string name, value; status >> name && std::getline(status, value);)
        if (name == field + ":") return value;
    return "0";
}

/// True once a process does something about SIGTERM by itself.
bool expects_signals(pid_t pid) {
    const auto known = std::stoull(status_of(pid, "SigCgt"), nullptr, 16) |
                       std::stoull(status_of(pid, "SigBlk"), nullptr, 16);
    return (known >> (SIGTERM - 1) & 1) != 0;
}

bool sleeps(pid_t pid) {
    return status_of(pid, "State").find('S') != std::string::npos;
}

/// Ends a process with signals, each of which comes after the one before has been taken.
/// \return how it ended, or that it did not
std::string end_with_signals(child& process) {
    const bool ended = wait_for(
        [&] {
            process.signal(SIGTERM);
            return process.wait_exit(milliseconds(50)).has_value();
        },
        soon);
    return ended ? process.wait_exit()->to_string() : "still running";
}

} // namespace

TEST_CASE("a stop without clients is a status of 0", "[ours][stopping]") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto server = start();
        CHECK(server->stop(signal, soon).to_string() == "exit status 0");
        CHECK(refuses(server->where()));
    }
}

TEST_CASE("a stop ends the streams of clients that wait, in good order", "[ours][stopping]") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto server = start();
        client silent(server->where());
        client talked(server->where());
        talked.echo("hello");
        silent.echo("x"); // both are accepted
        // No bytes are left unsent, so the server must not wait for the grace of 5 s.
        CHECK(server->stop(signal, soon).to_string() == "exit status 0");
        silent.expect_end();
        talked.expect_end();
    }
}

TEST_CASE("a stop in mid-conversation lets a client have a beginning of what it sent",
          "[ours][stopping]") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto server = start();
        const pattern bytes(5);
        client one(server->where());
        std::uint64_t sent = 0;
        std::string got;
        bool ended = false;
        const auto talk = [&](auto done) {
            for (const deadline end(must_happen); !ended && !done() && !end.over();) {
                try {
                    sent += one.send_some(bytes.text(10'000, sent));
                    got += one.receive_some(10'000);
                } catch (const std::system_error&) { // it may reset: we never stop sending
                    ended = true;
                }
            }
        };
        talk([&] { return got.size() > 1'000'000; });
        REQUIRE_FALSE(ended);
        server->signal(signal);
        talk([&] { return !server->running(); });
        const auto how = server->wait_exit(soon);
        REQUIRE(how);
        CHECK(how->to_string() == "exit status 0");
        got += one.receive_rest().bytes;
        CHECK(got.size() <= sent);
        CHECK(bytes.difference(got, 0).value_or("") == "");
    }
}

TEST_CASE("a stop sends what the server has already read", "[ours][stopping]") {
    const auto server = start();
    const pattern bytes(6);
    client one(server->where(), 32768);
    const auto sent = one.send_until_stuck(bytes, 20'000'000, milliseconds(300 * patience));
    auto end = server_end(server->pid(), one.local());
    REQUIRE(end);
    const auto unread = kernel_queues(one.fd()).to_send + kernel_queues(end->get()).to_read;
    const auto read = sent - std::min(unread, sent);
    end.reset(); // while we hold it, the server's close is not the connection's end
    server->signal(SIGTERM);
    CHECK(wait_for([&] { return refuses(server->where()); }));
    const auto rest = one.receive_rest();
    CHECK(rest.bytes.size() >= read);
    CHECK(rest.bytes.size() <= sent);
    CHECK(bytes.difference(rest.bytes, 0).value_or("") == "");
    const auto how = server->wait_exit(soon);
    REQUIRE(how);
    CHECK(how->to_string() == "exit status 0");
}

TEST_CASE("a stop of 100 clients, some of them owed bytes, ends them all", "[ours][stopping]") {
    const auto server = start();
    crowd silent(server->where());
    silent.join_and_echo(100, 10);
    std::vector<client> owed;
    for (int i = 0; i < 5; ++i) {
        owed.emplace_back(server->where(), 32768);
        owed.back().send_until_stuck(pattern(7), 10'000'000, milliseconds(20));
    }
    server->signal(SIGINT);
    for (auto& one : owed)
        CHECK(pattern(7).difference(one.receive_rest().bytes, 0).value_or("") == "");
    CHECK(silent.drive([&] { return silent.lost() == 100; }));
    const auto how = server->wait_exit(soon);
    REQUIRE(how);
    CHECK(how->to_string() == "exit status 0");
}

TEST_CASE("a peer that takes nothing can delay a stop for the grace only", "[ours][stopping]") {
    const auto server = start_with("--grace 300ms");
    client greedy(server->where(), 4096);
    greedy.send_until_stuck(pattern(8), 20'000'000, milliseconds(200 * patience));
    const stop_time took;
    CHECK(server->stop(SIGTERM).to_string() == "exit status 0");
    CHECK(took() >= milliseconds(280));
    CHECK(took() < milliseconds(300) + milliseconds(1200) * patience);
}

TEST_CASE("a second signal ends a stop at once", "[ours][stopping]") {
    for (const int second : {SIGTERM, SIGINT}) {
        const auto server = start_with("--grace 30s");
        client greedy(server->where(), 4096);
        greedy.send_until_stuck(pattern(9), 20'000'000, milliseconds(200 * patience));
        server->signal(SIGTERM);
        REQUIRE(wait_for([&] { return refuses(server->where()); })); // it has begun to stop
        REQUIRE(server->running());
        const stop_time took;
        CHECK(server->stop(second, soon).to_string() == "exit status 0");
        CHECK(took() < milliseconds(1000) * patience);
    }
}

TEST_CASE("a second signal ends a server whose log nothing reads", "[ours][stopping]") {
    if (!under_test().can.hears_signals) return leave_out(too_late);
    for (const auto* listen : {"127.0.0.1:0", "unix:@full-log"}) {
        const auto name = listen + (listen[0] == 'u' ? std::to_string(free_port()) : "");
        const auto server = start_with("-v", name, {.full_err = true});
        std::vector<client> stuck; // in a line about them
        for (int i = 0; i < 3; ++i) {
            stuck.emplace_back(server->where());
            stuck.back().send_all("hello");
        }
        REQUIRE(stuck[0].hears_nothing_for(milliseconds(100)));
        CHECK(end_with_signals(*server) == "exit status 0");
    }
}

TEST_CASE("the first signal ends a server that starts, and is stuck in its log",
          "[ours][stopping]") {
    const auto first = start_with("");
    for (const int signal : {SIGTERM, SIGINT}) {
        child second({under_test().path, "--listen", first->address()}, {.full_err = true});
        REQUIRE(wait_for([&] { return expects_signals(second.pid()) && sleeps(second.pid()); }));
        second.signal(signal);
        const auto ended = second.wait_exit(soon);
        REQUIRE(ended);
        CHECK(ended->to_string() == "exit status 0");
    }
}

TEST_CASE("a signal that comes at any moment of the start is a status of 0", "[ours][stopping]") {
    if (!under_test().can.hears_signals) return leave_out(too_late);
    for (int i = 0; i < 30; ++i) {
        auto words = under_test().arguments;
        words.insert(words.begin(), {under_test().path, "--listen", "127.0.0.1:0"});
        child starting(words);
        while (!expects_signals(starting.pid()) && starting.running()) {}
        for (const deadline moment(milliseconds(i / 3)); !moment.over();) {}
        starting.signal(SIGTERM);
        const auto ended = starting.wait_exit(soon);
        REQUIRE(ended);
        CHECK(ended->to_string() == "exit status 0");
    }
}

TEST_CASE("signals that the parent has blocked stop a server all the same", "[ours][stopping]") {
    if (!under_test().can.hears_signals) return leave_out(too_late);
    if (emulated) return leave_out("its emulator stands between env and the server");
    const std::vector<std::string> words{
        "env",      "--block-signal=TERM", "--block-signal=INT", under_test().path,
        "--listen", "127.0.0.1:0"};
    child blocked(words);
    REQUIRE(blocked.wait_line("listening on ", must_happen));
    blocked.signal(SIGTERM);
    const auto ended = blocked.wait_exit(soon);
    REQUIRE(ended);
    CHECK(ended->to_string() == "exit status 0");
}
