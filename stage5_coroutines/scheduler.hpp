#pragma once
/// \file
/// Who runs when, and on which thread: "协程调度" of the line echo's article. A few threads, each
/// with a queue, take turns for all coroutines; when there is nothing to do, one of them waits in
/// the poller and the others sleep. Answers runtime/proc.go: schedule, findRunnable, injectglist,
/// wakep, and what sysmon does about the poller.

#include "netpoll.hpp"
#include "run_queue.hpp"
#include "runnable.hpp"
#include "task.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace stage5 {

/// The threads that run everything. One at a time exists in a process, as Go has one runtime.
class scheduler {
public:
    /// \param threads 0: usable_cpus()
    /// \return or pthread_create's error, and the poller's
    static std::expected<std::unique_ptr<scheduler>, syscall_error> make(unsigned threads);
    ~scheduler(); ///< after run(); coroutines that wait for something stay so, and are lost

    /// The one that exists.
    static scheduler& current();

    /// Runs everything that is ready, on as many threads as was said, this one among them, until
    /// stop() is called.
    void run();
    /// Lets run() return, soon: what is ready or waits then gets no turn any more. From any thread.
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
        std::atomic<runnable*> next = nullptr; ///< Go: p.runnext: it was woken by the last turn
        std::uint32_t turns = 0;
        std::uint32_t nexts = 0;      ///< turns in a row that came from `next`
        std::uint32_t done = 0;       ///< in this turn. \see is_turn_over
        std::uint32_t idle_looks = 0; ///< in a row at which everybody slept
        bool looks_up = false;        ///< nobody woke it: something may be waiting for too long
        bool injecting = false; ///< in the poller: whom it wakes was not woken by a turn of ours
        nanotime polled = 0;    ///< when it last looked at the poller
        std::vector<char> buffer = std::vector<char>(64 * 1024); ///< here before anybody reads
        scheduler* of = nullptr;
    };
    static worker*& this_worker();

    explicit scheduler(unsigned threads);
    void begin();
    void work(worker& me);
    runnable* find(worker& me);
    runnable* look(worker& me);
    static runnable* take_local(worker& me);
    runnable* take_global();
    runnable* steal(worker& me);
    bool look_at_poller(worker& me, nanotime delay);
    void rest(worker& me);
    void wait_for_work(worker& me);
    void put(worker& me, runnable& who);
    void wake_one();
    [[nodiscard]] bool has_work() const;

    std::unique_ptr<netpoll> poll_;
    std::vector<worker> workers_;
    std::vector<std::jthread> threads_; ///< of all workers but the one in run()
    std::atomic<bool> begun_ = false;   ///< they may begin: run() has been called, or all is over
    std::atomic<bool> stopping_ = false;
    std::atomic<bool> polling_ = false;        ///< somebody is in netpoll::wait()
    std::atomic<bool> poller_sleeps_ = false;  ///< and has nothing else to do
    std::atomic<std::uint32_t> sleeping_ = 0;  ///< workers in rest(), the one in the poller too
    std::atomic<std::uint32_t> searching_ = 0; ///< awake without work. Go: sched.nmspinning
    std::atomic<std::size_t> global_size_ = 0;
    std::atomic<bool> unwatched_ = false; ///< of those that wait for wake_ none looks up by itself

    std::mutex mutex_; ///< protects what follows
    std::condition_variable wake_;
    run_list global_;
    std::uint32_t waiting_ = 0; ///< workers that wait for wake_
    std::uint32_t wakes_ = 0;   ///< wake-ups that none of them has taken yet
    bool watching_ = false;     ///< one of them looks up every poll_interval
};

/// So long from now on; what lies beyond the end of time is at its end. Go: time.Now().Add
nanotime after(std::chrono::nanoseconds span);

/// Waits for a time. Go: time.Sleep.
class sleep_for {
public:
    /// From now on, and not from when it is awaited.
    explicit sleep_for(std::chrono::nanoseconds how_long) : until_(after(how_long)) {}
    static bool await_ready() noexcept { return false; } ///< even no time is a turn for others
    /// Sets the alarm, which wakes the coroutine.
    template <std::derived_from<goroutine> Promise>
    void await_suspend(std::coroutine_handle<Promise> who) {
        alarm_.emplace(who.promise());
        scheduler::current().poll().set_alarm(*alarm_, until_);
    }
    static void await_resume() noexcept {} ///< it was never woken early

private:
    nanotime until_;
    std::optional<alarm> alarm_;
};

/// Lets others have a turn. Go: runtime.Gosched.
struct yield {
    static bool await_ready() noexcept { return false; } ///< always gives way
    /// Behind all others, in the global queue.
    template <std::derived_from<goroutine> Promise>
    static void await_suspend(std::coroutine_handle<Promise> who) {
        scheduler::current().put_last(who.promise());
    }
    static void await_resume() noexcept {} ///< perhaps on another thread
};

} // namespace stage5
