#pragma once
/// \file
/// The server that is judged, whatever it is written in: a shell command, and all processes that it
/// starts. Everything is seen from outside: sockets, and what /proc says.

#include "check/texts.hpp"
#include "harness/child.hpp"
#include "harness/endpoint.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace check {

using harness::milliseconds;

/// There is no server to judge. The text is one line, in the chosen language.
class no_server : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How a process has ended, in the reader's language.
std::string spoken(const harness::ending& end);

/// A server that listens. Its destructor kills all of its processes.
class subject {
public:
    /// Starts `command`, in which {port} is replaced by a free port, and waits until it listens
    /// there. Nobody connects meanwhile. \throws no_server
    static std::unique_ptr<subject> start(const std::string& command);
    /// A server that somebody has started. \throws no_server if nobody listens there
    static std::unique_ptr<subject> running_at(const std::string& address);

    [[nodiscard]] const harness::endpoint& where() const { return where_; }
    /// True if start() made it, so that its processes are known.
    [[nodiscard]] bool is_ours() const { return process_ != nullptr; }
    /// How it ended: nothing while it runs, and for a server that somebody has started.
    std::optional<harness::ending> ended();

    /// What all of its processes have: anonymous memory in bytes, and open descriptors.
    [[nodiscard]] std::int64_t memory() const;
    [[nodiscard]] std::size_t descriptors() const;
    /// True if one of its threads runs, or would run if it had a core.
    [[nodiscard]] bool wants_cpu() const;
    /// Looks for a span of time, as long as `meanwhile` takes, in which the server uses less than
    /// `share` of a core; tries `spans` times. \return 0 if there is one, or else the largest share
    /// that it has used or waited for
    double restlessness(double share, int spans, const std::function<void()>& meanwhile) const;

    /// From now on each of its processes may open no more than `count` further descriptors.
    void allow_descriptors(std::size_t count) const;
    /// True if one of its processes has opened all that it may.
    [[nodiscard]] bool is_out_of_descriptors() const;

    /// Stops all of its processes while it lives, as if the server were busy, so that what clients
    /// do meanwhile reaches the server all at once. Does nothing to a server that somebody else has
    /// started.
    class hold {
    public:
        explicit hold(const subject& one);
        ~hold();
        hold(const hold&) = delete;
        hold& operator=(const hold&) = delete;

    private:
        const subject& one_;
    };

private:
    subject() = default;
    void wait_until_it_listens(std::uint16_t port);
    [[nodiscard]] std::string last_line() const;
    [[nodiscard]] std::vector<pid_t> processes() const;

    std::unique_ptr<harness::child> process_;
    harness::endpoint where_;
};

/// Kills the processes of the server that runs, if one does. For a signal's handler.
void kill_what_runs();

} // namespace check
