#pragma once
/// \file
/// The server's command line.

#include "net/resolve.hpp"
#include "runtime/poller.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

// NOLINTBEGIN(readability-identifier-naming): CLI11's names
namespace CLI {
class App;
class ParseError;
} // namespace CLI
// NOLINTEND(readability-identifier-naming)

namespace stage2 {

/// The version that `--version` prints.
inline constexpr std::string_view version = "0.1.0";

/// The server's settings, as the command line gives them.
struct options {
    endpoint listen{"tcp", "", 8080}; ///< --listen; by default Go's ":8080", every interface
    bool verbose = false;             ///< --verbose: log_event() prints
    /// --max-connections: how many may be open at once
    std::size_t max_connections = std::numeric_limits<std::size_t>::max();
    std::chrono::nanoseconds grace = std::chrono::seconds(5); ///< --grace: the time for a stop
    std::optional<std::string> trace;                         ///< --trace: the file to write
    wait_method wait = wait_method::poll;                     ///< --wait
};

/// Reads the command line. Prints the answer to --help and --version, and the user's mistakes.
/// \return the settings; or, if the process should end now, its exit status: see answer()
std::expected<options, int> parse_options(int argc, const char* const* argv);

/// Prints the answer to --help or --version, or what is wrong with the command line.
/// \return the exit status: 0; 1 if standard output can't be written; 2 for a wrong command line
int answer(const CLI::App& app, const CLI::ParseError& why);

/// Parses a duration: "300ms", "1.5s", "1h30m". Not negative; more than a century counts as a
/// century. Go: time.ParseDuration.
/// \return the duration; or an error that also shows how durations are written
std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text);

} // namespace stage2
