/// \file
/// Reads options with CLI11. Addresses and durations are written as in Go.

#include "options.hpp"

#include "log.hpp"
#include "syscall/syscall_error.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <utility>

namespace stage4 {
namespace {

/// Returns a check for CLI11 that parses an option's argument and stores the result in `value`.
/// A check returns an empty text, or the argument's mistake.
template <typename Value, typename Parse>
auto reads_into(Value& value, Parse parse) {
    return [&value, parse](const std::string& text) -> std::string {
        auto parsed = parse(text);
        if (!parsed) return parsed.error();
        value = std::move(*parsed);
        return "";
    };
}

/// Parses a decimal number from 1 to `Most`. CLI11 itself would read "010" as 8 and "0x10" as 16.
template <unsigned Most>
std::expected<unsigned, std::string> parse_count(std::string_view text) {
    unsigned count = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_number = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    if (is_number && count >= 1 && count <= Most) return count;
    return std::unexpected(fmt::format("{:?} is not a number from 1 to {}", text, Most));
}

} // namespace

std::expected<options, int> parse_options(int argc, const char* const* argv) {
    options read;
    std::string listen, most, grace, idle, write;
    CLI::App app{"An echo server: every byte comes back once, in order.", "stage4_server"};
    app.add_option("-l,--listen", listen, "where to listen; also unix:PATH, unix:@NAME")
        ->option_text("ADDRESS [:8080]")
        ->check(reads_into(read.listen, [](const auto& text) { return parse_endpoint(text); }));
    app.add_flag("-v,--verbose", read.verbose, "one line per connection event and per message");
    app.add_option("--max-connections", most,
                   "accept no more than N at once; the others wait in the backlog")
        ->option_text("N [no limit]")
        ->check(reads_into(read.max_connections, parse_count<std::numeric_limits<int>::max()>));
    app.add_option("--grace", grace, "how long a graceful stop may take")
        ->option_text("DURATION [5s]")
        ->check(reads_into(read.grace, parse_duration));
    app.add_option("--idle-timeout", idle, "close a connection that sent nothing for this long")
        ->option_text("DURATION [none]")
        ->check(reads_into(read.idle_timeout, parse_duration));
    app.add_option("--write-timeout", write,
                   "close a connection that accepted no bytes for this long")
        ->option_text("DURATION [none]")
        ->check(reads_into(read.write_timeout, parse_duration));
    app.add_option("--trace", read.trace, "record what happens, as Chrome trace events")
        ->option_text("FILE [none]");
    app.set_version_flag("--version", fmt::format("stage4_server {}", version));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return std::unexpected(answer(app, error));
    }
    return read;
}

int answer(const CLI::App& app, const CLI::ParseError& why) {
    if (why.get_exit_code() != 0) {
        log("{}: {} (see --help)", app.get_name(), why.what());
        return 2;
    }
    app.exit(why);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    log("{}", syscall_error{"write /dev/stdout", errno}.message());
    return 1;
}

std::expected<std::chrono::nanoseconds, std::string> parse_duration(std::string_view text) {
    using unit = std::pair<std::string_view, double>; // its name and its nanoseconds
    static constexpr auto units = std::to_array<unit>(
        {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}});
    constexpr std::string_view digits = "0123456789.";
    const auto wrong = std::unexpected(
        fmt::format("{:?} is not a duration; write 300ms, 1.5s, 2m or 1h30m", text));
    if (text == "0") return std::chrono::nanoseconds(0);
    if (text.empty()) return wrong;
    double total = 0;
    for (auto rest = text; !rest.empty();) {
        const auto number = rest.substr(0, rest.find_first_not_of(digits));
        rest.remove_prefix(number.size());
        const auto name = rest.substr(0, rest.find_first_of(digits));
        rest.remove_prefix(name.size());
        const auto found = std::ranges::find(units, name, &unit::first);
        const bool is_number = number.find_first_not_of('.') != std::string_view::npos &&
                               number.find('.') == number.rfind('.');
        if (!is_number || found == units.end()) return wrong;
        total += std::strtod(std::string(number).c_str(), nullptr) * found->second;
    }
    // A longer duration could overflow when it is added to the current time.
    constexpr double century = 100 * 365.25 * 24 * 3600e9;
    return std::chrono::nanoseconds(std::llround(std::min(total, century)));
}

} // namespace stage4
