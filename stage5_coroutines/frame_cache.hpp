#pragma once
/// \file
/// Memory for what a connection is made of: its coroutine's frame and its fd. Sizes repeat, so
/// freeing is keeping for the next one. Go: runtime/mcache.go and mcentral.go, with their lists by
/// size, a thread's own and the common ones. Under the sanitizers and valgrind nothing is kept.

#include <cstddef>

namespace stage5::frame_cache {

/// Memory for a frame, most often the one that was released last on this thread. Nothing is lost
/// to a header, and nothing goes back to the system: what there once was is for the next ones.
/// Throws std::bad_alloc.
void* allocate(std::size_t size);

/// Gives it back, on any thread. \param size as for allocate()
void release(void* frame, std::size_t size) noexcept;

/// How many there are in the process. Exact while nobody allocates. For tests: none may be left.
long live();

} // namespace stage5::frame_cache
