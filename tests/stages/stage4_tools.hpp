#pragma once
/// \file
/// What stage 4's tests are written with: a waiter that counts, a connection whose poller is
/// turned by hand, and system calls that can be told to fail.

#include "harness/limits.hpp"
#include "harness/unique_fd.hpp"
#include "stage4_epoll_et/poll/fd.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace stage4_tests {

using stage4::direction;
using stage4::nanotime;

constexpr nanotime us = 1'000, ms = 1'000'000, second = 1'000'000'000; ///< in nanoseconds

/// A waiter that does nothing but count how often it is woken.
struct counter : stage4::waiter {
    counter() : waiter{[](waiter& w) { ++static_cast<counter&>(w).wakes; }} {}
    std::atomic<int> wakes = 0;
};

/// A poller of one's own. \throws harness::failure if it can't be had
std::unique_ptr<stage4::netpoll> opened();

/// Turns the poller until `who` has been woken so often. \return whether it has
bool woken(stage4::netpoll& poll, const counter& who, int times = 1,
           harness::milliseconds limit = harness::must_happen);

/// Delivers what has happened by now, and what comes of it.
void deliver(stage4::netpoll& poll);

/// Waits until the kernel says so of `fd`: what another thread or a peer did has arrived.
void arrives(int fd, short events);

/// Closes with an RST.
void reset(harness::unique_fd& socket);

/// What came of fd::read: the bytes, "EOF", what is wrong; "nothing" if nothing was asked for.
std::string told(const std::expected<std::size_t, stage4::io_error>& result,
                 std::string_view buffer);
/// "done", or what is wrong.
std::string told(const std::expected<void, stage4::io_error>& result);
inline const std::string pending = "operation pending", timeout = "i/o timeout",
                         closed = "use of closed network connection", done = "done";

enum class transport { tcp, unix_socket };

struct both_ends {
    stage4::unique_fd ours; ///< does not block
    harness::unique_fd theirs;
};
/// A connection with kernel buffers as small as they get, so that a writer soon has to wait.
both_ends connect_to_myself(transport how);

/// A connection in a netpoll of its own, driven by hand.
struct connection {
    explicit connection(transport how = transport::tcp) : connection(connect_to_myself(how)) {}
    explicit connection(both_ends ends);

    std::unique_ptr<stage4::netpoll> poll;
    stage4::fd ours;
    harness::unique_fd theirs;
    counter reader, writer;
    std::size_t written = 0; ///< by the write that is going on

    /// One call, which may be left pending.
    std::string read(std::size_t size = 100);
    std::string write(std::string_view bytes);
    /// Waits, if a read is pending, and calls until none is.
    std::string read_to_its_end(std::size_t size = 100);
    /// Leaves a write pending: nothing more fits.
    void park_writer();
    /// What our peer does.
    void send(std::string_view bytes, int flags = 0) const;
    void send_end() const;
    void all_arrived() const;        ///< waits until what it has sent is in our kernel's queue
    std::string receive_all() const; ///< what is there at once

private:
    int parks_ = 0; ///< of the reader, who is woken as often
};

/// A listener in a netpoll of its own.
struct listening {
    listening();

    std::unique_ptr<stage4::netpoll> poll;
    stage4::address where;
    stage4::fd socket;
    counter acceptor;

    /// One call: "done", or what is wrong.
    std::string accept();
    /// A client that the kernel has connected, and of which the listener could know.
    harness::unique_fd client() const;
    std::unique_ptr<stage4::fd> accepted; ///< by the last call
};

stage4::unique_fd listen_on_loopback(stage4::address& where, int backlog = 128);

/// What an epoll instance of ours is to watch `fd` for, as /proc/self/fdinfo shows it: the mask,
/// in hexadecimal; nothing if it is not registered.
std::string registered(int fd);
/// What an eventfd of ours counts: how often it was written to and not yet read.
std::uint64_t written_to_eventfd();

/// System calls that can be told to fail: what can't be had from the kernel at will. The programs
/// that link stage4_tools.cpp have these calls go through it.
enum class call { accept4, epoll_ctl, epoll_pwait2, send };
/// Makes this call fail `times` times, after it has succeeded `skip` times.
void let_fail(call which, int error, int skip = 0, int times = 1);
/// How often epoll_ctl has been called for `operation`.
int epoll_ctl_count(int operation);

} // namespace stage4_tests
