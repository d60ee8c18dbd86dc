#pragma once
/// \file
/// The command line of a server.

#include "address.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
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

namespace stage5 {

/// What `--version` prints.
inline constexpr std::string_view version = "0.1.0";

/// What is echoed: bytes as they come, or whole lines.
enum class echo_mode : std::uint8_t { bytes, lines };

/// What the command line says.
struct options {
    endpoint listen{"tcp", "", 8080}; ///< --listen; as Go's ":8080": every interface
    bool verbose = false;             ///< true: note() prints
    std::size_t max_connections = std::numeric_limits<std::size_t>::max(); ///< at once
    std::chrono::nanoseconds grace = std::chrono::seconds(5); ///< how long a stop may take
    std::optional<std::string> trace;                         ///< the file that --trace names
    std::chrono::nanoseconds idle_timeout{};  ///< for a client that sends nothing; 0: none
    std::chrono::nanoseconds write_timeout{}; ///< for a client that takes no bytes; 0: none
    unsigned threads = 0;                     ///< number of workers; 0: usable_cpus()
    echo_mode mode = echo_mode::bytes;        ///< --mode
};

/// Reads the command line. Prints help, version and errors itself.
/// \return the options; or, if the program has to end, answer()'s exit status
std::expected<options, int> parse_options(int argc, const char* const* argv);

/// Prints the help or the version, or the error in the command line.
/// \return the exit status: 0; 1 if standard output can't be written; 2 for a wrong command line
int answer(const CLI::App& app, const CLI::ParseError& why);

/// Reads a duration such as "300ms", "1.5s" or "1h30m". Go: time.ParseDuration, but for negative
/// ones.
/// \return the duration, or an error that says how to write one
std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text);

} // namespace stage5
