#pragma once
/// \file
/// Decides which coroutine runs when, and on which thread: "协程调度" of the line echo's article.
///
/// A few workers, which are threads with a run queue each, run all coroutines. A worker without
/// work takes half of another worker's queue. If there is nothing to take, it sleeps: see idle.hpp.
/// Go: runtime/proc.go: schedule, findRunnable, injectglist, sysmon.

#include "idle.hpp"
#include "netpoll.hpp"
#include "run_queue.hpp"
#include "runnable.hpp"

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

/// The workers, their queues and the poller. At most one scheduler exists at a time in a process,
/// because a Go program has one runtime.
class scheduler {
public:
    /// \param threads number of workers; 0: usable_cpus()
    /// \return the scheduler; or EBUSY if there is one already; or the error if a thread or the
    /// poller can't be made
    static std::expected<std::unique_ptr<scheduler>, syscall_error> make(unsigned threads);
    /// Must not be called during run(). Coroutines that still wait are not destroyed: their memory
    /// leaks.
    ~scheduler();

    /// Returns the scheduler that exists. If there is none, logs so and ends the process: a
    /// coroutine, a socket or a channel has been used before make() or after the end of the
    /// scheduler.
    static scheduler& current();
    /// Calls `what` if the scheduler with that number still exists, and lets it exist until `what`
    /// has returned. For threads that are no workers. \return true if `what` was called
    template <typename What>
    static bool if_exists(std::uint16_t number, const What& what);
    /// Distinguishes the schedulers that a process makes one after another.
    [[nodiscard]] std::uint16_t number() const { return number_; }
    /// Returns the poller of the scheduler with that number, or nullptr if that scheduler is gone.
    static netpoll* poll_of(std::uint16_t number);

    /// Runs coroutines on all workers until stop() is called. The calling thread is one of the
    /// workers.
    void run();
    /// Makes run() return soon. Coroutines that are ready or waiting then do not run any more.
    /// Thread-safe, even while run() is about to return.
    void stop();

    netpoll& poll() { return *poll_; } ///< the one poller of the process, as in Go
    /// Returns this worker's buffer, 64 KiB. The coroutine that runs may use it until its next
    /// await, because the next coroutine uses the same buffer. (A write copies what it has to send
    /// later.)
    /// \return an empty span if the thread is no worker
    static std::span<char> buffer();
    /// Counts an operation that the running coroutine has done without waiting. Go needs no such
    /// count: its sysmon interrupts a goroutine after 10 ms.
    /// \return true if there were so many in this run that the coroutine should yield
    static bool should_yield();
    /// Puts `who` into a run queue. Go: goready. \see stage5::ready
    void ready(runnable& who);
    /// Appends `who` to the global queue, behind all that are there. Thread-safe. Go: globrunqput
    void put_last(runnable& who);

private:
    struct worker {
        run_queue queue;                       ///< Go: p.runq
        std::atomic<runnable*> next = nullptr; ///< made ready last: runs next. Go: p.runnext
        std::atomic<std::uint32_t> tick =
            0;                        ///< counts calls of find_without_stealing(). Go: p.schedtick
        std::uint32_t seen_tick = 0;  ///< as of sysmon's last tick. Go: p.sysmontick
        std::uint32_t nexts = 0;      ///< how many runs in a row came from `next`
        std::uint32_t operations = 0; ///< operations in this run. \see should_yield
        bool polling = false; ///< true while polling: `next` is not for what becomes ready then
        nanotime polled = 0;  ///< when this worker polled last
        std::vector<char> buffer = std::vector<char>(64 * 1024); ///< allocated at the start
        scheduler* of = nullptr;
    };
    static worker*& this_worker();
    static scheduler* existing(); ///< nullptr if there is none
    static std::mutex& existence_mutex();

    explicit scheduler(unsigned threads);
    void begin();
    void work(worker& me);
    runnable* find_runnable(worker& me);
    runnable* find_without_stealing(worker& me);
    static runnable* take_local(worker& me);
    runnable* take_global();
    runnable* steal(worker& me);
    bool try_poll(worker& me);
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
    std::atomic<bool> begun_ = false;   ///< run() or the destructor has been called
    idle idle_;
    std::atomic<std::uint32_t> searching_ = 0; ///< workers that steal. Go: sched.nmspinning
    std::atomic<std::size_t> global_size_ = 0;

    std::mutex mutex_; ///< protects global_
    run_list global_;  ///< Go: sched.runq
};

template <typename What>
bool scheduler::if_exists(std::uint16_t number, const What& what) {
    const std::lock_guard lock(existence_mutex());
    const scheduler* const one = existing();
    if (one == nullptr || one->number() != number) return false;
    what();
    return true;
}

} // namespace stage5
