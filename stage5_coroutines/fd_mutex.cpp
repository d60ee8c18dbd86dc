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
struct place {
    const fd_mutex* where;
    int what; ///< its direction, or `closing`: it waits for gone()
    runnable* who;
    bool* entered;
};
constexpr int closing = 2;

/// A part of the table of all queues in the process. Go: runtime.semtable, with a tree where this
/// has a vector, because queues are rare and short.
struct bucket {
    std::mutex mutex;
    std::vector<place> places; ///< the oldest in front

    /// Removes the oldest of this kind. \return a place without `who` if there is none
    place take(const fd_mutex* where, int what) {
        const auto found = std::ranges::find_if(
            places, [&](const place& p) { return p.where == where && p.what == what; });
        if (found == places.end()) return {};
        const place first = *found;
        places.erase(found);
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

fd_mutex::entry fd_mutex::lock(side s) {
    word old = word_.load();
    do {
        if ((old & closed) != 0) return entry::closed;
        if ((old & busy(s)) != 0) return entry::busy;
    } while (!word_.compare_exchange_weak(old, (old | busy(s)) + one_reference));
    return entry::in;
}

fd_mutex::entry fd_mutex::lock(side s, runnable& who, bool& entered) {
    auto& waiting = bucket_of(this);
    const std::lock_guard guard(waiting.mutex);
    waiting.places.push_back(
        {this, static_cast<int>(s), &who, &entered}); // others see it once this is unlocked
    entered = false;
    word old = word_.load();
    while ((old & closed) == 0) {
        const bool is_busy = (old & busy(s)) != 0;
        const word wanted = is_busy ? old | line(s) : (old | busy(s)) + one_reference;
        if (!word_.compare_exchange_weak(old, wanted)) continue;
        if (is_busy) return entry::busy;
        waiting.places.pop_back();
        entered = true;
        return entry::in;
    }
    waiting.places.pop_back();
    return entry::closed;
}

bool fd_mutex::unlock(side s) {
    word old = word_.load();
    while (true) {
        if ((old & line(s)) != 0) {
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
bool fd_mutex::hand_over(side s) {
    auto& waiting = bucket_of(this);
    runnable* next = nullptr;
    {
        const std::lock_guard guard(waiting.mutex);
        const auto what = static_cast<int>(s);
        const place first = waiting.take(this, what);
        const bool more = std::ranges::any_of(
            waiting.places, [&](const place& p) { return p.where == this && p.what == what; });
        if (!more) word_.fetch_and(~line(s));
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
    for (const side s : {side::read, side::write}) {
        if ((old & line(s)) == 0) continue;
        auto& waiting = bucket_of(this);
        while (true) {
            std::unique_lock guard(waiting.mutex);
            const place next = waiting.take(this, static_cast<int>(s));
            guard.unlock();
            if (next.who == nullptr) break;
            ready(*next.who);
        }
    }
    return true;
}

bool fd_mutex::wait_until_gone(runnable& who) {
    auto& waiting = bucket_of(this);
    const std::lock_guard guard(waiting.mutex);
    waiting.places.push_back({this, closing, &who, nullptr});
    word old = word_.load();
    while ((old & destroyed) == 0)
        if (word_.compare_exchange_weak(old, old | closer)) return true;
    waiting.places.pop_back();
    return false;
}

void fd_mutex::gone() {
    if ((word_.fetch_or(destroyed) & closer) == 0) return;
    auto& waiting = bucket_of(this);
    std::unique_lock guard(waiting.mutex);
    const place first = waiting.take(this, closing);
    guard.unlock();
    if (first.who != nullptr) ready(*first.who);
}

} // namespace stage5
