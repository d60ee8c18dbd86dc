#pragma once
/// \file
/// How broken_server is started.

#include "harness/broken/defects.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace broken {

/// How it was started.
struct orders {
    defect which = defect::nothing;
    std::uint16_t port = 0;
    std::chrono::milliseconds idle_timeout{0};
};

template <typename Number>
bool read(std::string_view text, Number& into) {
    return std::from_chars(text.data(), text.data() + text.size(), into).ec == std::errc{};
}

/// \return nothing for what is not written as above
inline std::optional<orders> read_orders(const std::vector<std::string_view>& words) {
    orders read_ones;
    std::optional<defect> which;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        if (words[i] == "--listen" && has_value) {
            const auto& where = words[++i];
            if (!read(where.substr(where.rfind(':') + 1), read_ones.port)) read_ones.port = 0;
        } else if (words[i] == "--idle-timeout" && has_value) {
            long count = 0;
            if (!read(words[++i], count)) return std::nullopt;
            read_ones.idle_timeout = std::chrono::milliseconds(count);
        } else if (const auto found = find_defect(words[i])) {
            which = found;
        } else if (!read(words[i], read_ones.port)) {
            return std::nullopt;
        }
    }
    if (!which) return std::nullopt;
    read_ones.which = *which;
    return read_ones;
}

} // namespace broken
