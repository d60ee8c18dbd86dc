/// \file
/// Waiting for a condition.

#include "harness/limits.hpp"

#include <algorithm>
#include <thread>

namespace harness {

int deadline::left_ms() const {
    const auto left = std::chrono::ceil<milliseconds>(end_ - steady::now());
    return static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 3'600'000));
}

bool wait_for(const std::function<bool()>& condition, milliseconds limit) {
    const deadline end(limit);
    while (!condition()) {
        if (end.over()) return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
}

} // namespace harness
