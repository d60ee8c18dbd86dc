/// \file
/// What other threads see of a worker's queue.

#include "stage5_coroutines/runtime/run_queue.hpp"

#include "harness/catch.hpp"
#include "stage5_coroutines/runtime/runnable.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

using namespace stage5;

TEST_CASE("stage5: another thread never sees more coroutines in a queue than it can hold",
          "[stage5][scheduler]") {
    run_queue queue;
    std::atomic<bool> done = false;
    std::uint32_t most = 0;
    std::jthread other([&] {
        while (!done) most = std::max(most, queue.size());
    });
    runnable one([](runnable&) {});
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (std::chrono::steady_clock::now() < end)
        for (int i = 0; i < 1000; ++i) {
            queue.put(one);
            queue.take();
        }
    done = true;
    other.join();
    CHECK(most <= run_queue::capacity);
}
