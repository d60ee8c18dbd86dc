/// \file
/// Lookups of names that take long: how many run at a time, and answers that come too late. This
/// program's getaddrinfo keeps the names that end in ".held" until a test says otherwise.

#include "stage5_coroutines/net/dial.hpp"
#include "stage5_coroutines/net/lookup.hpp"
#include "stages/allocations.hpp"
#include "stages/stage5_tools.hpp"

#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>

using namespace std::chrono_literals;
using allocations::failing;
using allocations::how_often;
using stage5::after;
using stage5::sleep_for;
using stage5::task;
using stage5::net::lookup_host;
using stage5_tools::comes_true;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;

namespace {

/// The lookups of one test. Thread-safe.
class held_lookups {
public:
    held_lookups();
    /// Waits until the threads of all lookups have ended.
    ~held_lookups();
    held_lookups(const held_lookups&) = delete;
    held_lookups& operator=(const held_lookups&) = delete;

    /// Answers that many lookups.
    void answer(int lookups) {
        const std::lock_guard lock(mutex_);
        answers_ += lookups;
        more_.notify_all();
    }
    /// For getaddrinfo: waits for an answer. Ends by itself if the test has failed.
    void wait_for_answer() {
        thread_local const end_of_thread last{*this};
        std::unique_lock lock(mutex_);
        ++begun_;
        most_ = std::max(most_, ++running_);
        more_.wait_for(lock, harness::must_happen, [&] { return answers_ != 0; });
        --answers_;
        --running_;
    }

    int begun() { return locked(begun_); }
    int running() { return locked(running_); }
    /// The largest number that was running at a time.
    int most() { return locked(most_); }
    bool have_threads() { return locked(ended_) != locked(begun_); }

private:
    /// A thread's: goes away when the thread has done all that it had to do.
    struct end_of_thread {
        held_lookups& of;
        ~end_of_thread() {
            const std::lock_guard lock(of.mutex_);
            ++of.ended_;
        }
    };
    int locked(const int& what) {
        const std::lock_guard lock(mutex_);
        return what;
    }
    std::mutex mutex_; ///< protects what follows
    std::condition_variable more_;
    int answers_ = 0;
    int begun_ = 0;
    int ended_ = 0; ///< threads
    int running_ = 0;
    int most_ = 0;
};

held_lookups* held = nullptr; ///< written while no lookup runs

held_lookups::held_lookups() {
    held = this;
}

held_lookups::~held_lookups() {
    CHECK(harness::wait_for([&] { return !have_threads(); }));
    held = nullptr;
}

stage5::endpoint held_name(const std::string& name) {
    return {"tcp", name + ".held", 80};
}

/// Frames of coroutines whose scheduler has ended before them. Such coroutines are lost, which the
/// leak sanitizer need not report.
std::array<const void*, 200> lost;
std::size_t lost_count = 0;

/// Looks up a held name. \param continued is set if there is a result
task<> look_up_and_be_lost(bool& continued) {
    const char here = 0;
    lost.at(lost_count++) = &here;
    static_cast<void>(co_await lookup_host(held_name("lost"), {}));
    continued = true;
}

/// Stops a scheduler when a lookup is in progress. \param answers how many lookups get an answer
task<> stop_during_lookup(stage5::scheduler& which, held_lookups& lookups, int answers) {
    const bool runs = co_await comes_true([&] { return lookups.running() == 1; });
    expect(runs, "a lookup");
    lookups.answer(answers);
    which.stop();
}

/// \return a scheduler that was stopped during a lookup
std::unique_ptr<stage5::scheduler> lose_a_lookup(held_lookups& lookups, bool& continued,
                                                 int answers = 0) {
    auto made = stage5::scheduler::make(1);
    REQUIRE(made);
    stage5::go(look_up_and_be_lost(continued));
    stage5::go(stop_during_lookup(**made, lookups, answers));
    (*made)->run();
    return std::move(*made);
}

task<> look_up(int number, int& answers) {
    const auto found = co_await lookup_host(held_name(std::to_string(number)), {});
    if (found && *found && found->value().front().to_string() == "127.0.0.1:80") ++answers;
}

} // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** found) {
    static auto* const real = reinterpret_cast<decltype(&::getaddrinfo)>(
        ::dlsym(RTLD_NEXT, "getaddrinfo"));
    const bool holds = held != nullptr && node != nullptr &&
                       std::string_view(node).ends_with(".held");
    if (!holds) return real(node, service, hints, found);
    held->wait_for_answer();
    return real("127.0.0.1", service, hints, found);
}

