#pragma once
/// \file
/// What the kernel tells about a running server: time, memory, descriptors, sockets. None of it
/// needs the server's help.

#include "harness/endpoint.hpp"
#include "harness/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace harness {

/// The processor time that all threads of a process have used, those that ended included.
std::chrono::nanoseconds cpu_time(pid_t pid);

/// How long a process's threads have been ready to run while other processes had the cores; 0 where
/// the kernel does not count it.
std::chrono::nanoseconds waited_for_cpu(pid_t pid);

/// What part of one core a process uses, on average over a time.
class cpu_meter {
public:
    explicit cpu_meter(pid_t pid)
        : pid_(pid), used_(cpu_time(pid)), waited_(waited_for_cpu(pid)), since_(steady::now()) {}
    /// How much of a core it has used since the meter was made: 0.01 is one percent.
    [[nodiscard]] double share() const;
    /// Like share(), and adds how long it was ready to run while other processes had the cores.
    /// On a busy machine this distinguishes a process that spins from one that rests.
    [[nodiscard]] double demand() const;

private:
    pid_t pid_;
    std::chrono::nanoseconds used_, waited_;
    steady::time_point since_;
};

/// True if a thread of it runs, or would run if it had a core. waited_for_cpu() counts the time
/// that such a thread has waited only once it runs.
bool wants_cpu(pid_t pid);

/// Checks that a process comes to rest: there is a span of time in which it uses less than `share`
/// of a core, and does not spin as fast as others let it. A span is as long as `meanwhile` takes,
/// and five are tried, because a busy machine may charge a process for what another one took.
/// \throws failure if there is no such span
void expect_rest(pid_t pid, double share, const std::function<void()>& meanwhile);

/// Memory of a process, in bytes.
struct memory_use {
    std::int64_t resident = 0;  ///< Rss: all that is in memory
    std::int64_t anonymous = 0; ///< the part that is no file's: heap, stacks
};
/// Exact (from smaps_rollup): /proc/PID/status counts with a slack of some hundred KiB.
memory_use memory(pid_t pid);

/// How many threads a process has.
std::size_t thread_count(pid_t pid);

/// An open descriptor of another process.
struct descriptor {
    int number = -1;
    std::string what; ///< as the link in /proc says: "socket:[4711]", "/dev/null"
    bool close_on_exec = false;

    [[nodiscard]] bool is_socket() const { return what.starts_with("socket:"); }
};
std::vector<descriptor> descriptors(pid_t pid);
/// Only how many there are, which is quick for thousands.
std::size_t descriptor_count(pid_t pid);
/// Waits until a process has no more than `count` of them open. \return false if they have not
/// become fewer for as long as `limit`: to close thousands takes some time
bool comes_back_to(std::size_t count, pid_t pid,
                   milliseconds limit = milliseconds(3000) * patience);

/// A second descriptor for a socket that another process has open: what getsockopt(2) and
/// ioctl(2) say about it is what that process would hear. Closing it does no harm; but while it
/// is open, so is the connection.
unique_fd borrow(pid_t pid, int number);

/// The sockets of a process that listen.
std::vector<unique_fd> listeners(pid_t pid);

/// The server's end of the connection whose client has the address `peer`.
std::optional<unique_fd> server_end(pid_t pid, const endpoint& peer);

/// getsockopt for the options that are an int.
int socket_option(int fd, int level, int name);

/// How many connections may wait to be accepted, of a listening TCP socket.
std::uint32_t backlog(int listener);

/// How many bytes of a TCP connection are in the kernel: not yet read by this end, not yet
/// acknowledged by the other.
struct queued {
    std::uint64_t to_read = 0;
    std::uint64_t to_send = 0;
};
queued kernel_queues(int fd);
/// How many packets of a TCP connection this end has sent and not seen acknowledged. None are while
/// the other end's window is closed; while a lost one waits to be sent again, there is one.
std::uint32_t packets_in_flight(int fd);

} // namespace harness
