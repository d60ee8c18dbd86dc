/// \file
/// Stage 4's heap of timers, against a std::multimap.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

using namespace stage4_tests;
using stage4::timer;
using stage4::timers;

namespace {

std::vector<const timer*> fired; ///< in this order

void remember(timer& what, const stage4::expiry&) {
    fired.push_back(&what);
}

/// All that expire at `when`.
std::vector<const timer*> expire(timers& heap, nanotime when) {
    fired.clear();
    std::vector<stage4::waiter*> woken;
    heap.expire(when, woken);
    return fired;
}

} // namespace

TEST_CASE("stage4: timers fire in the order of their times, none before its own") {
    timer a{&remember}, b{&remember}, c{&remember};
    timers heap;
    heap.set(b, 20);
    heap.set(c, 30);
    heap.set(a, 10);
    CHECK(heap.next() == 10);
    CHECK(expire(heap, 9).empty());
    CHECK(expire(heap, 20) == std::vector<const timer*>{&a, &b});
    CHECK(heap.next() == 30);
    CHECK(expire(heap, 1000) == std::vector<const timer*>{&c});
    CHECK(heap.next() == 0);
    CHECK(heap.size() == 0);
}

TEST_CASE("stage4: a timer knows whether it is set, and can be taken out from anywhere") {
    timer a{&remember}, b{&remember};
    timers heap;
    CHECK(a.heap_index == 0);
    heap.remove(a); // which does nothing
    heap.set(a, 10);
    heap.set(b, 5);
    CHECK(a.heap_index != 0);
    CHECK(heap.when(a) == 10);
    heap.remove(a);
    CHECK(a.heap_index == 0);
    CHECK(expire(heap, 100) == std::vector<const timer*>{&b});
    CHECK(b.heap_index == 0);
}

TEST_CASE("stage4: a timer that fires may set itself again, even for now") {
    struct thrice : timer {
        int left = 3;
        thrice() : timer{&again} {}
        static void again(timer& what, const stage4::expiry& at) {
            auto& self = static_cast<thrice&>(what);
            if (--self.left > 0) at.heap.set(self, at.now);
        }
    } one;
    timers heap;
    heap.set(one, 1);
    expire(heap, 10);
    CHECK(one.left == 0);
    CHECK(heap.size() == 0);
}

TEST_CASE("stage4: the heap does what a std::multimap does, over 100000 random operations") {
    constexpr std::size_t count = 300;
    std::mt19937 random(4);
    std::vector<timer> all(count, timer{&remember});
    std::multimap<nanotime, const timer*> expected;
    timers heap;
    nanotime present = 0;
    const auto forget = [&](const timer& what) {
        std::erase_if(expected, [&](const auto& each) { return each.second == &what; });
    };
    for (int i = 0; i < 100'000; ++i) {
        timer& one = all[random() % count];
        // Few different times, so that many are the same.
        const nanotime when = present + 1 + static_cast<nanotime>(random() % 500);
        switch (random() % 8) {
        case 0:
            if (one.heap_index != 0) forget(one);
            heap.remove(one);
            break;
        case 1: {
            present += static_cast<nanotime>(random() % 20);
            const auto end = expected.upper_bound(present);
            const auto due = std::vector(expected.begin(), end);
            expected.erase(expected.begin(), end);
            const auto actual = expire(heap, present);
            REQUIRE(actual.size() == due.size());
            for (const auto& [time, what] : due) REQUIRE(std::ranges::count(actual, what) == 1);
            break;
        }
        default:
            if (one.heap_index != 0) forget(one);
            heap.set(one, when);
            expected.emplace(when, &one);
        }
        if (heap.size() != expected.size() ||
            heap.next() != (expected.empty() ? 0 : expected.begin()->first))
            FAIL("after " << i << " operations");
        if (i % 1000 == 0) // each is where it says
            for (const auto& [time, what] : expected) {
                REQUIRE(what->heap_index >= 1);
                REQUIRE(what->heap_index <= heap.size());
                REQUIRE(heap.when(*what) == time);
            }
    }
}
