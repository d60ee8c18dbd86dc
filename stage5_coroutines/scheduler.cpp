/// \file
/// Top-down: what a worker does, where it looks for work, how it rests, how it is woken.

#include "scheduler.hpp"

#include "trace.hpp"
#include "usable_cpus.hpp"

#include <algorithm>
#include <limits>
#include <system_error>
#include <thread>

namespace stage5 {
namespace {

std::atomic<scheduler*> the_scheduler = nullptr;

/// Every so many turns the global queue comes first, or a full local one would starve it.
/// Go: schedtick % 61.
constexpr std::uint32_t global_first = 61;
/// How long the poller may go unasked by workers that always have something to do. Go: sysmon.
constexpr nanotime poll_interval = 10'000'000;
/// So many looks at a process that sleeps, and nobody looks any more until it wakes up.
constexpr std::uint32_t enough_looks = 10;
/// A look at the clock is not free either.
constexpr std::uint32_t turns_a_clock = 8;
/// So many turns that wait behind a running one are worth waking somebody for: fewer are done
/// before a thread is awake.
constexpr std::uint32_t worth_waking = 8;
/// So much may be done in a turn without waiting for anything.
constexpr std::uint32_t longest_turn = 64;
/// Who was just woken goes first, but so often in a row only: two that wake each other would keep
/// the rest waiting for ever.
constexpr std::uint32_t next_in_a_row = 3;

} // namespace

std::expected<std::unique_ptr<scheduler>, syscall_error> scheduler::make(unsigned threads) {
    if (threads == 0) threads = usable_cpus();
    std::unique_ptr<scheduler> made(new scheduler(threads));
    auto poll = netpoll::open();
    if (!poll) return std::unexpected(poll.error());
    made->poll_ = std::move(*poll);
    try {
        for (std::size_t i = 1; i < threads; ++i)
            made->threads_.emplace_back([all = made.get(), i] {
                all->begun_.wait(false);
                all->work(all->workers_[i]);
            });
    } catch (const std::system_error& error) {
        return std::unexpected(syscall_error{"pthread_create", error.code().value()});
    }
    return made;
}

scheduler::scheduler(unsigned threads) : workers_(threads) {
    for (auto& each : workers_) each.of = this;
    the_scheduler = this;
}

scheduler::~scheduler() {
    if (poll_ != nullptr) stop();
    begin();
    threads_.clear();
    the_scheduler = nullptr;
}

void scheduler::begin() {
    begun_ = true;
    begun_.notify_all();
}

scheduler& scheduler::current() {
    return *the_scheduler;
}

/// Never inlined: a coroutine goes on on another thread, and must not keep the address of the old
/// one's variable across that.
[[gnu::noinline]] scheduler::worker*& scheduler::this_worker() {
    static thread_local worker* mine = nullptr;
    return mine;
}

/// Not inlined for the same reason.
[[gnu::noinline]] std::span<char> scheduler::buffer() {
    worker* const me = this_worker();
    return me == nullptr ? std::span<char>() : std::span(me->buffer);
}

bool scheduler::is_turn_over() {
    worker* const me = this_worker();
    return me != nullptr && ++me->done > longest_turn;
}

void scheduler::run() {
    begin();
    work(workers_[0]);
    threads_.clear(); // joins them
}

void scheduler::stop() {
    stopping_ = true;
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
    poll_->interrupt();
}

// [work]
void scheduler::work(worker& me) {
    this_worker() = &me;
    while (runnable* const who = find(me)) {
        me.done = 0;
        const trace::span resumed("resume", {.waiter = who});
        who->run(*who);
    }
    this_worker() = nullptr;
}

runnable* scheduler::find(worker& me) {
    while (!stopping_) {
        if (runnable* const who = look(me)) return who;
        ++searching_;
        runnable* const who = steal(me);
        if (who != nullptr && sleeping_ != 0) unwatched_ = true; // it may have been we who watched
        // Whoever searched and found leaves nobody searching: there may be more.
        if (--searching_ == 0 && who != nullptr && me.queue.size() >= worth_waking) wake_one();
        if (who != nullptr) return who;
        rest(me);
    }
    return nullptr;
}

/// Go: findRunnable, in the same order.
runnable* scheduler::look(worker& me) {
    ++me.turns;
    if (me.turns % global_first == 0)
        if (runnable* const who = take_global()) return who;
    if (me.turns % turns_a_clock == 0 && now() - me.polled > poll_interval) look_at_poller(me, 0);
    if (runnable* const who = take_local(me)) return who;
    if (runnable* const who = take_global()) return who;
    return look_at_poller(me, 0) ? take_local(me) : nullptr;
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

/// Go: runqsteal: half of somebody's queue; what somebody is about to run, only if there is
/// nothing else.
runnable* scheduler::steal(worker& me) {
    const auto self = static_cast<std::size_t>(&me - workers_.data());
    for (std::size_t i = 1; i < workers_.size(); ++i)
        if (auto* const who = me.queue.steal_from(workers_[(self + i) % workers_.size()].queue))
            return who;
    if (!std::exchange(me.looks_up, false)) return nullptr;
    for (auto& each : workers_)
        if (runnable* const who = each.next.exchange(nullptr)) return who; // it computes for long
    return nullptr;
}

/// \return whether it has looked; what is ready then is in our queue
bool scheduler::look_at_poller(worker& me, nanotime delay) {
    if (polling_.exchange(true)) return false; // somebody is at it
    // Said before looking for work once more: whoever adds work looks at this after that.
    poller_sleeps_ = delay != 0;
    me.injecting = true;
    poll_->wait(delay != 0 && has_work() ? 0 : delay);
    me.injecting = false;
    me.polled = now();
    poller_sleeps_ = false;
    polling_ = false;
    return true;
}

// [rest]
/// Nothing to do: one worker waits in the poller, the others for somebody to wake them.
void scheduler::rest(worker& me) {
    const bool alone = ++sleeping_ == workers_.size();
    // While others are awake it looks from time to time whether they have too much to do.
    if (!stopping_) {
        if (look_at_poller(me, alone ? poller::forever : poll_interval))
            me.looks_up = me.queue.size() == 0;
        else
            wait_for_work(me);
    }
    --sleeping_;
}

/// Somebody may compute for long with others in its queue, and nobody else in the poller. So one
/// of those that wait looks up now and then, until all have been asleep for a while; who has work
/// then calls it again. Go: sysmon, which is a thread of its own.
void scheduler::wait_for_work(worker& me) {
    const auto called = [this] { return wakes_ > 0 || global_.size() != 0 || stopping_; };
    std::unique_lock lock(mutex_);
    ++waiting_;
    if (!watching_ && me.idle_looks < enough_looks) {
        watching_ = true;
        me.looks_up = !wake_.wait_for(lock, std::chrono::nanoseconds(poll_interval), called);
        watching_ = false;
        const bool all_sleep = sleeping_ == workers_.size();
        me.idle_looks = me.looks_up && all_sleep ? me.idle_looks + 1 : 0;
    } else {
        unwatched_ = !watching_;
        wake_.wait(lock, called);
        me.idle_looks = 0;
    }
    --waiting_;
    if (!me.looks_up && waiting_ != 0 && !watching_) unwatched_ = true;
    if (wakes_ > 0) --wakes_;
}
// [rest]

bool scheduler::has_work() const {
    return global_size_ != 0 ||
           std::ranges::any_of(workers_, [](const worker& each) { return each.queue.size() != 0; });
}

void scheduler::ready(runnable& who) {
    trace::event("ready", {.waiter = &who});
    worker* const me = this_worker();
    if (me != nullptr && me->of == this) return put(*me, who);
    put_last(who);
    wake_one();
}

/// Go: globrunqput
void scheduler::put_last(runnable& who) {
    const std::lock_guard lock(mutex_);
    global_.put(who);
    global_size_ = global_.size();
}

void scheduler::put(worker& me, runnable& who) {
    runnable* kicked = &who;
    if (!me.injecting) kicked = me.next.exchange(&who); // runs next; who was to run next, later
    if (unwatched_.load(std::memory_order_relaxed)) wake_one();
    if (kicked == nullptr) return;
    if (!me.queue.put(*kicked)) put_last(*kicked);
    if (me.queue.size() >= worth_waking && searching_ == 0 && sleeping_ != 0) wake_one();
}

/// Go: wakep.
void scheduler::wake_one() {
    const std::lock_guard lock(mutex_);
    unwatched_ = false;
    if (waiting_ > wakes_) {
        ++wakes_;
        wake_.notify_one();
    } else if (poller_sleeps_) {
        poll_->interrupt();
    }
}

nanotime after(std::chrono::nanoseconds span) {
    const nanotime present = now();
    const nanotime left = std::numeric_limits<nanotime>::max() - present;
    return span.count() > left ? present + left : present + span.count();
}

} // namespace stage5