TEST_CASE("stage5 lookup: an answer that comes when the scheduler has gone is dropped") {
    held_lookups lookups;
    bool continued = false;
    lose_a_lookup(lookups, continued).reset();
    lookups.answer(1);
    REQUIRE(harness::wait_for([&] { return !lookups.have_threads(); }));
    CHECK_FALSE(continued);
}

TEST_CASE("stage5 lookup: an answer to a scheduler that has gone is not given to the next one") {
    held_lookups lookups;
    bool continued = false;
    lose_a_lookup(lookups, continued).reset();
    in_a_world(2, [&]() -> task<> {
        lookups.answer(1);
        const bool ended = co_await comes_true([&] { return lookups.running() == 0; });
        expect(ended, "the lookup has an answer");
        co_await sleep_for(10ms);
        int answers = 0; // the next scheduler's own lookups are as many as ever
        lookups.answer(1);
        co_await look_up(1, answers);
        expect(answers == 1, "an answer");
    });
    CHECK_FALSE(continued);
}

TEST_CASE("stage5 lookup: an answer may come while the scheduler ends") {
    for (int i = 0; i < 100; ++i) {
        held_lookups lookups;
        bool continued = false;
        auto ended = lose_a_lookup(lookups, continued, 1);
        if (i % 2 == 0) std::this_thread::sleep_for(i * 1us);
        ended.reset();
    }
}

TEST_CASE("stage5 lookup: 500 threads look up names, and the next lookup waits for one of them",
          "[threadLimit]") {
    constexpr int most = 500, lookups_in_all = 520;
    held_lookups lookups;
    in_a_world(2, [&]() -> task<> {
        group all;
        std::array<int, lookups_in_all> answers{};
        for (int i = 0; i < lookups_in_all; ++i)
            all.go(look_up(i, answers.at(static_cast<std::size_t>(i))));
        const bool full = co_await comes_true([&] { return lookups.running() == most; });
        expect(full, "500 lookups at a time");

        const auto late = co_await lookup_host(held_name("late"), after(20ms));
        expect(!late, "a lookup that can't begin in time has no answer");
        expect(lookups.begun() == most, "and it does not begin");
        const stage5::endpoint known{"tcp", "127.0.0.1", 80};
        const auto number = co_await lookup_host(known, after(20ms));
        expect(number && *number, "a number needs no thread");

        lookups.answer(1);
        const bool next = co_await comes_true([&] { return lookups.begun() == most + 1; });
        expect(next, "the next one begins when one has ended");
        lookups.answer(lookups_in_all - 1);
        co_await all.wait();
        for (const int each : answers) expect(each == 1, "an answer to each");
        expect(lookups.most() == most, "and never more than 500 at a time");
        expect(lookups.begun() == lookups_in_all, "each is looked up once");
    });
}

TEST_CASE("stage5 lookup: a lookup that nothing waits for any more counts until it has ended") {
    constexpr int most = 500;
    held_lookups lookups;
    in_a_world(1, [&]() -> task<> {
        group all;
        const auto gives_up = []() -> task<> {
            const auto made = co_await stage5::net::dial("tcp", "slow.held:80", 10ms);
            expect_same(said(made), "dial tcp slow.held:80: i/o timeout");
        };
        for (int i = 0; i < 2 * most; ++i) all.go(gives_up());
        co_await all.wait();
        const bool begun = co_await comes_true([&] { return lookups.begun() == most; });
        expect(begun, "the first 500 have begun, and the others have given up before that");
        lookups.answer(most + 1);
        int answers = 0;
        co_await look_up(1, answers);
        expect(answers == 1, "the next lookup has an answer");
    });
}

TEST_CASE("stage5 lookup: lookups that find no memory leave room for the next one") {
    in_a_world(1, []() -> task<> {
        constexpr int more_than_most = 501;
        const stage5::endpoint where{"tcp", "localhost", 80};
        bool failed = true;
        bool answered = true;
        for (long n = 1; failed && answered; ++n)
            for (int i = 0; i < more_than_most && answered && (failed || i == 0); ++i) {
                const failing memory(n, how_often::once);
                try {
                    const auto found = co_await lookup_host(where, after(harness::must_happen));
                    answered = found.has_value();
                } catch (const std::bad_alloc&) { // its caller is not concerned
                }
                failed = failing::end();
            }
        expect(answered, "an answer to the last one");
    });
}
