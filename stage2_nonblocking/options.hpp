#pragma once
/// \file
/// The command line of a server.

#include "address.hpp"
#include "poller.hpp"

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

/// What `--version` prints.
inline constexpr std::string_view version = "0.1.0";

/// How a server was asked to behave.
struct options {
    endpoint listen{"tcp", "", 8080}; ///< --listen; Go's ":8080": every interface
    bool verbose = false;             ///< whether note() prints
    std::size_t max_connections = std::numeric_limits<std::size_t>::max(); ///< at once
    std::chrono::nanoseconds grace = std::chrono::seconds(5); ///< how long a stop may take
    std::optional<std::string> trace;                         ///< the file that --trace names
    wait_method wait = wait_method::poll;                     ///< --wait
};

/// Reads the command line; help, version and mistakes are printed here.
/// \return or the exit status: 0 after help, 2 for what can't be read
std::expected<options, int> parse_options(int argc, const char* const* argv);

/// Prints the answer to --help or --version, or what is wrong with the command line.
/// \return the exit status: 0; 1 if standard output can't be written; 2 for a wrong command line
int answer(const CLI::App& app, const CLI::ParseError& why);

/// "300ms", "1.5s", "1h30m". Go: time.ParseDuration, without negative ones.
/// \return or what is wrong and how it is written
std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text);

} // namespace stage2
