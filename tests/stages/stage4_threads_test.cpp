/// \file
/// Stage 4's poller used by several threads at once, for about a second: one waits, others park,
/// set deadlines, close and open again. Nobody may be forgotten, and the thread sanitizer must
/// have nothing to say.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <semaphore>
#include <thread>
#include <vector>

using namespace stage4_tests;
using stage4::now;
using stage4::poll_desc;
using stage4::poll_status;

namespace {

constexpr nanotime duration = 700 * ms; // the time over which we measure

/// A waiter that a thread sleeps on.
struct sleeper : stage4::waiter {
    sleeper() : waiter{[](waiter& w) { static_cast<sleeper&>(w).wakes.release(); }} {}
    std::counting_semaphore<> wakes{0};
    [[nodiscard]] bool sleep() { return wakes.try_acquire_for(harness::must_happen); }
};

/// Turns a poller as long as it lives.
class turning {
public:
    explicit turning(stage4::netpoll& poll)
        : poll_(poll), thread_([this](const std::stop_token& stop) {
              while (!stop.stop_requested()) poll_.wait(stage4::poller::forever);
          }) {}
    ~turning() {
        thread_.request_stop();
        poll_.interrupt();
    }
    turning(const turning&) = delete;
    turning& operator=(const turning&) = delete;

private:
    stage4::netpoll& poll_;
    std::jthread thread_;
};

/// A descriptor that one thread reads from, while others send to it, hurry it, and close it.
class victim {
public:
    explicit victim(stage4::netpoll& poll) : poll_(poll) { enter(); }
    ~victim() { leave(); }
    victim(const victim&) = delete;
    victim& operator=(const victim&) = delete;

    std::atomic<int> reads = 0, timeouts = 0, lives = 0, parks = 0, forgotten = 0;

    /// The reader's thread, until `over`.
    void live(const std::atomic<bool>& over) {
        while (!over) {
            auto status = pd_->prepare(direction::read);
            if (status == poll_status::ready) {
                char byte = 0;
                if (::recv(ends_.ours.get(), &byte, 1, 0) == 1) {
                    ++reads;
                    continue;
                }
                status = pd_->block(direction::read, me_);
            }
            if (status == poll_status::parked) {
                ++parks;
                if (!me_.sleep()) return ++forgotten, void();
            } else if (status == poll_status::timed_out) {
                ++timeouts;
                poll_.set_deadline(*pd_, direction::read, 0);
            } else if (status == poll_status::closing) {
                ++lives;
                const std::lock_guard lock(mutex_);
                leave();
                ends_ = connect_to_myself(transport::unix_socket);
                enter();
            }
        }
    }

    /// Some other thread's.
    void disturb(unsigned how) {
        const std::lock_guard lock(mutex_);
        switch (how % 16) {
        case 0:
            return poll_.unblock(*pd_);
        case 1:
            return poll_.set_deadline(*pd_, direction::read, 1);
        case 2:
            return poll_.set_deadline(*pd_, direction::read, 0);
        case 3:
        case 4:
        case 5:
        case 6:
            return poll_.set_deadline(*pd_, direction::read, now() + nanotime{how / 16 % 200} * us);
        default:
            static_cast<void>(::send(ends_.theirs.get(), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
        }
    }
    void close() {
        const std::lock_guard lock(mutex_);
        poll_.unblock(*pd_);
    }

private:
    void enter() {
        const auto added = poll_.add(ends_.ours.get());
        if (!added) throw harness::failure(added.error().message());
        pd_ = *added;
    }
    void leave() {
        poll_.unblock(*pd_);
        poll_.remove(*pd_);
    }

    stage4::netpoll& poll_;
    std::mutex mutex_; ///< from the poller's promise: nobody uses what is being removed
    both_ends ends_ = connect_to_myself(transport::unix_socket);
    poll_desc* pd_ = nullptr;
    sleeper me_;
};

} // namespace

TEST_CASE("stage4: readers, deadlines, closes and the poller in threads of their own forget nobody "
          "(Go: TestReadWriteDeadlineRace)") {
    const auto poll = opened();
    std::vector<std::unique_ptr<victim>> victims;
    for (int i = 0; i < 4; ++i) victims.push_back(std::make_unique<victim>(*poll));
    std::atomic<bool> over = false;
    {
        const turning turns(*poll);
        std::vector<std::jthread> readers, others;
        for (const auto& one : victims) readers.emplace_back([&] { one->live(over); });
        const nanotime end = now() + duration;
        for (unsigned seed = 1; seed <= 2; ++seed)
            others.emplace_back([&, seed] {
                std::mt19937 random(seed);
                while (now() < end)
                    victims[random() % victims.size()]->disturb(static_cast<unsigned>(random()));
            });
        for (auto& other : others) other.join();
        over = true;
        for (const auto& one : victims) one->close();
        for (auto& reader : readers) reader.join();
    }
    const auto sum = [&](auto of) {
        int all = 0;
        for (const auto& one : victims) all += (*one).*of;
        return all;
    };
    CHECK(sum(&victim::forgotten) == 0);
    for (const auto of : {&victim::reads, &victim::timeouts, &victim::lives, &victim::parks})
        CHECK(sum(of) > 0); // all of it has been tried
}

TEST_CASE("stage4: deadlines pulled ever earlier by several threads all take effect "
          "(Go: TestConcurrentSetDeadline)") {
    constexpr int count = 10, threads = 8, times = 50;
    const auto poll = opened();
    std::vector<both_ends> ends;
    std::vector<poll_desc*> all;
    std::vector<sleeper> readers(count);
    for (auto& reader : readers) {
        ends.push_back(connect_to_myself(transport::unix_socket));
        const auto pd = poll->add(ends.back().ours.get());
        REQUIRE(pd);
        all.push_back(*pd);
        REQUIRE((*pd)->block(direction::read, reader) == poll_status::parked);
    }
    {
        const turning turns(*poll);
        std::vector<std::jthread> setters;
        const nanotime start = now();
        for (int i = 0; i < threads; ++i)
            setters.emplace_back([&] {
                for (int t = times; t > 0; --t)
                    for (auto* const pd : all)
                        poll->set_deadline(*pd, direction::read, start + (t + 20) * 10 * ms);
            });
        setters.clear(); // joins
        for (auto& reader : readers) CHECK(reader.sleep());
        CHECK(now() >= start + 21 * 10 * ms);
        for (auto& reader : readers) CHECK_FALSE(reader.wakes.try_acquire()); // once each
    }
    for (auto* const pd : all) {
        CHECK(pd->check(direction::read) == poll_status::timed_out);
        poll->unblock(*pd);
        poll->remove(*pd);
    }
}

TEST_CASE("stage4: an interrupt from another thread is never lost") {
    const auto poll = opened();
    std::atomic<int> round = 0;
    constexpr int rounds = 2000;
    std::jthread other([&] {
        for (int i = 1; i <= rounds; ++i) {
            round.wait(i - 1);
            poll->interrupt();
        }
    });
    const nanotime before = now();
    for (int i = 1; i <= rounds; ++i) {
        round = i;
        round.notify_one();
        poll->wait(10 * second); // would be as long as that
    }
    CHECK(now() - before < 10 * second * harness::patience);
}
