#pragma once
/// \file
/// What basic_idle is made of here: a mutex and condition variables whose operations are steps.

#include "atomic.hpp"
#include "explorer.hpp"

#include <chrono>
#include <exception>

namespace model {

/// Which thread runs: each actor says so at the beginning of its round. A worker's number, and
/// those of sysmon and of others behind them.
inline std::size_t the_thread = 0;

constexpr std::uint8_t ticks_until_quiet = 2;

/// Something has happened: sysmon's timer will fire again.
inline void happens(world& w) {
    w.ticks = ticks_until_quiet;
}

struct mutex {
    void lock() {
        step({"lock"}, {[](const world& w, std::size_t) { return w.locked == 0; }},
             [](world& w) { return w.locked = 1; });
    }
    /// Together with the step before: nothing is protected any more. Not where a run is cut off.
    void unlock() noexcept(false) {
        if (std::uncaught_exceptions() != 0) return;
        at_once([](world& w) { return w.locked = 0; });
    }
};

class condition {
public:
    /// Waking up in vain and waiting again leaves no trace here, or there would be no end of
    /// states. So the step is made when there was a notification and the condition holds.
    template <typename Lock, typename Until>
    void wait(Lock&, const Until& until) {
        if (until()) return;
        at_once([me = bit(), this](world& w) {
            happens(w);
            w.waiting[number_] |= me;
            return w.locked = 0;
        });
        const auto wakes_up = number_ == 0 ? &worker_wakes_up : &monitor_wakes_up;
        step({"wakes up"}, {wakes_up, the_thread, true}, [me = bit()](world& w) {
            w.notified &= static_cast<set>(~me);
            return w.locked = 1;
        });
    }
    /// Only sysmon does this: until its timer fires.
    template <typename Lock, typename Until>
    void wait_for(Lock&, std::chrono::nanoseconds, const Until&) {
        at_once([](world& w) { return w.locked = 0; });
        step({"tick"}, {&may_tick, 0, true}, [](world& w) {
            if (w.ticks != 0) --w.ticks;
            return w.locked = 1;
        });
    }
    void notify_one() {
        at_once([this](world& w) {
            const auto first = static_cast<set>(w.waiting[number_] & -w.waiting[number_]);
            w.waiting[number_] &= static_cast<set>(~first);
            return w.notified |= first;
        });
    }
    void notify_all() {
        at_once([this](world& w) {
            w.notified |= w.waiting[number_];
            return w.waiting[number_] = 0;
        });
    }

    static inline std::size_t made = 0; ///< of basic_idle's two

private:
    static set bit() { return static_cast<set>(1U << the_thread); }
    static bool is_notified(const world& w, std::size_t thread) {
        return w.locked == 0 && (w.notified >> thread & 1) != 0;
    }
    static bool worker_wakes_up(const world& w, std::size_t thread) {
        return is_notified(w, thread) && (w.atomic[wakes] != 0 || w.atomic[stopping] != 0);
    }
    static bool monitor_wakes_up(const world& w, std::size_t thread) {
        return is_notified(w, thread) && (w.atomic[monitor_asleep] == 0 || w.atomic[stopping] != 0);
    }
    static bool may_tick(const world& w, std::size_t) {
        return w.locked == 0 && (w.ticks != 0 || w.stopped != 0);
    }
    std::size_t number_ = made++;
};

struct system {
    template <typename T>
    using atomic = model::atomic<T>;
    using mutex = model::mutex;
    using condition = model::condition;
    static constexpr std::uint32_t quiet_ticks = 1;
};

} // namespace model
