#pragma once
/// \file
/// What the rungs are written with: clients whose every wait ends before the rung's time is over,
/// and a failure that says in the reader's language what was sent and what came back.

#include "check/subject.hpp"
#include "harness/client.hpp"
#include "harness/crowd.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

namespace check {

using harness::client;
using harness::crowd;
using harness::pattern;

/// What a rung saw that it should not have seen.
class surprise : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// How many programs want each of this machine's cores: 1 if it has nothing else to do, 3 at most.
int busyness();

/// One server, and clients around it.
class scene {
public:
    explicit scene(subject& one) : server(one) {}

    subject& server;

    /// A rung may take no longer than this: nine seconds, and more where other programs want the
    /// processor as well, because the verdict must not depend on them.
    const milliseconds longest = milliseconds(9000) * harness::patience * busyness();

    /// Says what clients do from now on. It is reported as what was sent, if something is wrong.
    template <typename... Arguments>
    void doing(const text& what, const Arguments&... arguments) {
        sent_ = say(what, arguments...);
    }
    [[nodiscard]] const std::string& sent() const { return sent_; }

    /// \throws surprise always
    template <typename... Arguments>
    [[noreturn]] void fail(const text& came_back, const Arguments&... arguments) const {
        throw surprise(say(came_back, arguments...));
    }

    /// The longest time that a server may take for an answer: five ninths of the rung's time, so
    /// that a busy machine is no reason to fail, and no more than is left of it.
    milliseconds soon();
    /// What soon() has said last, in seconds: how long the client has waited that failed.
    [[nodiscard]] double waited() const { return std::chrono::duration<double>(soon_).count(); }
    /// What is left of the rung's time.
    [[nodiscard]] milliseconds left() const { return milliseconds(end_.left_ms()); }
    /// True once nothing is.
    [[nodiscard]] bool is_over() const { return end_.over(); }

    /// A client that has just connected.
    client come(int receive_buffer = 0) { return client(server.where(), receive_buffer, soon()); }
    /// Sends a line, and expects the same back.
    void echo(client& by, std::string_view line);
    /// Expects `line` back, and no other byte before it.
    void expect_text(client& by, std::string_view line);
    /// Sends until `most` bytes are sent, or until the server has taken nothing for a while
    /// although it could run. \return how many it has taken
    std::uint64_t fill(client& by, const pattern& bytes, std::uint64_t most);
    /// Expects back all of the first `size` bytes.
    void expect(client& by, const pattern& bytes, std::uint64_t size);
    /// Adds clients, all of which send `size` bytes and get them back.
    void join_and_echo(crowd& all, std::size_t count, std::size_t size);
    /// Moves bytes until all clients are served, or none has been for as long as soon().
    void serve(crowd& all);
    /// \throws surprise with how many were served, unless all were
    void expect_served(const crowd& all) const;

private:
    std::string sent_;
    milliseconds soon_{0};
    harness::deadline end_{longest};
};

/// More bytes than the kernel keeps for one connection that is not read: a server that has read all
/// of them has seen its own send() take no more.
std::uint64_t more_than_fits();

/// What went wrong, in the reader's language: what a client saw, and how the server has ended, if
/// it has. Is called while an exception is handled.
std::string seen(scene& now);

} // namespace check
