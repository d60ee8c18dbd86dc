#pragma once
/// \file
/// Which coroutine runs when, and on which thread: "协程调度" of the line echo's article. A few
/// workers, threads with a queue each, run all coroutines. A worker without work takes half of
/// another one's queue, and sleeps if there is nothing to take: see idle.hpp. Answers
/// runtime/proc.go: schedule, findRunnable, injectglist, sysmon.

#include "idle.hpp"
#include "netpoll.hpp"
#include "run_queue.hpp"
#include "runnable.hpp"
#include "task.hpp"

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

namespace stage5 {

/// The threads that run everything. One at a time exists in a process, as Go has one runtime.
class scheduler {
public:
    /// \param threads 0: usable_cpus()
    /// \return an error if there is a scheduler already (EBUSY), if a thread can't be made, or if
    /// the poller can't
    static std::expected<std::unique_ptr<scheduler>, syscall_error> make(unsigned threads);
    /// To be called after run(). Coroutines that still wait are lost: they are not destroyed.
    ~scheduler();

    /// The one that exists. If there is none, ends the process with a line that says so: a
    /// coroutine, a socket or a channel has been used too early or too late.
    static scheduler& current();
    /// Calls `what` if the scheduler with that number exists, and keeps it from going away in the
    /// meantime. For threads that are no workers. \return whether it was called
    template <typename What>
    static bool if_exists(std::uint16_t number, const What& what);
    /// Tells the schedulers of a process apart.
    [[nodiscard]] std::uint16_t number() const { return number_; }
    /// The poller of the scheduler with that number, or nullptr if it is gone.
    static netpoll* poll_of(std::uint16_t number);

    /// Runs everything that is ready, on as many threads as was said, this one among them, until
    /// stop() is called.
    void run();
    /// Makes run() return soon: coroutines that are ready or wait then get no turn any more. May be
    /// called by any thread, also while run() is about to return.
    void stop();

    netpoll& poll() { return *poll_; } ///< the one poller of the process, as in Go
    /// This worker's buffer: whoever has the turn may use it until it awaits something. Nothing on
    /// a thread that is no worker.
    static std::span<char> buffer();
    /// Whether the running coroutine has had enough: to be asked once for each thing that it did
    /// without waiting. Go's sysmon interrupts who runs for 10 ms; we can only ask to give way.
    static bool is_turn_over();
    /// Go: goready. \see stage5::ready
    void ready(runnable& who);
    /// Puts it behind all others. Go: globrunqput
    void put_last(runnable& who);

private:
    struct worker {
        run_queue queue;                       ///< Go: p.runq
        std::atomic<runnable*> next = nullptr; ///< readied by the last turn. Go: p.runnext
        std::atomic<std::uint32_t> turns = 0;  ///< counts them. Go: p.schedtick
        std::uint32_t seen_turns = 0;          ///< by sysmon, at its last tick. Go: p.sysmontick
        std::uint32_t nexts = 0;               ///< turns in a row that came from `next`
        std::uint32_t done = 0;                ///< in this turn. \see is_turn_over
        bool injecting = false; ///< in the poller: what becomes ready was not woken by our turn
        nanotime polled = 0;    ///< when it last looked at the poller
        std::vector<char> buffer = std::vector<char>(64 * 1024); ///< here before anybody reads
        scheduler* of = nullptr;
    };
    static worker*& this_worker();
    static scheduler* existing(); ///< nullptr if there is none
    static std::mutex& existence();

    explicit scheduler(unsigned threads);
    void begin();
    void work(worker& me);
    runnable* find(worker& me);
    runnable* look(worker& me);
    static runnable* take_local(worker& me);
    runnable* take_global();
    runnable* steal(worker& me);
    bool look_at_poller(worker& me);
    void poll(worker& me, nanotime delay);
    void put(worker& me, runnable& who);
    void inject(runnable& who);
    void wake(std::uint32_t count);
    [[nodiscard]] bool has_work() const;
    void sysmon();
    std::uint32_t retake();

    const std::uint16_t number_;
    std::unique_ptr<netpoll> poll_;
    std::vector<worker> workers_;
    std::vector<std::jthread> threads_; ///< all workers but the one in run(), and sysmon
    std::atomic<bool> begun_ = false;   ///< they may begin: run() has been called, or all is over
    idle idle_;
    std::atomic<std::uint32_t> searching_ = 0; ///< awake without work. Go: sched.nmspinning
    std::atomic<std::size_t> global_size_ = 0;

    std::mutex mutex_; ///< protects global_
    run_list global_;  ///< Go: sched.runq
};

template <typename What>
bool scheduler::if_exists(std::uint16_t number, const What& what) {
    const std::lock_guard lock(existence());
    const scheduler* const one = existing();
    if (one == nullptr || one->number() != number) return false;
    what();
    return true;
}

/// A point in time of the monotonic clock, on which points and spans are of different types.
/// time_point{} is no point: never. Go: time.Time
using time_point = std::chrono::steady_clock::time_point;

/// The present and `span`, at most the last point in time that there is. Go: time.Now().Add
time_point after(std::chrono::nanoseconds span);

/// A point in time as the poller counts it.
inline nanotime to_nanotime(time_point when) {
    static_assert(std::is_same_v<time_point::duration, std::chrono::nanoseconds>);
    return when.time_since_epoch().count();
}

/// What sleep_for() returns.
class sleeping {
public:
    explicit sleeping(time_point until) : until_(until) {} ///< \param until the end of it
    awaiting<sleeping> operator co_await() && { return awaiting<sleeping>(*this); } ///< sleeps
    static bool begin() noexcept { return false; } ///< even no time is a turn for others
    /// Sets the alarm, which wakes the coroutine.
    bool suspend(goroutine& who) {
        alarm_.emplace(who);
        scheduler::current().poll().set_alarm(*alarm_, to_nanotime(until_));
        return true;
    }
    static void result() noexcept {} ///< nothing wakes it early

private:
    time_point until_;
    std::optional<alarm> alarm_;
};

/// Awaited, waits for a time. Go: time.Sleep.
inline sleeping sleep_for(std::chrono::nanoseconds how_long) {
    return sleeping(after(how_long));
}

/// What yield() returns.
struct yielding {
    awaiting<yielding> operator co_await() && { return awaiting<yielding>(*this); } ///< yields
    static bool begin() noexcept { return false; } ///< always yields
    /// Puts the coroutine behind all others, in the global queue.
    static bool suspend(goroutine& who) {
        scheduler::current().put_last(who);
        return true;
    }
    static void result() noexcept {} ///< perhaps on another thread
};

/// Awaited, gives other coroutines a turn. Go: runtime.Gosched.
inline yielding yield() {
    return {};
}

} // namespace stage5
