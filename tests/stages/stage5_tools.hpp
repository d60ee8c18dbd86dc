#pragma once
/// \file
/// What stage 5's tests have in common: a scheduler that runs on the test's thread until all its
/// goroutines have said that they are done, and two connections that are each other's ends.

#include "harness/catch.hpp"
#include "stage5_coroutines/fd.hpp"
#include "stage5_coroutines/frame_cache.hpp"
#include "stage5_coroutines/net.hpp"
#include "stage5_coroutines/scheduler.hpp"
#include "stage5_coroutines/task.hpp"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

namespace stage5_tools {

/// A scheduler. Leaves no frame behind, or the test has failed.
class world {
public:
    explicit world(unsigned threads) : runtime_(std::move(*stage5::scheduler::make(threads))) {}
    ~world() {
        runtime_.reset();
        CHECK(stage5::frame_cache::live() == 0);
    }
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// Starts one that has to end before run() returns.
    void go(stage5::task<> what) {
        ++running_;
        stage5::go(until_done(std::move(what)));
    }
    /// Runs all until those that were started here have ended.
    void run() { runtime_->run(); }

    stage5::netpoll& poll() { return runtime_->poll(); }

private:
    stage5::task<> until_done(stage5::task<> what) {
        co_await std::move(what);
        if (--running_ == 0) runtime_->stop();
    }
    std::unique_ptr<stage5::scheduler> runtime_;
    std::atomic<int> running_ = 0;
};

/// The two ends of a Unix stream. To be made, and to go away, while there is a world.
struct ends {
    ends() {
        std::array<int, 2> pair{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) ==
                0);
        a = stage5::net::conn(*stage5::fd::open(stage5::unique_fd(pair[0])));
        b = stage5::net::conn(*stage5::fd::open(stage5::unique_fd(pair[1])));
    }
    stage5::net::conn a, b;
};

} // namespace stage5_tools
