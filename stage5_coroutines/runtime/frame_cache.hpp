#pragma once
/// \file
/// Memory for what each connection consists of: the frame of its coroutine and its fd. The sizes
/// repeat, so memory that is freed is kept for the next one of that size. Go: runtime/mcache.go and
/// mcentral.go, which also have lists by size, for each thread and for all. Under the sanitizers
/// and valgrind nothing is kept.

#include <cstddef>

namespace stage5::frame_cache {

/// Returns memory for a frame: usually what this thread has released last. Unlike malloc, it needs
/// no header for each frame, and gives no memory back to the system. Throws std::bad_alloc.
void* allocate(std::size_t size);

/// Frees memory, on any thread. \param size as for allocate()
void release(void* frame, std::size_t size) noexcept;

/// Returns how many frames are allocated in the process. Exact while no thread allocates or
/// releases one. For tests: at the end none may be left.
long live();

} // namespace stage5::frame_cache
