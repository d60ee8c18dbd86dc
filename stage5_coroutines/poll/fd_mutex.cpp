/// \file
/// The table of the queues, and the operations on an fd_mutex.

#include "fd_mutex.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

namespace stage5 {
namespace {

/// A queued call.
struct queued_call {
    const fd_mutex* where;
    int what; ///< its direction, or `closing`: it waits for set_destroyed()
    runnable* who;
    bool* entered;
};
constexpr int closing = 2;

/// A part of the table of all queues in the process. Go: runtime.semtable, with a tree where this
/// has a vector, because queues are rare and short.
struct bucket {
    std::mutex mutex;
    std::vector<queued_call> calls; ///< the oldest in front

    /// Removes the oldest of this kind. \return a call without `who` if there is none
    queued_call take(const fd_mutex* where, int what) {
        const auto found = std::ranges::find_if(
            calls, [&](const queued_call& p) { return p.where == where && p.what == what; });
        if (found == calls.end()) return {};
        const queued_call first = *found;
        calls.erase(found);
        return first;
    }
};
std::array<bucket, 61> table;

bucket& bucket_of(const fd_mutex* which) {
    return table[reinterpret_cast<std::uintptr_t>(which) / 16 % table.size()];
}

} // namespace

bool fd_mutex::add_reference() {
    word old = word_.load();
    do {
        if ((old & closed) != 0) return false;
    } while (!word_.compare_exchange_weak(old, old + one_reference));
    return true;
}

bool fd_mutex::drop_reference() {
    const word left = word_.fetch_sub(one_reference) - one_reference;
    return (left & closed) != 0 && left < one_reference;
}

fd_mutex::lock_result fd_mutex::lock(direction s) {
    word old = word_.load();
    do {
        if ((old & closed) != 0) return lock_result::closed;
        if ((old & busy(s)) != 0) return lock_result::busy;
    } while (!word_.compare_exchange_weak(old, (old | busy(s)) + one_reference));
    return lock_result::in;
}

fd_mutex::lock_result fd_mutex::lock(direction s, runnable& who, bool& entered) {
    auto& waiting = bucket_of(this);
    const std::lock_guard guard(waiting.mutex);
    waiting.calls.push_back(
        {this, static_cast<int>(s), &who, &entered}); // others see it once this is unlocked
    entered = false;
    word old = word_.load();
    while ((old & closed) == 0) {
        const bool is_busy = (old & busy(s)) != 0;
        const word wanted = is_busy ? old | queued(s) : (old | busy(s)) + one_reference;
        if (!word_.compare_exchange_weak(old, wanted)) continue;
        if (is_busy) return lock_result::busy;
        waiting.calls.pop_back();
        entered = true;
        return lock_result::in;
    }
    waiting.calls.pop_back();
    return lock_result::closed;
}

bool fd_mutex::unlock(direction s) {
    word old = word_.load();
    while (true) {
        if ((old & queued(s)) != 0) {
            if (hand_over(s)) return false;
            old = word_.load();
        }
        const word wanted = (old & ~busy(s)) - one_reference;
        if (word_.compare_exchange_weak(old, wanted))
            return (wanted & closed) != 0 && wanted < one_reference;
    }
}

/// Gives the direction and its reference to the first call in the queue.
/// \return false if the queue is empty
bool fd_mutex::hand_over(direction s) {
    auto& waiting = bucket_of(this);
    runnable* next = nullptr;
    {
        const std::lock_guard guard(waiting.mutex);
        const auto what = static_cast<int>(s);
        const queued_call first = waiting.take(this, what);
        const bool more = std::ranges::any_of(
            waiting.calls, [&](const queued_call& p) { return p.where == this && p.what == what; });
        if (!more) word_.fetch_and(~queued(s));
        if (first.who == nullptr) return false; // close() has woken them all
        *first.entered = true;
        next = first.who;
    }
    ready(*next);
    return true;
}

bool fd_mutex::close() {
    word old = word_.load();
    do {
        if ((old & closed) != 0) return false;
    } while (!word_.compare_exchange_weak(old, (old | closed) + one_reference));
    for (const direction s : {direction::read, direction::write}) {
        if ((old & queued(s)) == 0) continue;
        auto& waiting = bucket_of(this);
        while (true) {
            std::unique_lock guard(waiting.mutex);
            const queued_call next = waiting.take(this, static_cast<int>(s));
            guard.unlock();
            if (next.who == nullptr) break;
            ready(*next.who);
        }
    }
    return true;
}

bool fd_mutex::wait_until_destroyed(runnable& who) {
    auto& waiting = bucket_of(this);
    const std::lock_guard guard(waiting.mutex);
    waiting.calls.push_back({this, closing, &who, nullptr});
    word old = word_.load();
    while ((old & destroyed) == 0)
        if (word_.compare_exchange_weak(old, old | close_waits)) return true;
    waiting.calls.pop_back();
    return false;
}

void fd_mutex::set_destroyed() {
    if ((word_.fetch_or(destroyed) & close_waits) == 0) return;
    auto& waiting = bucket_of(this);
    std::unique_lock guard(waiting.mutex);
    const queued_call first = waiting.take(this, closing);
    guard.unlock();
    if (first.who != nullptr) ready(*first.who);
}

} // namespace stage5
