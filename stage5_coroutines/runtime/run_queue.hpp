#pragma once
/// \file
/// The queue of a worker, from which other workers may steal, and the global queue.
/// Go: runtime/proc.go: runqput, runqget, runqgrab, gQueue.
///
/// What must hold for a worker's queue, a ring: only its owner moves the tail. The owner and the
/// workers that steal move the head, by compare-and-swap, so that each element is taken once.

#include "runnable.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace stage5 {

/// A worker's queue: bounded; first in, first out. Only the worker that owns it may call its
/// functions, except size(); any other queue may be the victim of its steal_from().
class run_queue {
public:
    static constexpr std::uint32_t capacity = 256; ///< Go: len(p.runq)

    /// Appends `who`. \return false if the queue is full. Go: runqput
    bool put(runnable& who) {
        const std::uint32_t tail = tail_.load(std::memory_order_relaxed); // only the owner moves it
        if (tail - head_.load(std::memory_order_acquire) == capacity) return false;
        ring_[tail % capacity].store(&who, std::memory_order_relaxed);
        tail_.store(tail + 1, std::memory_order_release); // now other workers may take `who`
        return true;
    }

    /// Takes the oldest element. \return nullptr if the queue is empty. Go: runqget
    runnable* take() {
        std::uint32_t head = head_.load(std::memory_order_acquire);
        while (head != tail_.load(std::memory_order_relaxed)) {
            runnable* const who = ring_[head % capacity].load(std::memory_order_relaxed);
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel)) return who;
        }
        return nullptr;
    }

    /// Takes the older half of `victim`, rounded up. This queue must be empty: all that were taken
    /// are in it then, but for the one that is returned.
    /// \return nullptr if `victim` is empty. Go: runqsteal
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
            // The copies are valid only if head has not moved. Otherwise an element has been taken
            // in the meantime: start again.
            if (!victim.head_.compare_exchange_strong(head, head + half, std::memory_order_acq_rel))
                continue;
            tail_.store(tail + half - 1, std::memory_order_release);
            return ring_[(tail + half - 1) % capacity].load(std::memory_order_relaxed);
        }
    }

    /// How many elements are in the queue. For another thread only a hint, because the queue may
    /// change while that thread reads first the head and then the tail.
    [[nodiscard]] std::uint32_t size() const {
        const std::uint32_t head = head_.load();
        return std::min(tail_.load() - head, capacity);
    }

private:
    std::atomic<std::uint32_t> head_ = 0;
    std::atomic<std::uint32_t> tail_ = 0;
    std::array<std::atomic<runnable*>, capacity> ring_{};
};

/// The global queue: unbounded; first in, first out. Not thread-safe: the scheduler has a lock for
/// it. Elements are linked to each other, so that put() needs no memory. Go: gQueue
class run_list {
public:
    /// Appends `who`. Go: gQueue.pushBack
    void put(runnable& who) {
        who.next_in_queue = nullptr;
        (first_ == nullptr ? first_ : last_->next_in_queue) = &who;
        last_ = &who;
        ++size_;
    }
    /// Takes the oldest element. \return nullptr if the queue is empty. Go: gQueue.pop
    runnable* take() {
        if (first_ == nullptr) return nullptr;
        --size_;
        return std::exchange(first_, first_->next_in_queue);
    }
    [[nodiscard]] std::size_t size() const { return size_; } ///< how many elements are in the queue

private:
    runnable* first_ = nullptr;
    runnable* last_ = nullptr; ///< valid only if there is a first one
    std::size_t size_ = 0;
};

} // namespace stage5
