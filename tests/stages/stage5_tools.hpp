#pragma once
/// \file
/// What stage 5's tests have in common: a scheduler that runs on the test's thread until all its
/// goroutines have said that they are done, connections that are each other's ends, and checks
/// that a goroutine may make on any thread, which Catch2's may not.

#include "harness/catch.hpp"
#include "harness/limits.hpp"
#include "stage5_coroutines/net/conn.hpp"
#include "stage5_coroutines/net/listener.hpp"
#include "stage5_coroutines/poll/fd.hpp"
#include "stage5_coroutines/runtime/frame_cache.hpp"
#include "stage5_coroutines/runtime/scheduler.hpp"
#include "stage5_coroutines/runtime/task.hpp"
#include "stage5_coroutines/runtime/time.hpp"
#include "stage5_coroutines/runtime/wait_group.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stage5_tools {

/// Like CHECK, on any thread: the world that runs fails if it does not hold.
void expect(bool holds, std::string_view what,
            std::source_location where = std::source_location::current());
/// Like expect(), for two texts that have to be equal; a failure shows both.
void expect_same(std::string_view got, std::string_view wanted,
                 std::source_location where = std::source_location::current());

/// A scheduler. Leaves no frame and no descriptor behind, or the test has failed.
class world {
public:
    explicit world(unsigned threads);
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// Starts one that has to end before run() returns.
    void go(stage5::task<> what);
    /// Runs all until those that were started here have ended.
    void run() { runtime_->run(); }

    stage5::netpoll& poll() { return runtime_->poll(); }

private:
    stage5::task<> until_done(stage5::task<> what);

    long frames_before_;
    std::size_t descriptors_before_;
    std::unique_ptr<stage5::scheduler> runtime_;
    std::atomic<int> running_ = 0;
};

/// A test that is one goroutine.
template <typename Function>
void in_a_world(unsigned threads, const Function& what) {
    world w(threads);
    w.go(what());
    w.run();
}

/// Looks again and again until it holds. \return whether it came to hold
template <typename Condition>
stage5::task<bool> comes_true(Condition holds) {
    const harness::deadline end(harness::must_happen);
    while (!holds()) {
        if (end.over()) co_return false;
        co_await stage5::sleep_for(std::chrono::milliseconds(1));
    }
    co_return true;
}

/// A deadline that is over.
inline constexpr stage5::net::deadline past{std::chrono::nanoseconds(1)};

/// Goroutines that a test waits for. Go: WaitGroup.Go
class group {
public:
    void go(stage5::task<> what);
    /// \throws harness::failure if they don't end
    stage5::task<> wait();

private:
    static stage5::task<> run(stage5::wait_group& of, stage5::task<> what);
    stage5::wait_group left_;
};

/// The two ends of a Unix stream. To be made, and to go away, while there is a world.
struct ends {
    ends();
    stage5::net::conn a, b;
};

/// Both ends of a TCP connection over 127.0.0.1: `a` has connected, `b` was accepted.
struct tcp_ends {
    tcp_ends();
    stage5::net::conn a, b;
};

/// A listener whose backlog is full: who connects gets no answer at all.
class deaf_listener {
public:
    deaf_listener();
    [[nodiscard]] const stage5::address& addr() const { return addr_; }

private:
    stage5::unique_fd fd_;
    stage5::address addr_;
    std::vector<stage5::unique_fd> queued_;
};

/// A listener of this machine. \throws harness::failure
stage5::net::listener listen(std::string_view address = "127.0.0.1:0",
                             std::string_view network = "tcp");
/// The one address that this is. \throws harness::failure
stage5::address address_of(const std::string& text);
/// Lists of them. Not as initializer lists, which g++ 12 can't build in a coroutine.
std::vector<stage5::address> only(const stage5::address& one);
std::vector<stage5::address> both(const stage5::address& first, const stage5::address& second);
/// An address at which nobody listens.
stage5::address nobodys_address(const std::string& host);

/// True if this machine has an IPv6 loopback; warns if it has none.
bool has_ipv6();

/// Accepts and keeps what comes until the listener is closed.
stage5::task<> accept_all(stage5::net::listener from);
/// Connects. \throws harness::failure if that fails
stage5::task<stage5::net::conn> dial(std::string address, std::string network = "tcp");
/// Everything up to the end of the stream; or the error's text.
stage5::task<std::string> read_all(stage5::net::conn from);
/// Writes all of it. The test fails if that fails.
stage5::task<> write_all(stage5::net::conn to, std::string bytes);
/// Writes without reading anything, until the write ends with an error. \return its text
stage5::task<std::string> write_until_error(stage5::net::conn to);

/// The number of its socket, which must stay open for as long as the number is used.
int number_of(const stage5::net::conn& which);
/// Makes closing it send an RST to the peer.
void reset_at_close(const stage5::net::conn& which);

/// "tcp 127.0.0.1:1->127.0.0.1:2"
std::string ends_of(const stage5::net::conn& c);

/// "ok", or what the error says.
template <typename T>
std::string said(const std::expected<T, stage5::net::error>& result) {
    return result ? "ok" : result.error().message();
}

} // namespace stage5_tools
