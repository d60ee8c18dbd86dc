/// \file
/// The poller, deadlines, open and close; as netpoll.cpp does it.

#include "retold.hpp"

#include <optional>
#include <utility>

namespace model {

// ---- The poller --------------------------------------------------------------------------------

namespace {

/// epoll's ready list, if the socket is in the set.
void notify(socket_state& s) {
    s.pending = s.registered != 0 ? 1 : 0;
}

struct event {
    std::size_t socket;
    std::uint32_t sequence;
    bool readable, writable, ended, urgent;
};

/// epoll_wait for one event. It tells what is there when it is collected, if anything still is.
std::optional<event> collect() {
    const guard any{[](const world& w, std::size_t) {
                        return (w.sockets[0].pending | w.sockets[1].pending) != 0;
                    },
                    0, true};
    const auto found = step({"collect"}, any, [](world& w) -> std::uint64_t {
        const std::size_t n = w.sockets[0].pending != 0 ? 0 : 1;
        auto& from = w.sockets[n];
        from.pending = 0;
        const bool bytes = (from.available[0] | from.behind) != 0; // an urgent byte alone is none
        const std::uint64_t readable = bytes || from.ended != 0 ? 1 : 0;
        const std::uint64_t writable = from.available[1] != 0 ? 2 : 0;
        const std::uint64_t sequence = from.registered - 1U;
        return readable | writable | from.ended * 4U | from.urgent * 8U | n << 4 | sequence << 8;
    });
    if ((found & 15) == 0) return std::nullopt;
    return event{found >> 4 & 1,   static_cast<std::uint32_t>(found >> 8),
                 (found & 1) != 0, (found & 2) != 0,
                 (found & 4) != 0, (found & 8) != 0};
}

waiter* deliver(direction s, const event& e) {
    waiter* const woken = pd().report_ready(real(s), e.sequence);
    at_once([&](world& w) {
        if (woken != nullptr && socket_of(number(*woken)) != e.socket)
            throw violation("a stale event wakes a waiter");
        auto& delivered = w.sockets[e.socket].delivered;
        return delivered = static_cast<std::uint8_t>(delivered | 1U << number(s));
    });
    return woken;
}

} // namespace

actor network(std::size_t socket, direction where, int bytes, bool end) {
    return {"network", [=] {
                for (int i = 0; i < bytes; ++i)
                    step({"a byte"}, {}, [=](world& w) {
                        notify(w.sockets[socket]);
                        return ++w.sockets[socket].available[number(where)];
                    });
                if (end)
                    step({"the end"}, {}, [=](world& w) {
                        notify(w.sockets[socket]);
                        return w.sockets[socket].ended = 1;
                    });
                return false;
            }};
}

/// Bytes behind an urgent one are held back by it; a second urgent byte takes its place.
actor peer(const std::vector<std::string>& segments) {
    const auto arrive = [](socket_state& s, char what) {
        auto& available = s.available[number(direction::read)];
        if (what == '$') s.ended = 1;
        if (what == '.') ++(s.urgent != 0 ? s.behind : available);
        if (what != '!') return;
        available = static_cast<std::uint8_t>(available + std::exchange(s.behind, 0));
        s.urgent = 1;
    };
    return {"peer", [=] {
                for (const auto& segment : segments)
                    step({segment.c_str()}, {}, [&](world& w) {
                        for (const char what : segment) arrive(w.sockets[0], what);
                        notify(w.sockets[0]);
                        return 0;
                    });
                return false;
            }};
}

actor poller(delivery how) {
    return {"poller", [=] {
                const auto event = collect();
                if (!event) return true;
                const bool urgent = event->urgent && how != delivery::no_pri;
                const auto mark = [&] {
                    pd().record_event(event->sequence, event->ended || urgent, false);
                };
                if (how != delivery::marks_last) mark();
                auto* const reader = event->readable ? deliver(direction::read, *event) : nullptr;
                auto* const writer = event->writable ? deliver(direction::write, *event) : nullptr;
                if (how == delivery::marks_last) mark();
                if (reader != nullptr) wake(*reader);
                if (writer != nullptr) wake(*writer);
                return true;
            }};
}

// ---- Deadlines ---------------------------------------------------------------------------------

namespace {

void set_timer(stage4::nanotime when) {
    at_once([=](world& w) { return w.timer = static_cast<std::uint8_t>(when); });
}

/// netpoll::arm
void arm(stage4::nanotime when) {
    const auto set = at_once([](world& w) { return w.timer; });
    if (when == 0 || (set != 0 && static_cast<stage4::nanotime>(set) <= when)) return;
    set_timer(when);
}

/// netpoll::set_deadline
void set_deadline(stage4::direction s, stage4::nanotime when) {
    if (pd().postpone(s, when)) return;
    waiter* woken = nullptr;
    lock();
    pd().set_deadline(s, when, now(), [&](waiter& w) { woken = &w; });
    arm(pd().next_deadline());
    unlock();
    if (woken != nullptr) wake(*woken);
}

} // namespace

actor timers() {
    const auto due = [](const world& w, std::size_t) {
        return w.locked == 0 && w.timer != 0 && w.timer <= w.clock;
    };
    return {"timers", [=] {
                step({"lock"}, {due, 0, true}, [](world& w) { return w.locked = 1; });
                const auto time = now();
                set_timer(0); // out of the heap
                std::array<waiter*, 2> woken{};
                auto* end = woken.data();
                pd().expire(time, [&](waiter& w) { *end++ = &w; });
                const auto next = pd().next_deadline();
                if (next != 0) set_timer(next);
                unlock();
                for (auto* w = woken.data(); w != end; ++w) wake(**w);
                return true;
            }};
}

actor clock(int ticks) {
    return {"clock", [=] {
                for (int i = 0; i < ticks; ++i)
                    step({"tick"}, {}, [](world& w) { return ++w.clock; });
                return false;
            }};
}

actor setter(const std::vector<int>& times, std::string name) {
    const auto set = [](int when) {
        if (enter(0) == 0) return;
        at_once([](world& w) {
            w.overlapped = w.asking != 0 ? 1 : w.overlapped;
            ++w.times_set;
            return ++w.asking;
        });
        set_deadline(stage4::direction::read, when);
        at_once([=](world& w) {
            --w.sockets[0].users;
            ++w.times_set;
            w.deadline = static_cast<std::uint8_t>(when);
            return --w.asking;
        });
    };
    return {std::move(name), [=] {
                for (const int when : times) set(when);
                return false;
            }};
}

// ---- Open and close ----------------------------------------------------------------------------

namespace {

/// netpoll::add, after allocate()
void open(std::size_t socket) {
    pd().open(static_cast<int>(socket));
    const auto sequence = pd().sequence();
    step({"EPOLL_CTL_ADD"}, {}, [=](world& w) {
        auto& added = w.sockets[socket];
        added.registered = static_cast<std::uint8_t>(sequence + 1);
        if (added.available[0] != 0 || added.available[1] != 0 || added.ended != 0) notify(added);
        return added.open = 1;
    });
}

/// netpoll::unblock
void unblock() {
    std::array<waiter*, 2> woken{};
    auto* end = woken.data();
    lock();
    pd().close([&](waiter& w) { *end++ = &w; });
    set_timer(0);
    unlock();
    for (auto* w = woken.data(); w != end; ++w) wake(**w);
}

/// netpoll::remove, which gives it back, and netpoll::allocate, which takes it again
void remove() {
    const guard unused{[](const world& w, std::size_t) { return w.sockets[0].users == 0; }};
    step({"EPOLL_CTL_DEL"}, unused,
         [](world& w) { return w.sockets[0].registered = w.sockets[0].pending = 0; });
    pd().end();
    lock();
    unlock();
}

} // namespace

void open_first(int deadline) {
    open(0);
    if (deadline != 0) set_deadline(stage4::direction::read, deadline);
    at_once([=](world& w) { return w.deadline = static_cast<std::uint8_t>(deadline); });
}

actor closer(bool reuse) {
    return {"closer", [=] {
                step({"close"}, {}, [](world& w) { return w.sockets[0].closing = 1; });
                unblock();
                if (!reuse) return false;
                remove();
                at_once([](world& w) { return w.deadline = w.overlapped = 0; });
                open(1);
                return false;
            }};
}

} // namespace model
