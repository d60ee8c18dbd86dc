/// \file
/// Starts a thread for each lookup, and not too many at a time.

#include "lookup.hpp"

#include "../runtime/chan.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

namespace stage5::net {
namespace {

bool is_number(const std::string& host) {
    std::array<char, sizeof(in6_addr)> ignored{};
    return host.empty() || ::inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
           host.contains(':');
}

/// The most threads that look up names at a time. Go: net.threadLimit
constexpr std::size_t max_lookups = 500;

/// Returns a channel that holds a value for each lookup that may still begin. A new scheduler has a
/// new channel.
std::shared_ptr<chan<char>> lookups_left() {
    static std::mutex mutex; // protects the next two
    static std::shared_ptr<chan<char>> left;
    static std::uint16_t scheduler_number = 0;
    const std::lock_guard lock(mutex);
    if (left == nullptr || scheduler_number != scheduler::current().number()) {
        left = std::make_shared<chan<char>>(max_lookups);
        for (std::size_t i = 0; i < max_lookups; ++i) left->try_send(0);
        scheduler_number = scheduler::current().number();
    }
    return left;
}

lookup look_up(const endpoint& where) try {
    return resolve(where, purpose::dial);
} catch (const std::bad_alloc&) { // an exception in a thread would end the process
    return std::unexpected("out of memory");
}

} // namespace

task<std::optional<lookup>> lookup_host(endpoint where, time_point until) {
    if (where.network == "unix" || is_number(where.host)) co_return look_up(where);
    const auto left = lookups_left();
    const auto answer = std::make_shared<chan<lookup>>(1);
    const auto ask = [answer, left, where, number = scheduler::current().number()] {
        auto found = look_up(where);
        scheduler::if_exists(number, [&] {
            left->try_send(0);
            answer->try_send(std::move(found));
        });
    };
    // Last before the thread, because only ask() gives back the value that is received here.
    const auto may_begin = co_await left->receive(until);
    if (!may_begin) co_return std::nullopt;
    try {
        std::thread(ask).detach();
    } catch (const std::exception&) { // no thread, or no memory for one: block this one
        ask();
    }
    co_return co_await answer->receive(until);
}

} // namespace stage5::net
