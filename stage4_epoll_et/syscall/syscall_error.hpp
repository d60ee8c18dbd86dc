#pragma once
/// \file
/// A failed system call, with the same text as in Go: "bind: permission denied".

#include <fmt/core.h>

#include <cctype>
#include <string>
#include <string_view>
#include <system_error>

namespace stage4 {

/// Returns `text` with its first letter in lower case, unless the second is a capital as well
/// ("RPC struct is bad"). glibc's messages begin with a capital, Go's do not.
inline std::string lower_first(std::string text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.size() > 1 && std::islower(at(1)) != 0)
        text[0] = static_cast<char>(std::tolower(at(0)));
    return text;
}

/// A failed system call. Go: os.SyscallError.
struct syscall_error {
    std::string_view call; ///< the call's name, a string literal: "bind"
    int number = 0;        ///< the call's errno

    /// Returns a text such as "bind: address already in use".
    [[nodiscard]] std::string message() const {
        return fmt::format("{}: {}", call, lower_first(std::generic_category().message(number)));
    }
};

} // namespace stage4
