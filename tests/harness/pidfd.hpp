#pragma once
/// \file
/// Descriptors of processes. glibc has had these functions since 2.36, but its header for them
/// can't be used from C++ there.

#include "harness/unique_fd.hpp"

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace harness {

/// pidfd_open(2). \throws std::system_error
inline unique_fd open_process(pid_t pid) {
    return unique_fd(static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open")));
}

/// pidfd_getfd(2): a duplicate of another process's descriptor. \throws std::system_error
inline unique_fd take_descriptor(const unique_fd& process, int number) {
    const auto fd = ::syscall(SYS_pidfd_getfd, process.get(), number, 0);
    return unique_fd(static_cast<int>(check(fd, "pidfd_getfd")));
}

} // namespace harness
