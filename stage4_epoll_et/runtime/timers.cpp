/// \file
/// A heap with four children per node: half as deep as a binary heap, and a node's children are
/// 64 consecutive bytes.

#include "timers.hpp"

#include <algorithm>
#include <ctime>

namespace stage4 {
namespace {

constexpr std::size_t children = 4;

} // namespace

nanotime now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

void timers::set(timer& what, nanotime when) {
    if (what.heap_index == 0) {
        heap_.emplace_back();
        rise(heap_.size() - 1, {when, &what});
    } else if (when < heap_[what.heap_index - 1].when) {
        rise(what.heap_index - 1, {when, &what});
    } else {
        sink(what.heap_index - 1, {when, &what});
    }
}

void timers::remove(timer& what) {
    if (what.heap_index == 0) return;
    const std::size_t hole = what.heap_index - 1;
    what.heap_index = 0;
    const node last = heap_.back();
    heap_.pop_back();
    if (hole == heap_.size()) return; // `what` was the last node: there is no hole
    if (last.when < heap_[hole].when)
        rise(hole, last);
    else
        sink(hole, last);
}

void timers::expire(nanotime now, std::vector<waiter*>& woken, std::size_t most) {
    for (; most > 0 && !heap_.empty() && heap_.front().when <= now; --most) {
        timer& first = *heap_.front().what;
        remove(first);
        first.fire(first, {*this, now, woken});
    }
}

void timers::put(std::size_t index, node what) {
    heap_[index] = what;
    what.what->heap_index = static_cast<std::uint32_t>(index + 1);
}

/// Moves `what` up from `index` until its parent is not later, and stores it there.
void timers::rise(std::size_t index, node what) {
    while (index > 0) {
        const std::size_t parent = (index - 1) / children;
        if (heap_[parent].when <= what.when) break;
        put(index, heap_[parent]);
        index = parent;
    }
    put(index, what);
}

/// Moves `what` down from `index` until no child is earlier, and stores it there.
void timers::sink(std::size_t index, node what) {
    while (index * children + 1 < heap_.size()) {
        const auto first = heap_.begin() + static_cast<std::ptrdiff_t>(index * children + 1);
        const auto end = heap_.end() - first > static_cast<std::ptrdiff_t>(children)
                             ? first + static_cast<std::ptrdiff_t>(children)
                             : heap_.end();
        const auto earliest = std::ranges::min_element(first, end, {}, &node::when);
        if (what.when <= earliest->when) break;
        const auto child = static_cast<std::size_t>(earliest - heap_.begin());
        put(index, *earliest);
        index = child;
    }
    put(index, what);
}

} // namespace stage4
