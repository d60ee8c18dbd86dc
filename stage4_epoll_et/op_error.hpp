#pragma once
/// \file
/// What went wrong, said as Go says it: "listen tcp 127.0.0.1:80: bind: permission denied".

#include <fmt/format.h>

#include <cctype>
#include <string>
#include <string_view>
#include <system_error>

namespace stage4 {

/// glibc begins its messages with a capital, Go goes on in the middle of a sentence.
inline std::string lower_first(std::string text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.size() > 1 && std::islower(at(1)) != 0)
        text[0] = static_cast<char>(std::tolower(at(0)));
    return text;
}

/// Quotes a name that holds anything but printable text, as log lines quote bytes. Anybody may
/// choose a name, and it must neither forge a line of the log nor command a terminal.
inline std::string printable(std::string_view name) {
    auto quoted = fmt::format("{:?}", name);
    const bool is_plain = quoted.size() == name.size() + 2; // the quotes alone were added
    return is_plain ? std::string(name) : quoted;
}

/// A system call that failed. Go: os.SyscallError.
struct syscall_error {
    std::string_view call; ///< its name, a literal: "bind"
    int number = 0;        ///< errno

    /// "bind: address already in use"
    [[nodiscard]] std::string message() const {
        return fmt::format("{}: {}", call, lower_first(std::generic_category().message(number)));
    }
};

/// Which operation on which network and addresses failed, and why. Go: net.OpError.
struct op_error {
    std::string op;      ///< "listen", "accept", "dial", "read", "write"
    std::string network; ///< "tcp", "unix"
    std::string source;  ///< the local address of a connection, or empty
    std::string address; ///< the address that was meant, or empty if it could not be found
    std::string cause;   ///< the text of what is below

    /// Go: OpError.Error
    [[nodiscard]] std::string message() const {
        std::string text = fmt::format("{} {}", op, network);
        if (!source.empty()) text += " " + source;
        if (!address.empty()) text += (source.empty() ? " " : "->") + address;
        return text + ": " + cause;
    }
};

} // namespace stage4
