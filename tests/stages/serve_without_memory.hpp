#pragma once
/// \file
/// A server in a thread of this process, whose memory ends at any point of its work. Stages 4 and 5
/// have one thread then, as operator new fails for one only.

#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "stages/allocations.hpp"

#include <unistd.h>

#include <chrono>
#include <exception>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace without_memory {

/// Sends more than the kernel's buffers hold, so that the server has to keep unsent bytes.
inline void converse(const harness::endpoint& with) try {
    harness::client one(with, 4096);
    one.echo("a message");
    const harness::pattern bytes(1);
    one.send_until_stuck(bytes, 12'000'000, harness::milliseconds(20));
    one.shutdown_write();
    static_cast<void>(one.receive_rest());
} catch (const std::exception&) { // cut off, because the server had no memory for it
}

/// \return whether there is an answer
inline bool is_served(const harness::endpoint& by) try {
    harness::client one(by);
    one.echo("a message");
    return true;
} catch (const std::exception&) {
    return false;
}

/// Runs a server again and again. Each time one more allocation succeeds before it fails.
/// \tparam Listen returns a listener
/// \tparam Serve serves it: calls a function when it is ready, and returns when it was stopped
/// \return how many allocations the server makes
template <typename Listen, typename Serve>
long fail_everywhere(const Listen& listen, const Serve& serve, bool (*stop)() noexcept,
                     allocations::how_often how) {
    for (long n = 1;; n += allocations::step) {
        const bool once = how == allocations::how_often::once;
        INFO("failed: allocation " << n << (once ? "" : " and all after it"));
        const auto descriptors = harness::descriptor_count(::getpid());
        auto listener = listen();
        REQUIRE(listener);
        const auto at = harness::parse_endpoint(listener->name());
        bool failed = false;
        bool ended_well = false;
        std::promise<void> ready;
        std::thread server([&] {
            std::optional<allocations::failing> memory;
            const auto result = serve(std::move(*listener), [&] {
                ready.set_value();
                memory.emplace(n, how);
            });
            failed = allocations::failing::end();
            ended_well = result.has_value();
        });
        ready.get_future().wait();
        converse(at);
        converse(at);
        if (once) CHECK((is_served(at) || is_served(at))); // one of them meets the failure at most
        stop();
        server.join();
        CHECK(ended_well);
        CHECK(harness::descriptor_count(::getpid()) == descriptors);
        if (!failed) return n;
    }
}

} // namespace without_memory
