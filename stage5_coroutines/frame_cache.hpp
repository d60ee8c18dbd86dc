#pragma once
/// \file
/// Memory for coroutine frames: a connection's frame is as large as the last one's.

#include <cstddef>

namespace stage5::frame_cache {

/// Memory for a frame, most often the one that was released last on this thread.
/// Throws std::bad_alloc.
void* allocate(std::size_t size);

/// Gives it back, on any thread. \param size as for allocate()
void release(void* frame, std::size_t size) noexcept;

/// How many frames there are in the process. For tests: nothing may be left over.
long live();

} // namespace stage5::frame_cache
