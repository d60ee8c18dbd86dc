/// \file
/// A list for each size on each thread: allocating is taking the first one off.

#include "frame_cache.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

namespace stage5::frame_cache {
namespace {

constexpr std::size_t granule = 64; ///< sizes are rounded up to this
constexpr std::size_t classes = 16; ///< larger frames go to operator new
/// Of a size, on a thread: what flows to it is bounded. None where the address sanitizer watches:
/// it can't see the end of a frame that is only put aside.
#ifdef __SANITIZE_ADDRESS__
constexpr std::uint32_t most_kept = 0;
#else
constexpr std::uint32_t most_kept = 256;
#endif

struct free_frame {
    free_frame* next;
};

struct cache {
    std::array<free_frame*, classes> first{};
    std::array<std::uint32_t, classes> count{};
    ~cache() {
        for (free_frame* frame : first)
            while (frame != nullptr) ::operator delete(std::exchange(frame, frame->next));
    }
};

thread_local cache mine;
std::atomic<long> frames = 0;

std::size_t class_of(std::size_t size) {
    return (size - 1) / granule;
}

} // namespace

void* allocate(std::size_t size) {
    const std::size_t which = class_of(size);
    frames.fetch_add(1, std::memory_order_relaxed);
    if (which < classes && mine.first[which] != nullptr) {
        --mine.count[which];
        return std::exchange(mine.first[which], mine.first[which]->next);
    }
    try {
        return ::operator new((which + 1) * granule);
    } catch (...) {
        frames.fetch_sub(1, std::memory_order_relaxed);
        throw;
    }
}

void release(void* frame, std::size_t size) noexcept {
    const std::size_t which = class_of(size);
    frames.fetch_sub(1, std::memory_order_relaxed);
    if (which >= classes || mine.count[which] == most_kept) return ::operator delete(frame);
    ++mine.count[which];
    mine.first[which] = new (frame) free_frame{mine.first[which]};
}

long live() {
    return frames.load();
}

} // namespace stage5::frame_cache
