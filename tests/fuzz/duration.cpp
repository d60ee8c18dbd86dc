/// \file
/// The duration parser against another one, a character at a time: both accept the same, and
/// mean the same by it.

#include "fuzz/fuzz.hpp"
#include "stage3_epoll_lt/options.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

/// A unit at the front of the text, longest first. \return its nanoseconds and its length, or 0
std::pair<long double, std::size_t> unit_at(std::string_view text) {
    const std::pair<std::string_view, long double> units[] = {
        {"ns", 1},   {"us", 1e3L}, {"µs", 1e3L},  {"ms", 1e6L},
        {"s", 1e9L}, {"m", 6e10L}, {"h", 3.6e12L}};
    for (const auto& [name, value] : units)
        if (text.starts_with(name)) return {value, name.size()};
    return {0, 0};
}

bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

/// \return nanoseconds, or nothing if it is no duration
std::optional<long double> read(std::string_view text) {
    if (text == "0") return 0.0L;
    if (text.empty()) return std::nullopt;
    long double total = 0;
    while (!text.empty()) {
        long double number = 0, place = 1;
        bool digits = false, point = false;
        for (; !text.empty() && (is_digit(text[0]) || text[0] == '.'); text.remove_prefix(1)) {
            if (text[0] == '.') {
                if (point) return std::nullopt;
                point = true;
                continue;
            }
            digits = true;
            number = number * 10 + (text[0] - '0');
            if (point) place *= 10;
        }
        const auto [value, length] = unit_at(text);
        if (!digits || length == 0) return std::nullopt;
        text.remove_prefix(length);
        if (!text.empty() && !is_digit(text[0]) && text[0] != '.') return std::nullopt;
        total += number / place * value;
    }
    return total;
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 200) return 0; // beyond that, numbers leave long double's range
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto is = stage3::parse_duration(text);
    const auto should = read(text);
    fuzz::must(is.has_value() == should.has_value(), "one takes it, the other does not");
    if (!is) return 0;
    constexpr long double century = 100 * 365.25L * 24 * 3.6e12L;
    const auto wanted = std::min(*should, century);
    const auto count = static_cast<long double>(is->count());
    fuzz::must(std::fabs(count - wanted) <= 1 + wanted * 1e-9L, "another duration");
    return 0;
}
