#pragma once
/// \file
/// Many clients in one thread, over epoll: up to as many as there are descriptors.

#include "harness/client.hpp"

#include <functional>
#include <vector>

namespace harness {

/// A number of connections to one server. Each sends messages of its own (no two clients send
/// the same bytes) and expects them back.
class crowd {
public:
    explicit crowd(endpoint to);

    /// Adds `count` clients and starts to connect them. The kernel accepts for the server, so
    /// this says nothing about the server.
    void join(std::size_t count);
    /// Gives each client `size` more bytes to send.
    void speak(std::size_t size);
    /// Like speak(), for the clients that are served; the others still wait.
    void served_speak(std::size_t size);
    /// Adds `count` clients, a few hundred at a time, and has each hear an echo of `size` bytes.
    /// \throws failure if one does not
    void join_and_echo(std::size_t count, std::size_t size);
    /// A message of `size` bytes by each client, and its echo. \throws failure if one is lost
    void echo(std::size_t size);

    /// Moves bytes until `done` holds. \return whether it did within `limit`
    bool drive(const std::function<bool()>& done, milliseconds limit = must_happen);
    /// Moves bytes until no echo came back for as long as `quiet`, or until `done` holds.
    void drive_until_quiet(milliseconds quiet, const std::function<bool()>& done);
    void drive_until_quiet(milliseconds quiet);

    [[nodiscard]] std::size_t size() const { return members_.size(); }
    /// How many are connected, which is the kernel's doing: the server need not have accepted them.
    [[nodiscard]] std::size_t connected() const;
    /// How many have got back all that they were to send.
    [[nodiscard]] std::size_t served() const { return served_; }
    /// How many have ended early or got a wrong byte.
    [[nodiscard]] std::size_t lost() const { return lost_; }
    /// Why the first of them was lost.
    [[nodiscard]] const std::string& complaint() const { return complaint_; }

    /// Those that are served leave, politely. \return how many
    std::size_t served_leave();
    /// All leave, politely or with a reset.
    void leave(bool reset = false);
    /// All leave with bytes under way: each sends `size` bytes and does not wait for an echo.
    /// Every other one resets, the rest close.
    void vanish(std::size_t size);

private:
    struct member {
        unique_fd fd;
        pattern bytes{0};
        std::uint64_t wanted = 0, sent = 0, got = 0;
        bool writing = false; // whether epoll is asked for EPOLLOUT
        bool lost = false;
        [[nodiscard]] bool served() const { return !lost && got == wanted; }
    };
    void add();
    void speak(std::size_t index, std::size_t size);
    void watch(member& one, std::size_t index, int operation);
    void move_bytes(std::size_t index);
    void send_more(member& one);
    void receive_more(member& one);
    void lose(member& one, const std::string& why);
    bool step(milliseconds limit);
    void wait_for_all();
    [[nodiscard]] std::string missing() const;

    endpoint to_;
    unique_fd epoll_;
    std::vector<member> members_;
    std::uint64_t next_seed_ = 1;
    std::size_t served_ = 0, lost_ = 0;
    std::uint64_t heard_ = 0; // bytes that came back to any client
    std::string complaint_;
};

} // namespace harness
