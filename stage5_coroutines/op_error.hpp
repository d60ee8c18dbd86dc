#pragma once
/// \file
/// Errors, with the same texts as in Go: "listen tcp 127.0.0.1:80: bind: permission denied".

#include <fmt/format.h>

#include <cctype>
#include <string>
#include <string_view>
#include <system_error>

namespace stage5 {

/// Returns `text` with its first letter in lower case, unless the second is a capital as well
/// ("RPC struct is bad"). glibc's messages begin with a capital, Go's do not.
inline std::string lower_first(std::string text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.size() > 1 && std::islower(at(1)) != 0)
        text[0] = static_cast<char>(std::tolower(at(0)));
    return text;
}

/// Returns `name` unchanged if all of it is printable, otherwise quoted and escaped. A name may
/// come from a client, as the path of its Unix socket does. Without the quotes it could look like
/// another line of the log, or contain commands to the terminal.
inline std::string printable(std::string_view name) {
    auto quoted = fmt::format("{:?}", name);
    const bool is_plain = quoted.size() == name.size() + 2; // only the quotes were added
    return is_plain ? std::string(name) : quoted;
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

/// A failed network operation. Go: net.OpError.
struct op_error {
    std::string op;      ///< "listen", "accept", "dial", "read", "write"
    std::string network; ///< "tcp", "unix"
    std::string source;  ///< the connection's local address; empty without a connection
    std::string address; ///< the remote or listening address; empty if it was not resolved
    std::string cause;   ///< why it failed: the text of the underlying error

    /// Returns "OP NETWORK SOURCE->ADDRESS: CAUSE", without the parts that are empty.
    /// Go: OpError.Error
    [[nodiscard]] std::string message() const {
        std::string text = fmt::format("{} {}", op, network);
        if (!source.empty()) text += " " + source;
        if (!address.empty()) text += (source.empty() ? " " : "->") + address;
        return text + ": " + cause;
    }
};

} // namespace stage5
