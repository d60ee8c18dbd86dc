/// \file
/// Gives each thread free lists of its own, which need no lock. A list that is empty takes a batch
/// from the common list of its size, and a list that is too long returns a batch to it. It becomes
/// too long if other threads allocate what this one releases.

#include "frame_cache.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

namespace stage5::frame_cache {
namespace {

constexpr std::size_t granule = 16; ///< sizes are rounded up to this, the alignment of new
constexpr std::size_t classes = 64; ///< number of sizes; larger frames come from operator new
constexpr std::uint32_t batch = 32;
constexpr std::size_t page = 16384;

#ifndef __has_feature // clang has it
#define __has_feature(what) 0
#endif
/// True if a tool looks for uses of freed memory. It would not notice those of a frame that is only
/// put into a list.
bool is_watched() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
    return true;
#else
    const char* const preloaded = std::getenv("LD_PRELOAD"); // valgrind adds a library of its own
    return preloaded != nullptr && std::string_view(preloaded).contains("vgpreload");
#endif
}

struct free_frame {
    free_frame* next;
};

/// A list of free frames of one size.
struct free_list {
    free_frame* first = nullptr;
    std::uint32_t count = 0;

    void push(void* frame) {
        first = new (frame) free_frame{first};
        ++count;
    }
    void* pop() {
        --count;
        return std::exchange(first, first->next);
    }
    void move(std::uint32_t most, free_list& to) {
        for (; most > 0 && count > 0; --most) to.push(pop());
    }
};

struct cache;

/// The lists that all threads share. Go: mcentral
struct central {
    std::mutex mutex; ///< protects all of it
    std::array<free_list, classes> lists;
    cache* caches = nullptr; ///< of the threads that exist
    long live = 0;           ///< the sum of `cache::live` of threads that have ended
};
central& common() {
    static central one;
    return one;
}

/// The lists of one thread. Go: mcache
struct cache {
    std::array<free_list, classes> lists;
    const bool keeps = !is_watched(); ///< false: frames come from operator new
    std::atomic<long> live = 0;       ///< allocations less releases; only its thread writes it
    cache* next;

    cache() noexcept {
        const std::lock_guard lock(common().mutex);
        next = std::exchange(common().caches, this);
    }
    ~cache() {
        const std::lock_guard lock(common().mutex);
        for (std::size_t i = 0; i < classes; ++i) lists[i].move(lists[i].count, common().lists[i]);
        common().live += live;
        cache** link = &common().caches;
        while (*link != this) link = &(*link)->next;
        *link = next;
    }
    void count(long difference) {
        live.store(live.load(std::memory_order_relaxed) + difference, std::memory_order_relaxed);
    }
};
thread_local cache mine;

std::size_t class_of(std::size_t size) {
    return (size + granule - 1) / granule;
}

/// Fills an empty list: from the common one, or with new memory. Go: mcache.refill
void refill(free_list& list, std::size_t which) {
    {
        const std::lock_guard lock(common().mutex);
        common().lists[which].move(batch, list);
    }
    if (list.count != 0) return;
    const std::size_t size = which * granule;
    const std::size_t count = std::max<std::size_t>(1, page / size);
    auto* frame = static_cast<std::byte*>(::operator new(count* size));
    for (std::size_t i = 0; i < count; ++i, frame += size) list.push(frame);
}

} // namespace

/// Never inlined, because a coroutine may continue on another thread: see scheduler::this_worker().
[[gnu::noinline]] void* allocate(std::size_t size) {
    const std::size_t which = class_of(size);
    void* frame = nullptr;
    if (!mine.keeps || which >= classes) {
        frame = ::operator new(size);
    } else {
        if (mine.lists[which].count == 0) refill(mine.lists[which], which);
        frame = mine.lists[which].pop();
    }
    mine.count(1);
    return frame;
}

/// Never inlined, for the same reason.
[[gnu::noinline]] void release(void* frame, std::size_t size) noexcept {
    const std::size_t which = class_of(size);
    mine.count(-1);
    if (!mine.keeps || which >= classes) return ::operator delete(frame);
    auto& list = mine.lists[which];
    list.push(frame);
    if (list.count < 2 * batch) return;
    const std::lock_guard lock(common().mutex);
    list.move(batch, common().lists[which]);
}

long live() {
    const std::lock_guard lock(common().mutex);
    long sum = common().live;
    for (const cache* each = common().caches; each != nullptr; each = each->next) sum += each->live;
    return sum;
}

} // namespace stage5::frame_cache
