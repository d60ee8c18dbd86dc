#pragma once
/// \file
/// What the connections do: the five modes, each a warm-up and then a window of time in which
/// echoes are counted and timed.

#include "load/clients.hpp"
#include "load/histogram.hpp"

#include <functional>
#include <string>

namespace bench {

/// What came of a mode's window.
struct outcome {
    std::uint64_t messages = 0, bytes = 0;
    histogram latency; ///< in ns; for mode::silent, how late the server closed
};

/// Functions called when the window begins and ends, and now and then in between.
struct watcher {
    std::function<void()> begins, ends;
    std::function<void(const std::string&)> progress;
};

/// Opens `count` connections, some hundred at a time, and has each hear one echo of `size` bytes.
/// \throws failure if one does not
void open_and_echo(clients& load, std::size_t count, std::size_t size, const watcher& told);

/// Runs the mode that `asked` names. \throws failure if the server loses or changes a byte, ends a
/// connection that should live, or lets ten seconds pass without a single echo
outcome run(clients& load, const options& asked, const watcher& told);

} // namespace bench
