#pragma once
/// \file
/// The command line of a server.

#include "address.hpp"

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

namespace stage4 {

/// What `--version` prints.
inline constexpr std::string_view version = "0.1.0";

/// What the command line asks of a server.
struct options {
    endpoint listen{"tcp", "", 8080}; ///< --listen; Go's ":8080": every interface
    bool verbose = false;             ///< whether note() prints
    std::size_t max_connections = std::numeric_limits<std::size_t>::max(); ///< at once
    std::chrono::nanoseconds grace = std::chrono::seconds(5); ///< how long a stop may take
    std::optional<std::string> trace;                         ///< the file that --trace names
    std::chrono::nanoseconds idle_timeout{};  ///< for a client that sends nothing; 0: none
    std::chrono::nanoseconds write_timeout{}; ///< for a client that takes nothing; 0: none
};

/// Reads the command line. Prints help and version if asked, and mistakes.
/// \return the options; or the exit status, as answer() returns it, if the program must end
std::expected<options, int> parse_options(int argc, const char* const* argv);

/// Prints the answer to --help or --version, or what is wrong with the command line.
/// \return the exit status: 0; 1 if standard output can't be written; 2 for a wrong command line
int answer(const CLI::App& app, const CLI::ParseError& why);

/// Reads a duration such as "300ms", "1.5s" or "1h30m". Go: time.ParseDuration, which also reads
/// negative ones. \return the duration; or what is wrong with the text, and an example
std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text);

} // namespace stage4
