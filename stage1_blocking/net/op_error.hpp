#pragma once
/// \file
/// A failed network operation, with the same text as in Go: "listen tcp 127.0.0.1:80: bind:
/// permission denied".

#include <fmt/core.h>

#include <string>

namespace stage1 {

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

} // namespace stage1
