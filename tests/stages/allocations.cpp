/// \file
/// Top-down: when it fails, then the functions that the language lets a program replace.

#include "stages/allocations.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace allocations {
namespace {

/// A thread's allocations that are still to succeed, and what comes then.
struct plan {
    long left = 0; ///< the last of them fails; 0: no plan
    how_often how = how_often::once;
    bool has_failed = false;

    bool fails() {
        if (left == 0 || --left != 0) return false;
        if (how == how_often::from_then_on) left = 1;
        return has_failed = true;
    }
};
thread_local plan mine;

void* allocate(std::size_t size) noexcept {
    void* const made = mine.fails() ? nullptr : std::malloc(size);
    if (made == nullptr) return nullptr;
    ++count;
    bytes_in_use += static_cast<long>(::malloc_usable_size(made));
    return made;
}

void release(void* memory) noexcept {
    if (memory != nullptr) bytes_in_use -= static_cast<long>(::malloc_usable_size(memory));
    std::free(memory);
}

} // namespace

std::atomic<long> count = 0;
std::atomic<long> bytes_in_use = 0;

failing::failing(long nth, how_often how) {
    mine = {nth, how};
}

failing::~failing() {
    end();
}

bool failing::end() {
    return std::exchange(mine, {}).has_failed;
}

} // namespace allocations

void* operator new(std::size_t size) {
    void* const made = allocations::allocate(size);
    if (made == nullptr) throw std::bad_alloc();
    return made;
}

/// A sanitizer's would not go with our operator delete.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocations::allocate(size);
}

void operator delete(void* memory) noexcept {
    allocations::release(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    allocations::release(memory);
}
