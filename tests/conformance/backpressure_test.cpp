/// \file
/// A client that sends and never reads makes the server stop reading from it: at most 64 KiB per
/// connection are held in the process, and no other connection waits because of it.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

using namespace conformance;
using namespace harness;

namespace {

constexpr std::uint64_t most_held = 64 * 1024;           // bytes per connection, in the process
constexpr std::uint64_t far_too_much = 96 * 1024 * 1024; // more than all of the kernel's buffers
const milliseconds quiet{300 * patience};

/// A sanitizer keeps freed memory from being used again for a while, up to this much; an emulator
/// needs memory of its own.
const std::int64_t slack = (sanitized ? 32 : emulated ? 8 : 1) * 1024 * 1024;

/// A client that sends and reads nothing.
struct stubborn {
    client connection;
    pattern bytes;
    std::uint64_t sent = 0;

    stubborn(const server& to, std::uint64_t seed) : connection(to.where(), 8192), bytes(seed) {}

    /// What the server itself holds: sent, and in none of the kernel's four queues. Nothing if
    /// its end of the connection is not this process's.
    [[nodiscard]] std::optional<std::uint64_t> held_by(const server& to) const {
        const auto other = server_end(to.pid(), connection.local());
        if (!other) return std::nullopt;
        const auto here = kernel_queues(connection.fd());
        const auto there = kernel_queues(other->get());
        const auto in_kernel = here.to_send + there.to_read + there.to_send + here.to_read;
        return sent > in_kernel ? sent - in_kernel : 0; // what is just being acknowledged is in two
    }
};

/// Has all of them send, at most `most` bytes each, until no more is accepted for a while.
void send_until_stuck(std::span<stubborn> many, std::uint64_t most) {
    const auto takes_more = [&] {
        bool any = false;
        for (auto& one : many) {
            if (one.sent >= most) continue;
            const auto taken = one.connection.send_some(one.bytes.text(65536, one.sent));
            one.sent += taken;
            any = any || taken > 0;
        }
        return any;
    };
    while (wait_for(takes_more, quiet)) {}
}

/// How long a client waited for its answers.
struct waits {
    inline static const milliseconds no_longer_than{500 * patience};
    inline static const milliseconds all_no_longer_than{2000 * patience};

    steady::duration longest{};
    steady::duration all{};

    [[nodiscard]] bool is_short() const {
        return longest < no_longer_than && all < all_no_longer_than;
    }
};

/// For twenty of them, while two others never stop sending and reading.
waits waits_beside_floods() {
    const auto server = start();
    client other(server->where());
    std::atomic<std::uint64_t> came_back = 0;
    std::vector<std::jthread> floods;
    for (std::uint64_t i = 0; i < 2; ++i)
        floods.emplace_back([&, i](const std::stop_token& enough) {
            client flood(server->where());
            const auto bytes = pattern(i).text(65536, 0);
            while (!enough.stop_requested()) {
                flood.send_some(bytes);
                came_back += flood.receive_some(bytes.size()).size();
            }
        });
    CHECK(wait_for([&] { return came_back > 1'000'000; })); // they are at it
    waits took;
    for (int i = 0; i < 20; ++i) {
        const auto since = steady::now();
        other.echo("meanwhile");
        const auto one = steady::now() - since;
        took.longest = std::max(took.longest, one);
        took.all += one;
    }
    return took;
}

} // namespace

TEST_CASE("a client that sends and never reads is stopped, and no other waits", "[backpressure]") {
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto before = memory(server->pid());
    stubborn one(*server, 1);
    send_until_stuck({&one, 1}, far_too_much);
    CHECK(one.held_by(*server).value_or(0) <= most_held);
    CHECK(memory(server->pid()).anonymous - before.anonymous <= slack);
    REQUIRE(one.sent < far_too_much); // else the server takes whatever it is sent

    const auto since = steady::now();
    for (int i = 0; i < 100; ++i) other.echo("meanwhile");
    CHECK(steady::now() - since < std::chrono::seconds(1) * patience);
    client(server->where()).echo("a new one");

    // Nothing is lost by waiting: once it reads, it gets every byte.
    one.connection.shutdown_write();
    const auto all = one.connection.receive_rest();
    CHECK_FALSE(all.reset);
    CHECK(all.bytes.size() == one.sent);
    CHECK(one.bytes.difference(all.bytes, 0).value_or("") == "");
}

TEST_CASE("20 clients that never read cost the server 64 KiB each at most", "[backpressure]") {
    if (!shows_memory()) return;
    const auto server = start();
    client other(server->where());
    other.echo("before");
    const auto before = memory(server->pid());
    constexpr std::int64_t count = 20;
    std::vector<stubborn> many;
    for (std::uint64_t i = 0; i < count; ++i) many.emplace_back(*server, i);
    send_until_stuck(many, 16 * 1024 * 1024);
    for (const auto& one : many) CHECK(one.held_by(*server).value_or(0) <= most_held);
    // Besides the bytes: a record of the connection, a buffer's rounding, a thread's stack; and in
    // other people's servers whatever their languages need for all that.
    const std::int64_t each = std::int64_t{most_held} + (under_test().is_ours() ? 32 : 256) * 1024;
    CHECK(memory(server->pid()).anonymous - before.anonymous <= count * each + slack);
    for (int i = 0; i < 100; ++i) other.echo("meanwhile");
}

TEST_CASE("clients that never stop sending and reading keep no other waiting", "[backpressure]") {
    auto took = waits_beside_floods();
    for (int i = 1; i < 3 && !took.is_short(); ++i) // who else runs here may make it wait, once
        took = waits_beside_floods();
    CHECK(took.longest < waits::no_longer_than);
    CHECK(took.all < waits::all_no_longer_than);
}
