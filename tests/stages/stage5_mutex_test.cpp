/// \file
/// fd_mutex from many sides: one caller per direction, each waiting caller is woken once, and the
/// last one to leave learns that it is the last, whenever the fd is closed. Go:
/// internal/poll/fd_mutex_test.go.

#include "stage5_coroutines/poll/fd_mutex.hpp"
#include "stages/stage5_tools.hpp"

#include <string>

using stage5::awaiting;
using stage5::direction;
using stage5::fd_mutex;
using stage5::task;
using stage5::yield;
using stage5_tools::expect;
using stage5_tools::group;
using stage5_tools::in_a_world;

namespace {

/// Awaits a direction. \return whether it has it, and then it must unlock
class locking {
public:
    locking(fd_mutex& which, direction s) : which_(which), direction_(s) {}
    awaiting<locking> operator co_await() && { return awaiting<locking>(*this); }
    bool begin() {
        const auto entry = which_.lock(direction_);
        entered_ = entry == fd_mutex::lock_result::in;
        return entry != fd_mutex::lock_result::busy;
    }
    bool suspend(stage5::goroutine& who) {
        return which_.lock(direction_, who, entered_) == fd_mutex::lock_result::busy;
    }
    [[nodiscard]] bool result() const { return entered_; }

private:
    fd_mutex& which_;
    direction direction_;
    bool entered_ = false;
};

/// What became of a mutex.
struct life {
    fd_mutex mutex;
    std::array<std::atomic<int>, 2> inside{}; ///< a direction
    std::atomic<int> entered = 0, lasts = 0, firsts = 0;
    std::atomic<bool> closed = false;
};

task<> use_side(life& of, direction s) {
    while (true) {
        const bool entered = co_await locking(of.mutex, s);
        if (!entered) break;
        auto& inside = of.inside[static_cast<std::size_t>(s)];
        expect(++inside == 1, "one at a time");
        ++of.entered;
        if (of.entered % 3 == 0) co_await yield();
        --inside;
        if (of.mutex.unlock(s)) {
            ++of.lasts;
            of.mutex.set_destroyed();
        }
    }
    expect(of.closed, "nobody is sent away before it is closed");
}

task<> refer(life& of) {
    while (of.mutex.add_reference()) {
        if (of.mutex.drop_reference()) {
            ++of.lasts;
            of.mutex.set_destroyed();
        }
        co_await yield();
    }
}

/// Awaits that the last has left.
class until_gone {
public:
    explicit until_gone(fd_mutex& which) : which_(which) {}
    awaiting<until_gone> operator co_await() && { return awaiting<until_gone>(*this); }
    static bool begin() { return false; }
    bool suspend(stage5::goroutine& who) { return which_.wait_until_destroyed(who); }
    static void result() {}

private:
    fd_mutex& which_;
};

task<> close_it(life& of, int turns) {
    for (int i = 0; i < turns; ++i) co_await yield();
    of.closed = true;
    if (!of.mutex.close()) co_return;
    ++of.firsts;
    if (of.mutex.drop_reference()) {
        ++of.lasts;
        of.mutex.set_destroyed();
    }
    co_await until_gone(of.mutex);
    expect(of.lasts == 1, "the last has left before");
}

} // namespace

TEST_CASE("stage5 fd_mutex: a direction is one caller's, the sides are two", "[TestMutexLock]") {
    fd_mutex mutex;
    REQUIRE(mutex.lock(direction::read) == fd_mutex::lock_result::in);
    CHECK(mutex.lock(direction::read) == fd_mutex::lock_result::busy);
    REQUIRE(mutex.lock(direction::write) == fd_mutex::lock_result::in);
    CHECK(mutex.add_reference());
    CHECK_FALSE(mutex.drop_reference());
    CHECK_FALSE(mutex.unlock(direction::read));
    CHECK_FALSE(mutex.unlock(direction::write));
}

TEST_CASE("stage5 fd_mutex: closed once, it lets nobody in, and the last one out hears of it",
          "[TestMutexClose]") {
    fd_mutex mutex;
    REQUIRE(mutex.lock(direction::read) == fd_mutex::lock_result::in);
    CHECK(mutex.close());
    CHECK_FALSE(mutex.close());
    CHECK(mutex.is_closed());
    CHECK_FALSE(mutex.add_reference());
    CHECK(mutex.lock(direction::read) == fd_mutex::lock_result::closed);
    CHECK(mutex.lock(direction::write) == fd_mutex::lock_result::closed);
    CHECK_FALSE(mutex.unlock(direction::read)); // close() has a reference as well
    CHECK(mutex.drop_reference());
}

TEST_CASE("stage5 fd_mutex: closed at any moment, each that waits is told once and one is the last",
          "[TestMutexStress]") {
    for (const unsigned threads : {1U, 4U})
        in_a_world(threads, []() -> task<> {
            for (int round = 0; round < (harness::sanitized ? 100 : 300); ++round) {
                life one;
                group all;
                for (int i = 0; i < 4; ++i) {
                    all.go(use_side(one, direction::read));
                    all.go(use_side(one, direction::write));
                    all.go(refer(one));
                }
                for (int i = 0; i < 2; ++i) all.go(close_it(one, round * 13 % 100));
                co_await all.wait();
                expect(one.firsts == 1, "one has closed it");
                expect(one.lasts == 1, "one was the last");
            }
        });
}
