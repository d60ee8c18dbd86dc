#pragma once
/// \file
/// How long things may take. A test never sleeps for a fixed time to let something happen: it
/// waits for the condition, with a limit that only a broken server reaches.

#include "harness/tested_build.hpp"

#include <chrono>
#include <functional>
#include <stdexcept>

namespace harness {

using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

/// True if the programs under test carry a sanitizer.
inline const bool sanitized = !tested_build().sanitizer.empty();

/// True if they run under an emulator, whose translation of their code counts as their memory: up
/// to a KiB for each function that is called for the first time.
inline const bool emulated = !tested_build().launcher.empty();

/// The factor by which all limits grow: sanitizers and emulators make a program two to ten times
/// slower.
inline const int patience = sanitized || emulated ? 4 : 1;

/// A limit for something that must happen, generous enough for a loaded machine.
inline const milliseconds must_happen = std::chrono::seconds(15) * patience;

/// What a test throws when the server did not do what it had to: the text says what a client
/// saw. Catch2 reports it as the failure of the case.
class failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A point in time that several waits share.
class deadline {
public:
    explicit deadline(milliseconds from_now) : end_(steady::now() + from_now) {}
    [[nodiscard]] bool over() const { return steady::now() >= end_; }
    /// For poll(2) and its kin: 0 once it is over.
    [[nodiscard]] int left_ms() const;

private:
    steady::time_point end_;
};

/// Looks again and again, a few milliseconds apart, until `condition` holds.
/// \return whether it came to hold within `limit`
bool wait_for(const std::function<bool()>& condition, milliseconds limit = must_happen);

} // namespace harness
