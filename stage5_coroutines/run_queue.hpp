#pragma once
/// \file
/// A worker's own queue, from which the others may steal, and the one of all. Go: runtime/proc.go:
/// runqput, runqget, runqgrab: a ring whose tail only the owner moves, and whose head whoever takes
/// something moves by compare-and-swap; gQueue.

#include "runnable.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace stage5 {

/// Bounded; first in, first out. put() and take() are the owner's, steal_from() any worker's.
class run_queue {
public:
    static constexpr std::uint32_t capacity = 256; ///< Go: len(p.runq)

    /// Behind the others. \return false if it is full. Go: runqput
    bool put(runnable& who) {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed); // ours
        if (tail - head_.load(std::memory_order_acquire) == capacity) return false;
        ring_[tail % capacity].store(&who, std::memory_order_relaxed);
        tail_.store(tail + 1, std::memory_order_release); // now others may take it
        return true;
    }

    /// Who waits longest. \return nullptr if it is empty. Go: runqget
    runnable* take() {
        std::uint32_t head = head_.load(std::memory_order_acquire);
        while (head != tail_.load(std::memory_order_relaxed)) {
            runnable* const who = ring_[head % capacity].load(std::memory_order_relaxed);
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel)) return who;
        }
        return nullptr;
    }

    /// Moves half of what `victim` has into this queue, which must be empty.
    /// \return one of them, or nullptr. Go: runqsteal
    runnable* steal_from(run_queue& victim) {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
        while (true) {
            std::uint32_t head = victim.head_.load(std::memory_order_acquire);
            const std::uint32_t there = victim.tail_.load(std::memory_order_acquire) - head;
            const std::uint32_t half = there - there / 2;
            if (half == 0) return nullptr;
            if (half > capacity / 2) continue; // head and tail were read at different times
            for (std::uint32_t i = 0; i < half; ++i)
                ring_[(tail + i) % capacity].store(
                    victim.ring_[(head + i) % capacity].load(std::memory_order_relaxed),
                    std::memory_order_relaxed);
            // Only if nobody has taken any of them meanwhile were they what we have read.
            if (!victim.head_.compare_exchange_strong(head, head + half, std::memory_order_acq_rel))
                continue;
            tail_.store(tail + half - 1, std::memory_order_release);
            return ring_[(tail + half - 1) % capacity].load(std::memory_order_relaxed);
        }
    }

    /// How many wait; from other workers, how many there were a moment ago.
    [[nodiscard]] std::uint32_t size() const { return tail_.load() - head_.load(); }

private:
    std::atomic<std::uint32_t> head_ = 0;
    std::atomic<std::uint32_t> tail_ = 0;
    std::array<std::atomic<runnable*>, capacity> ring_{};
};

/// Unbounded; first in, first out. Not thread-safe: whoever owns it locks. Who is in it is linked
/// to who is behind, so that making somebody ready never needs memory. Go: gQueue
class run_list {
public:
    /// Behind the others. Go: gQueue.pushBack
    void put(runnable& who) {
        who.behind = nullptr;
        (first_ == nullptr ? first_ : last_->behind) = &who;
        last_ = &who;
        ++size_;
    }
    /// Who waits longest. \return nullptr if it is empty. Go: gQueue.pop
    runnable* take() {
        if (first_ == nullptr) return nullptr;
        --size_;
        return std::exchange(first_, first_->behind);
    }
    [[nodiscard]] std::size_t size() const { return size_; } ///< how many wait

private:
    runnable* first_ = nullptr;
    runnable* last_ = nullptr; ///< if there is a first one
    std::size_t size_ = 0;
};

} // namespace stage5
