/// \file
/// The chat server of tests/consumer, as its clients see it. CHAT names another program than that
/// of the build under test: the one that tests/install has built with the installed library.

#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/server.hpp"
#include "harness/tested_build.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using harness::client;

namespace {

std::unique_ptr<harness::server> start_chat() {
    std::string command;
    if (const char* const installed = std::getenv("CHAT")) {
        command = installed;
    } else {
        for (const auto& word : harness::tested_build().launcher) command += word + " ";
        command += harness::tested_build().directory + "/tests/stages/stage5_chat";
    }
    return harness::server::foreign(command + " 127.0.0.1:{port}");
}

bool hears(client& who, const std::string& text) {
    return who.receive_exactly(text.size()) == text;
}

/// Waits until the server has accepted both, and not only the kernel. (It accepts clients in the
/// order in which they connect, `other` before `newcomer`.)
void wait_until_present(client& newcomer, client& other) {
    newcomer.send_all("I am here\n");
    REQUIRE(hears(other, "I am here\n"));
}

} // namespace

TEST_CASE("stage5: the chat server passes each line on to all the others, and forgets who leaves") {
    const auto server = start_chat();
    client a(server->where());
    client b(server->where());
    client c(server->where());
    wait_until_present(c, a);
    CHECK(hears(b, "I am here\n"));

    a.send_all("hello\n");
    CHECK(hears(b, "hello\n"));
    CHECK(hears(c, "hello\n"));
    b.send_all("one\ntwo\nhalf ");
    CHECK(hears(a, "one\ntwo\n"));
    CHECK(hears(c, "one\ntwo\n"));
    CHECK(a.hears_nothing_for(100ms));
    b.send_all("a line\n");
    CHECK(hears(a, "half a line\n"));
    CHECK(hears(c, "half a line\n"));

    b.close();
    c.send_all("without b\n");
    CHECK(hears(a, "without b\n"));
    c.reset();
    client d(server->where());
    wait_until_present(d, a);
    a.send_all("without c\n");
    CHECK(hears(d, "without c\n"));

    const auto ended = server->stop(SIGTERM);
    CHECK(ended.by_signal);
    CHECK(ended.number == SIGTERM);
    CHECK(a.receive_rest().bytes.empty());
    CHECK(server->err().empty());
}

TEST_CASE("stage5: the chat server drops what is no line, and disconnects who sends it") {
    const auto server = start_chat();
    client listening(server->where());
    client leaving(server->where());
    client endless(server->where());
    wait_until_present(endless, listening);
    CHECK(hears(leaving, "I am here\n"));
    leaving.send_all("no newline");
    leaving.shutdown_write();
    leaving.expect_end();
    endless.send_all(std::string(64 * 1024, 'x'));
    CHECK(endless.receive_rest().bytes.empty());
    CHECK(listening.hears_nothing_for(100ms));
    CHECK(server->err().empty());
}

TEST_CASE("stage5: the chat server waits for a client that does not read, but not for ever") {
    const auto server = start_chat();
    client listening(server->where());
    client slow(server->where());
    client speaking(server->where());
    wait_until_present(speaking, listening);
    // More than the kernel keeps for a client that does not read.
    const std::string line = std::string(60'000, 'x') + '\n';
    const std::size_t lines = 400;
    std::thread speaks([&] {
        for (std::size_t i = 0; i < lines; ++i) speaking.send_all(line);
    });
    const auto began = std::chrono::steady_clock::now();
    std::size_t right = 0;
    for (std::size_t i = 0; i < lines; ++i) right += hears(listening, line) ? 1U : 0U;
    CHECK(right == lines);
    CHECK(std::chrono::steady_clock::now() - began > 4s);
    speaks.join();
    CHECK(slow.receive_rest().bytes.size() < lines * line.size());
    speaking.send_all("still here\n");
    CHECK(hears(listening, "still here\n"));
    CHECK(server->err().empty());
}
