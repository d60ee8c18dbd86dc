/// \file
/// What a worker does, where it looks for work, how it sleeps and what wakes it, top-down.

#include "scheduler.hpp"

#include "../syscall/trace.hpp"
#include "usable_cpus.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <thread>

namespace stage5 {
namespace {

std::atomic<scheduler*> the_scheduler = nullptr;

/// Prints the reason and ends the process. Go: runtime.fatal
[[noreturn]] void fatal(const char* why) {
    std::fprintf(stderr, "fatal error: %s\n", why);
    ::_exit(2);
}

std::uint16_t next_number() {
    static std::atomic<std::uint16_t> last = 0;
    return ++last;
}

/// Every 61st find_without_stealing() takes from the global queue first. Otherwise a local queue
/// that is never empty would starve it. Go: schedtick % 61.
constexpr std::uint32_t global_first = 61;
/// A worker that always has something to run polls this often, in nanoseconds. Go: sysmon does so.
constexpr nanotime poll_interval = 10'000'000;
/// find_without_stealing() reads the clock for that only once in this many calls, because reading
/// it takes time.
constexpr std::uint32_t ticks_per_clock_read = 8;
/// A worker wakes another one if this many coroutines are in its queue. Fewer have run by the time
/// that a thread is awake.
constexpr std::uint32_t worth_waking = 8;
/// A coroutine should yield after this many operations that did not have to wait.
constexpr std::uint32_t max_operations_per_run = 64;
/// A coroutine that has just been made ready runs next, but only so often in a row. Otherwise two
/// coroutines that wake each other would starve the rest.
constexpr std::uint32_t next_in_a_row = 3;

} // namespace

std::expected<std::unique_ptr<scheduler>, syscall_error> scheduler::make(unsigned threads) {
    if (threads == 0) threads = usable_cpus();
    std::unique_ptr<scheduler> made(new scheduler(threads));
    scheduler* none = nullptr;
    if (!the_scheduler.compare_exchange_strong(none, made.get()))
        return std::unexpected(syscall_error{"scheduler::make", EBUSY});
    auto poll = netpoll::open();
    if (!poll) return std::unexpected(poll.error());
    made->poll_ = std::move(*poll);
    try {
        for (std::size_t i = 1; i < threads; ++i)
            made->threads_.emplace_back([all = made.get(), i] {
                all->begun_.wait(false);
                all->work(all->workers_[i]);
            });
        if (threads > 1) // a single worker has no other to wake
            made->threads_.emplace_back([all = made.get()] {
                all->begun_.wait(false);
                all->sysmon();
            });
    } catch (const std::system_error& error) {
        return std::unexpected(syscall_error{"pthread_create", error.code().value()});
    }
    return made;
}

scheduler::scheduler(unsigned threads) : number_(next_number()), workers_(threads), idle_(threads) {
    for (auto& each : workers_) each.of = this;
}

scheduler::~scheduler() {
    if (poll_ != nullptr) stop();
    begin();
    threads_.clear();
    const std::lock_guard lock(existence_mutex());
    scheduler* self = this; // if make() has failed, it may be another one
    the_scheduler.compare_exchange_strong(self, nullptr);
}

void scheduler::begin() {
    begun_ = true;
    begun_.notify_all();
}

scheduler& scheduler::current() {
    scheduler* const one = existing();
    if (one == nullptr)
        fatal("no scheduler: coroutines and sockets live between scheduler::make() and its end");
    return *one;
}

scheduler* scheduler::existing() {
    return the_scheduler;
}

std::mutex& scheduler::existence_mutex() {
    static std::mutex mutex;
    return mutex;
}

netpoll* scheduler::poll_of(std::uint16_t number) {
    const scheduler* const one = existing();
    return one != nullptr && one->number() == number ? one->poll_.get() : nullptr;
}

/// Never inlined: a coroutine may continue on another thread, and the compiler could keep the
/// address of the first thread's variable across the await.
[[gnu::noinline]] scheduler::worker*& scheduler::this_worker() {
    static thread_local worker* mine = nullptr;
    return mine;
}

/// Never inlined, for the same reason.
[[gnu::noinline]] std::span<char> scheduler::buffer() {
    worker* const me = this_worker();
    return me == nullptr ? std::span<char>() : std::span(me->buffer);
}

bool scheduler::should_yield() {
    worker* const me = this_worker();
    return me != nullptr && ++me->operations > max_operations_per_run;
}

void scheduler::run() {
    begin();
    work(workers_[0]);
    threads_.clear(); // joins them
    idle_.wait_for_stop();
}

void scheduler::stop() {
    idle_.stop([this] { poll_->interrupt(); });
}

// [work]
void scheduler::work(worker& me) {
    this_worker() = &me;
    while (runnable* const who = find_runnable(me)) {
        me.operations = 0;
        const trace::span resumed("resume", {.waiter = who});
        who->run(*who);
    }
    this_worker() = nullptr;
}

runnable* scheduler::find_runnable(worker& me) {
    while (!idle_.stopping()) {
        if (runnable* const who = find_without_stealing(me)) return who;
        ++searching_;
        runnable* const who = steal(me);
        // No other worker searches, and this one has taken enough for two. Go: resetspinning
        if (--searching_ == 0 && who != nullptr && me.queue.size() >= worth_waking) wake(1);
        if (who != nullptr) return who;
        idle_.sleep([this] { return has_work(); }, [&](nanotime delay) { poll(me, delay); });
    }
    return nullptr;
}

/// Looks for a coroutine to run, in the order of Go's findRunnable, but does not steal one.
/// \return nullptr if there is none
runnable* scheduler::find_without_stealing(worker& me) {
    const std::uint32_t tick = me.tick.load(std::memory_order_relaxed) + 1;
    me.tick.store(tick, std::memory_order_relaxed);
    if (tick % global_first == 0)
        if (runnable* const who = take_global()) return who;
    if (tick % ticks_per_clock_read == 0 && now() - me.polled > poll_interval) try_poll(me);
    if (runnable* const who = take_local(me)) return who;
    if (runnable* const who = take_global()) return who;
    return try_poll(me) ? take_local(me) : nullptr;
}
// [work]

runnable* scheduler::take_local(worker& me) {
    if (me.next.load(std::memory_order_relaxed) != nullptr && me.nexts < next_in_a_row) {
        ++me.nexts;
        if (auto* const who = me.next.exchange(nullptr)) return who;
    }
    me.nexts = 0;
    if (auto* const who = me.queue.take()) return who;
    return me.next.exchange(nullptr);
}

runnable* scheduler::take_global() {
    if (global_size_ == 0) return nullptr;
    const std::lock_guard lock(mutex_);
    runnable* const who = global_.take();
    global_size_ = global_.size();
    return who;
}

/// Takes half of another worker's queue. \return one of them, or nullptr. Go: stealWork
runnable* scheduler::steal(worker& me) {
    const auto self = static_cast<std::size_t>(&me - workers_.data());
    for (std::size_t i = 1; i < workers_.size(); ++i)
        if (auto* const who = me.queue.steal_from(workers_[(self + i) % workers_.size()].queue))
            return who;
    return nullptr;
}

/// Polls without waiting, unless another worker is in the poller.
/// \return true if it has polled; what is ready is in this worker's queue then
bool scheduler::try_poll(worker& me) {
    return idle_.try_poll([&](nanotime delay) { poll(me, delay); });
}

void scheduler::poll(worker& me, nanotime delay) {
    me.polling = true;
    poll_->wait(delay);
    me.polling = false;
    me.polled = now();
}

/// True if a worker must not fall asleep: if there is work for which another one would wake it.
bool scheduler::has_work() const {
    return global_size_ != 0 || std::ranges::any_of(workers_, [](const worker& each) {
               return each.queue.size() >= worth_waking;
           });
}

// [sysmon]
void scheduler::sysmon() {
    while (idle_.monitor([this] { return retake(); }, [this] { poll_->interrupt(); })) {}
}

/// Takes `next` from each worker that is still in the same run as at the last tick, and wakes
/// another worker for it: the first one computes, and may do so for long. Go: retake
/// \return how many coroutines are in queues
std::uint32_t scheduler::retake() {
    std::size_t waiting = 0;
    for (auto& each : workers_) {
        const std::uint32_t tick = each.tick.load(std::memory_order_relaxed);
        if (std::exchange(each.seen_tick, tick) == tick)
            if (runnable* const stuck = each.next.exchange(nullptr)) inject(*stuck);
        waiting += each.queue.size();
    }
    return static_cast<std::uint32_t>(waiting + global_size_);
}
// [sysmon]

void ready(runnable& who) {
    scheduler::current().ready(who);
}

void scheduler::ready(runnable& who) {
    trace::event("ready", {.waiter = &who});
    worker* const me = this_worker();
    if (me != nullptr && me->of == this) return put(*me, who);
    inject(who);
}

/// Appends `who` to the global queue and wakes a worker for it. Go: injectglist
void scheduler::inject(runnable& who) {
    put_last(who);
    wake(1);
}

void scheduler::put_last(runnable& who) {
    const std::lock_guard lock(mutex_);
    global_.put(who);
    global_size_ = global_.size();
}

/// Makes `who` run next on this worker. What was to run next before goes to the queue. But what the
/// poller makes ready goes to the queue itself, because no run of this worker has made it ready.
void scheduler::put(worker& me, runnable& who) {
    runnable* kicked = &who;
    if (!me.polling) kicked = me.next.exchange(&who);
    if (kicked == nullptr) return;
    if (!me.queue.put(*kicked)) put_last(*kicked);
    if (me.queue.size() >= worth_waking && searching_ == 0 && idle_.has_sleeper()) wake(1);
}

void scheduler::wake(std::uint32_t count) {
    idle_.wake(count, [this] { poll_->interrupt(); });
}

} // namespace stage5
