/// \file
/// The heap of timers against a std::multimap.

#include "stage4_epoll_et/runtime/timers.hpp"
#include "fuzz/fuzz.hpp"

#include <array>
#include <map>
#include <vector>

namespace {

using stage4::nanotime;

struct numbered : stage4::timer {
    std::size_t number = 0;
};

std::vector<std::size_t> fired;

void remember(stage4::timer& what, const stage4::expiry&) {
    fired.push_back(static_cast<numbered&>(what).number);
}

using model = std::multimap<nanotime, std::size_t>;

model::iterator find(model& in, std::size_t number) {
    auto at = in.begin();
    while (at != in.end() && at->second != number) ++at;
    return at;
}

void expire(stage4::timers& heap, model& should, nanotime now, std::array<numbered, 64>& timers) {
    std::vector<nanotime> times(timers.size());
    for (const auto& [when, number] : should) times[number] = when;
    fired.clear();
    std::vector<stage4::waiter*> woken;
    heap.expire(now, woken);
    nanotime last = 0;
    for (const auto number : fired) {
        const auto at = find(should, number);
        fuzz::must(at != should.end(), "one fired that was not set");
        fuzz::must(times[number] <= now && times[number] >= last, "out of order, or early");
        last = times[number];
        fuzz::must(timers.at(number).heap_index == 0, "it believes that it is still set");
        should.erase(at);
    }
    fuzz::must(should.empty() || should.begin()->first > now, "one did not fire");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    std::array<numbered, 64> timers;
    for (std::size_t i = 0; i < timers.size(); ++i) {
        timers[i].number = i;
        timers[i].fire = &remember;
    }
    stage4::timers heap;
    model should;
    while (!in.empty()) {
        const auto what = in.byte();
        auto& timer = timers[what % timers.size()];
        const auto known = find(should, timer.number);
        switch (what / 64) {
        case 0:
        case 1: {
            const nanotime when = 1 + in.byte();
            heap.set(timer, when);
            if (known != should.end()) should.erase(known);
            should.emplace(when, timer.number);
            break;
        }
        case 2:
            heap.remove(timer);
            if (known != should.end()) should.erase(known);
            break;
        default:
            expire(heap, should, in.byte(), timers);
        }
        fuzz::must(heap.size() == should.size(), "another number of timers");
        fuzz::must(heap.next() == (should.empty() ? 0 : should.begin()->first), "another is next");
    }
    return 0;
}
