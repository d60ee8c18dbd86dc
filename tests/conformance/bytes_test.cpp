/// \file
/// Every byte comes back once, in order, for any message size and any way of cutting it into
/// writes; and a client that stops sending gets the rest of its echo, then the end of the stream.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <random>

using namespace conformance;
using namespace harness;

namespace {

constexpr std::uint64_t mib = 1024 * 1024;

/// Another way of cutting every time; the printed seed is what a failure can be repeated with.
std::uint64_t new_seed() {
    const std::uint64_t seed = std::random_device{}();
    fmt::print("seed {}\n", seed);
    return seed;
}

/// Every write becomes a packet.
void send_at_once(const client& one) {
    const int on = 1;
    check(::setsockopt(one.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
}

/// Sends each byte by itself, and each '!' as urgent data. \return the others
std::string send_with_urgent(client& from, std::string bytes) {
    for (const char each : bytes)
        if (each == '!')
            from.send_urgent(each);
        else
            from.send_all({&each, 1});
    std::erase(bytes, '!');
    return bytes;
}

/// Receives `count` bytes, urgent ones not counted: whether those are part of the stream is the
/// receiver's choice, and Linux makes one a part of it that a second one has replaced.
std::string receive_without_urgent(client& by, std::size_t count) {
    std::string got;
    while (got.size() < count) {
        got += by.receive_exactly(1);
        std::erase(got, '!');
    }
    return got;
}

} // namespace

TEST_CASE("a message of any size comes back byte for byte", "[bytes]") {
    const auto server = start();
    for (const std::size_t boundary : {0U, 4096U, 8192U, 16384U, 32768U, 65536U}) {
        for (const std::size_t size : {boundary - 1, boundary, boundary + 1}) {
            if (size > 2 * 65536) continue; // there is no size before 0
            INFO("a message of " << size << " bytes");
            client one(server->where());
            one.exchange(
                {.bytes = pattern(size), .size = size, .next_piece = [&] { return size; }});
            one.shutdown_write();
            one.expect_end();
        }
    }
}

TEST_CASE("1 MiB in one write comes back byte for byte", "[bytes]") {
    const auto server = start();
    client one(server->where());
    one.exchange({.bytes = pattern(1), .size = mib, .next_piece = [] { return mib; }});
}

TEST_CASE("64 MiB in random pieces come back byte for byte", "[bytes]") {
    const auto server = start();
    const auto seed = new_seed();
    client one(server->where());
    one.exchange({.bytes = pattern(seed),
                  .size = 64 * mib,
                  .next_piece = random_sizes(seed, 3 * 65536),
                  .half_close = true});
}

TEST_CASE("bytes of every value come back as they are", "[bytes]") {
    const auto server = start();
    std::string all;
    for (int value = 0; value < 256; ++value) all.push_back(static_cast<char>(value));
    client one(server->where());
    one.echo(all);
    one.echo(std::string(1000, '\0'));
    one.echo("\r\n\r\n\x1b[2J\x04\x1a");
    one.echo("\xff\xfe\xf4\xff\xfd\x06"); // telnet's interrupt
}

TEST_CASE("an urgent byte does not derail the bytes around it", "[bytes]") {
    const auto server = start();
    client one(server->where());
    one.send_all("before");
    one.send_urgent('!');
    one.send_all("after");
    one.shutdown_write();
    // The receiver chooses whether urgent data is part of the stream; the rest must be.
    const auto back = one.receive_rest();
    CHECK((back.bytes == "beforeafter" || back.bytes == "before!after"));
    CHECK_FALSE(back.reset);
    client(server->where()).echo("the next client");
}

TEST_CASE("urgent bytes in any position hold up none of the bytes around them", "[bytes]") {
    const auto server = start();
    client same(server->where());
    send_at_once(same);
    for (const std::string bytes :
         {"!a", "a!", "a!b", "!!a", "a!!b", "a!!", "ab!cd!ef", "!a!", "abc"})
        for (int i = 0; i < 10; ++i) {
            client fresh(server->where());
            send_at_once(fresh);
            for (auto* const one : {&fresh, &same}) {
                const auto wanted = send_with_urgent(*one, bytes);
                REQUIRE(receive_without_urgent(*one, wanted.size()) == wanted);
            }
            fresh.shutdown_write();
            const auto back = fresh.receive_rest();
            CHECK_FALSE(back.reset);
            CHECK(back.bytes.find_first_not_of('!') == std::string::npos);
        }
}

TEST_CASE("30 clients at once get their own bytes", "[bytes]") {
    const auto server = start();
    crowd clients(server->where());
    clients.join_and_echo(30, 1);
    clients.echo(200'000);
    clients.echo(17);
    CHECK(clients.served() == 30);
}

TEST_CASE("writes of one byte come back, whether awaited or not", "[bytes]") {
    const auto server = start();
    client one(server->where());
    send_at_once(one);
    for (int i = 0; i < 200; ++i) one.echo(std::string(1, static_cast<char>(i)));
    one.exchange({.bytes = pattern(2), .size = 20'000, .next_piece = [] { return 1; }});
}

TEST_CASE("a client that half-closes with 5 MB owed gets all of them, then the end", "[bytes]") {
    const auto server = start();
    constexpr std::uint64_t size = 5'000'000;
    const pattern bytes(3);
    client one(server->where(), 32768); // a small window: the server holds the unsent bytes
    const auto before = one.send_until_stuck(bytes, size, milliseconds(200));
    std::uint64_t got = 0;
    for (std::uint64_t sent = before; got < size;) {
        if (sent < size) sent += one.send_some(bytes.text(std::min(size - sent, mib), sent));
        if (sent == size) {
            one.shutdown_write();
            sent = size + 1;
        }
        const auto want = std::min<std::uint64_t>(1000, size - got);
        const auto piece = one.receive_exactly(want);
        const auto wrong = bytes.difference(piece, got);
        if (wrong) FAIL(*wrong);
        got += piece.size();
    }
    one.expect_end();
}

TEST_CASE("a client that takes one byte at a time gets them all", "[bytes]") {
    const auto server = start();
    client one(server->where(), 2048);
    one.exchange({.bytes = pattern(4), .size = 100'000, .half_close = true, .read_size = 1});
}
