/// \file
/// poll_desc, one call after another, against a model that says what it means: no words and no
/// exchanges, only who waits, whether an event is remembered, and what has expired. (That calls at
/// the same time mean the same is for the model checker in tests/model.)

#include "stage4_epoll_et/runtime/poll_desc.hpp"
#include "fuzz/fuzz.hpp"

#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace {

using stage4::direction;
using stage4::nanotime;
using stage4::poll_desc;
using stage4::poll_status;
using stage4::waiter;

constexpr std::array<direction, 2> both{direction::read, direction::write};

struct model {
    struct half {
        bool edge = false;
        waiter* waits = nullptr;
        nanotime deadline = 0;
        bool expired = false;
    };
    std::array<half, 2> halves;
    bool closing = false, error = false, stops_short = false;

    half& of(direction s) { return halves.at(static_cast<std::size_t>(s)); }
    poll_status check(direction s) {
        if (closing) return poll_status::closing;
        if (of(s).expired) return poll_status::timed_out;
        if (s == direction::read && error) return poll_status::not_pollable;
        return poll_status::ready;
    }
    poll_status prepare(direction s) {
        const auto status = check(s);
        if (status != poll_status::ready) return status;
        if (of(s).waits != nullptr) return poll_status::already_waiting;
        of(s).edge = false;
        return status;
    }
    poll_status block(direction s, waiter& w) {
        if (of(s).waits != nullptr) return poll_status::already_waiting;
        if (of(s).edge) {
            of(s).edge = false;
            return poll_status::ready;
        }
        const auto status = check(s);
        if (status != poll_status::ready) return status;
        of(s).waits = &w;
        return poll_status::parked;
    }
    waiter* report_ready(direction s) {
        of(s).edge = true;
        return std::exchange(of(s).waits, nullptr);
    }
    void wake(direction s, std::vector<waiter*>& woken) {
        if (auto* const w = std::exchange(of(s).waits, nullptr)) woken.push_back(w);
    }
    void close(std::vector<waiter*>& woken) {
        closing = true;
        for (const auto s : both) {
            of(s).deadline = 0;
            wake(s, woken);
        }
    }
    void set_deadline(direction s, nanotime when, nanotime now, std::vector<waiter*>& woken) {
        if (closing) return;
        of(s).expired = when != 0 && when <= now;
        of(s).deadline = of(s).expired ? -1 : when;
        if (of(s).expired) wake(s, woken);
    }
    bool postpone(direction s, nanotime when) {
        if (of(s).deadline <= 0 || (when != 0 && when < of(s).deadline)) return false;
        of(s).deadline = when;
        return true;
    }
    void expire(nanotime now, std::vector<waiter*>& woken) {
        for (const auto s : both) {
            if (of(s).deadline <= 0 || of(s).deadline > now) continue;
            of(s).deadline = -1;
            of(s).expired = true;
            wake(s, woken);
        }
    }
    nanotime next_deadline() {
        nanotime next = 0;
        for (const auto s : both)
            if (of(s).deadline > 0 && (next == 0 || of(s).deadline < next)) next = of(s).deadline;
        return next;
    }
};

void same(bool holds) {
    fuzz::must(holds, "poll_desc and its model disagree");
}

/// One call, on both.
void step(fuzz::input& in, poll_desc& pd, model& m, std::optional<std::uint32_t>& old_life,
          std::array<waiter, 2>& waiters) {
    const auto what = in.byte();
    const auto s = both.at(what & 1U);
    std::vector<waiter*> woken, expected;
    const auto wake = [&](waiter& w) { woken.push_back(&w); };
    const bool stale = (what & 2U) != 0 && old_life;
    const auto life = stale ? *old_life : pd.sequence();
    const nanotime number = in.byte();
    switch ((what >> 2U) % 10) {
    case 0:
        same(pd.check(s) == m.check(s));
        break;
    case 1:
        same(pd.prepare(s) == m.prepare(s));
        break;
    case 2:
        same(pd.block(s, waiters.at(what & 1U)) == m.block(s, waiters.at(what & 1U)));
        break;
    case 3: // if it is of another generation, it wakes no waiter
        same(pd.report_ready(s, life) == (stale ? nullptr : m.report_ready(s)));
        break;
    case 4:
        pd.record_event(life, (number & 1) != 0, (number & 2) != 0);
        if (stale) break;
        m.stops_short = m.stops_short || (number & 1) != 0;
        m.error = (number & 2) != 0;
        break;
    case 5:
        pd.set_deadline(s, number, 100, wake);
        m.set_deadline(s, number, 100, expected);
        break;
    case 6:
        same(pd.postpone(s, number) == m.postpone(s, number));
        break;
    case 7:
        pd.expire(number, wake);
        m.expire(number, expected);
        break;
    case 8:
        pd.close(wake);
        m.close(expected);
        break;
    default: // its owner ends it when nobody waits any more
        if (!m.closing) break;
        old_life = pd.sequence();
        pd.end();
        pd.open(3);
        m = {};
    }
    same(woken == expected);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    poll_desc pd;
    pd.open(3);
    model m;
    std::optional<std::uint32_t> old_life;
    std::array<waiter, 2> waiters{};
    while (!in.empty()) {
        step(in, pd, m, old_life, waiters);
        same(pd.next_deadline() == m.next_deadline());
        same(pd.stops_short() == m.stops_short);
        for (const auto s : both) same(pd.has_waiter(s) == (m.of(s).waits != nullptr));
    }
    return 0;
}
