/// \file
/// Descriptors, then deadlines, then waiting.

#include "netpoll.hpp"

#include "../syscall/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

namespace stage5 {
namespace {

/// One year. A longer delay counts as forever: the present plus the delay could overflow.
constexpr nanotime longest_wait = nanotime{365} * 24 * 3600 * 1'000'000'000;

} // namespace

std::expected<std::unique_ptr<netpoll>, syscall_error> netpoll::open() {
    std::unique_ptr<netpoll> made(new netpoll);
    const auto opened = made->poller_.open();
    if (!opened) return std::unexpected(opened.error());
    return made;
}

netpoll::netpoll() : blocks_(std::make_unique_for_overwrite<block*[]>(max_blocks)) {
    woken_.reserve(2 * max_timers_per_wait); // one timer may wake a read and a write
}

// [add]
std::expected<poll_desc*, syscall_error> netpoll::add(int fd) {
    poll_desc* const pd = allocate();
    if (pd == nullptr) return std::unexpected(syscall_error{"epoll_ctl", ENOMEM});
    pd->open(fd); // before epoll_ctl: the first event may come while it still runs
    const auto added = poller_.add(fd, {pd->index, pd->sequence()});
    if (added) return pd;
    pd->end();
    const std::lock_guard lock(mutex_);
    free_.push_back(pd->index);
    return std::unexpected(added.error());
}
// [add]

/// Takes an unused poll_desc. If there is none, makes a page full of them. \return nullptr if there
/// is no memory, or if the table is full. Go: pollCache.alloc.
poll_desc* netpoll::allocate() try {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
        if (owned_.size() == max_blocks) return nullptr;
        const auto first = static_cast<std::uint32_t>(owned_.size() * descs_per_block);
        const std::size_t count = first + descs_per_block;
        reserve_timers(count);
        if (free_.capacity() < count) free_.reserve(2 * count); // so that remove() needs no memory
        auto& made = *owned_.emplace_back(std::make_unique<block>());
        for (std::uint32_t i = descs_per_block; i-- > 0;) {
            made.descs[i].index = first + i;
            made.descs[i].fire = &expire;
            free_.push_back(first + i);
        }
        std::atomic_ref(blocks_[owned_.size() - 1]).store(&made);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    return &at(index);
} catch (const std::bad_alloc&) {
    return nullptr;
}

/// Requires the lock. Makes room in the heap for the alarms that are set, for one more, and for a
/// timer of each of `count` poll_descs. So set_deadline() never needs memory.
void netpoll::reserve_timers(std::size_t count) {
    const std::size_t needed = count + timers_.size() + 1;
    if (timers_.capacity() < needed) timers_.reserve(2 * needed + alarms_with_memory);
}

void netpoll::unblock(poll_desc& pd) {
    std::array<waiter*, 2> woken{};
    auto end = woken.begin();
    {
        const std::lock_guard lock(mutex_);
        pd.close([&](waiter& w) { *end++ = &w; });
        timers_.remove(pd);
    }
    std::for_each(woken.begin(), end, [](waiter* w) { w->wake(*w); });
}

void netpoll::remove(poll_desc& pd) {
    poller_.remove(pd.fd);
    pd.end();
    const std::lock_guard lock(mutex_);
    free_.push_back(pd.index);
}

// [set_deadline]
/// Does what postpone() can't: sets or clears a deadline where none is running, sets an earlier
/// one, or sets one in the past.
void netpoll::change_deadline(poll_desc& pd, direction s, nanotime when, nanotime present) {
    waiter* woken = nullptr;
    {
        const std::lock_guard lock(mutex_);
        pd.set_deadline(s, when, present, [&](waiter& w) { woken = &w; });
        arm(pd, pd.next_deadline());
    }
    if (woken != nullptr) woken->wake(*woken);
}
// [set_deadline]

bool netpoll::set_alarm(alarm& which, nanotime when) {
    const std::lock_guard lock(mutex_);
    if (when != 0) reserve_timers(owned_.size() * descs_per_block);
    const bool was_set = which.heap_index != 0;
    timers_.remove(which);
    arm(which, when);
    return was_set;
}

/// Requires the lock. Makes sure that a timer fires at `when` or before; if `when` is 0, does
/// nothing. A timer that is set to an earlier time keeps it: when it fires, it is set again.
void netpoll::arm(timer& which, nanotime when) {
    if (when == 0 || (which.heap_index != 0 && timers_.when(which) <= when)) return;
    timers_.set(which, when);
    // The wait in progress would end after `when`, too late for this timer. Go: wakeNetPoller.
    if (waiting_ && (wait_ends_ == 0 || when < wait_ends_)) poller_.interrupt();
}

// [wait]
void netpoll::wait(nanotime delay) {
    const nanotime limit = run_timers(delay);
    const auto events = poller_.wait(limit);
    waiting_ = false;
    // A poll_desc may be another descriptor's by now: record_event() and report_ready() compare
    // sequence numbers.
    for (const auto& event : events) {
        poll_desc& pd = at(event.tag.index);
        pd.record_event(event.tag.sequence, event.stops_short, event.error);
        waiter* const reader = event.readable ? pd.report_ready(direction::read, event.tag.sequence)
                                              : nullptr;
        waiter* const writer = event.writable
                                   ? pd.report_ready(direction::write, event.tag.sequence)
                                   : nullptr;
        if (reader != nullptr) reader->wake(*reader);
        if (writer != nullptr) writer->wake(*writer);
    }
    // After events, the next call comes soon and runs the timers. That saves a clock_gettime here.
    if (events.empty() && limit != 0) run_timers(0);
}
// [wait]

/// Fires the timers that are due, max_timers_per_wait at most, and wakes their waiters. \return how
/// long wait() may wait: `delay`, or less because of the next timer, and 0 if waiters have been
/// woken
nanotime netpoll::run_timers(nanotime delay) {
    if (delay > longest_wait) delay = poller::forever;
    woken_.clear();
    {
        const std::lock_guard lock(mutex_);
        if (timers_.next() != 0) {
            const nanotime present = now();
            if (timers_.next() <= present) timers_.expire(present, woken_, max_timers_per_wait);
            if (timers_.next() != 0) { // the earliest of the rest, perhaps due
                const auto left = std::max<nanotime>(timers_.next() - present, 0);
                delay = delay < 0 ? left : std::min(delay, left);
            }
            if (!woken_.empty()) delay = 0;
            wait_ends_ = delay < 0 ? 0 : present + delay;
        } else {
            wait_ends_ = delay <= 0 ? 0 : now() + delay;
        }
        waiting_ = delay != 0; // from here on, arm() interrupts a wait that would end too late
    }
    for (waiter* const w : woken_) {
        trace::event("timer", {.waiter = w});
        w->wake(*w);
    }
    return delay;
}

// [expire]
void netpoll::expire(timer& which, const expiry& at) {
    auto& pd = static_cast<poll_desc&>(which);
    pd.expire(at.now, [&](waiter& w) { at.woken.push_back(&w); });
    const nanotime next = pd.next_deadline();
    if (next != 0) at.heap.set(pd, next); // postponed, or the other direction's
}
// [expire]

void alarm::ring(timer& which, const expiry& at) {
    at.woken.push_back(static_cast<alarm&>(which).wakes);
}

std::size_t netpoll::timer_count() {
    const std::lock_guard lock(mutex_);
    return timers_.size();
}

} // namespace stage5
