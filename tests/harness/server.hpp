#pragma once
/// \file
/// An echo server as a process: ours, which prints where it listens, or anyone's, which gets
/// an address to listen on and is ready when it accepts a connection.

#include "harness/child.hpp"
#include "harness/endpoint.hpp"

#include <memory>
#include <string>
#include <vector>

namespace harness {

/// A server that listens. Everything child can do, it can do.
class server : public child {
public:
    /// One of ours: adds `--listen listen` and waits for the line "listening on ADDRESS".
    /// \throws failure with what it printed, if it does not listen within 10 s
    static std::unique_ptr<server> ours(const std::string& path, std::vector<std::string> arguments,
                                        const std::string& listen = "127.0.0.1:0",
                                        const child_options& options = {});
    /// Anyone's: replaces "{port}" in a shell command and waits until 127.0.0.1 takes a
    /// connection there. \throws failure with what it printed, if it does not within 10 s
    static std::unique_ptr<server> foreign(const std::string& command,
                                           const child_options& options = {});

    /// Where it listens, in its own words: "127.0.0.1:43121", "[::]:8080", "unix:@name".
    [[nodiscard]] const std::string& address() const { return address_; }
    /// Where a client of this machine finds it: the wildcard's is 127.0.0.1.
    [[nodiscard]] endpoint where() const;
    [[nodiscard]] std::uint16_t port() const { return parse_endpoint(address_).port(); }

    /// Signals it and waits for the end. \throws failure if it still runs after `limit`
    ending stop(int number, milliseconds limit = must_happen);

private:
    using child::child;
    [[nodiscard]] failure not_listening();

    std::string address_;
};

} // namespace harness
