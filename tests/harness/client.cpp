/// \file
/// A client over a socket that does not block, with poll(2) for the limits.

#include "harness/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace harness {
namespace {

using kind = wrong_answer::kind;

[[noreturn]] void fail_at_end(ssize_t how, std::uint64_t got, std::uint64_t wanted) {
    throw wrong_answer(how < 0 ? kind::reset : kind::ended, got, wanted,
                       fmt::format("the server {} after {} of {} bytes",
                                   how < 0 ? "reset the connection" : "ended the stream", got,
                                   wanted));
}

} // namespace

endpoint client::local() const {
    endpoint own;
    own.length = sizeof own.storage;
    check(::getsockname(fd_.get(), own.get(), &own.length), "getsockname");
    return own;
}

short client::wait(short events, const deadline& end) const {
    pollfd ready{fd_.get(), events, 0};
    while (::poll(&ready, 1, end.left_ms()) <= 0)
        if (end.over()) return 0;
    return ready.revents;
}

ssize_t client::receive(char* into, std::size_t size) {
    while (true) {
        const auto count = ::recv(fd_.get(), into, size, 0);
        if (count >= 0) return count;
        if (errno == EAGAIN) return -2;
        if (errno == ECONNRESET || errno == EPIPE) return -1;
        if (errno != EINTR) check(count, "recv");
    }
}

std::size_t client::send_some(std::string_view bytes) {
    const auto count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    return static_cast<std::size_t>(check(count, "send"));
}

void client::send_all(std::string_view bytes, milliseconds limit) {
    const deadline end(limit);
    const auto size = bytes.size();
    while (!bytes.empty()) {
        bytes.remove_prefix(send_some(bytes));
        if (!bytes.empty() && wait(POLLOUT, end) == 0)
            throw wrong_answer(
                kind::not_taken, size - bytes.size(), size,
                fmt::format("the server did not take the last {} bytes", bytes.size()));
    }
}

std::uint64_t client::send_until_stuck(const pattern& bytes, std::uint64_t most,
                                       milliseconds quiet) {
    std::uint64_t sent = 0;
    while (sent < most) {
        const auto piece = std::min<std::uint64_t>(65536, most - sent);
        const auto taken = send_some(bytes.text(piece, sent));
        sent += taken;
        if (taken < piece && wait(POLLOUT, deadline(quiet)) == 0) break;
    }
    return sent;
}

void client::send_urgent(char byte) {
    check(::send(fd_.get(), &byte, 1, MSG_OOB | MSG_NOSIGNAL), "send");
}

std::string client::receive_exactly(std::size_t size, milliseconds limit) {
    const deadline end(limit);
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const auto count = receive(bytes.data() + got, size - got);
        if (count == 0 || count == -1) fail_at_end(count, got, size);
        if (count > 0) got += static_cast<std::size_t>(count);
        if (count == -2 && wait(POLLIN, end) == 0)
            throw wrong_answer(kind::too_late, got, size,
                               fmt::format("only {} of {} bytes came back within {} ms", got, size,
                                           limit.count()));
    }
    return bytes;
}

std::string client::receive_some(std::size_t size) {
    std::string bytes(size, '\0');
    const auto count = receive(bytes.data(), size);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
}

rest client::receive_rest(milliseconds limit) {
    const deadline end(limit);
    rest all;
    std::array<char, 65536> buffer{};
    while (true) {
        const auto count = receive(buffer.data(), buffer.size());
        if (count > 0) all.bytes.append(buffer.data(), static_cast<std::size_t>(count));
        all.reset = count == -1;
        if (count == 0 || count == -1) return all;
        if (end.over() || (count == -2 && wait(POLLIN, end) == 0))
            throw wrong_answer(kind::no_end, all.bytes.size(), all.bytes.size(),
                               fmt::format("no end of the stream within {} ms, after {} bytes",
                                           limit.count(), all.bytes.size()));
    }
}

void client::expect_end(milliseconds limit) {
    const auto all = receive_rest(limit);
    if (all.reset)
        throw wrong_answer(kind::reset, all.bytes.size(), all.bytes.size(),
                           "the server reset the connection instead of ending it");
    if (!all.bytes.empty())
        throw wrong_answer(kind::too_many, all.bytes.size(), 0,
                           fmt::format("{} bytes too many came back", all.bytes.size()));
}

void client::echo(std::string_view bytes, milliseconds limit) {
    send_all(bytes, limit);
    const auto back = receive_exactly(bytes.size(), limit);
    const auto differs = std::ranges::mismatch(back, bytes).in1;
    if (differs != back.end())
        throw wrong_answer(kind::different, static_cast<std::uint64_t>(differs - back.begin()),
                           bytes.size(), "what came back is not what was sent");
}

void client::expect_same(const pattern& bytes, std::span<const char> arrived,
                         std::uint64_t at) const {
    const auto wrong = bytes.difference(arrived, at);
    if (!wrong) return;
    const auto same = bytes.same(arrived, at);
    throw wrong_answer(kind::different, at + same, at + arrived.size(), *wrong);
}

void client::exchange(const conversation& how, milliseconds limit) {
    std::uint64_t sent = 0, got = 0;
    std::string piece; // being sent: [at, end) is not yet
    std::size_t at = 0;
    std::string buffer(how.read_size, '\0');
    if (how.half_close && how.size == 0) shutdown_write();
    while (got < how.size) {
        if (at == piece.size() && sent < how.size && sent - got < how.most_ahead) {
            const auto next = how.next_piece ? how.next_piece() : std::size_t{65536};
            piece = how.bytes.text(std::min<std::uint64_t>(next, how.size - sent), sent);
            at = 0;
        }
        const bool owes = at < piece.size();
        const auto events = static_cast<short>(owes ? POLLIN | POLLOUT : POLLIN);
        const auto ready = wait(events, deadline(limit));
        if (ready == 0)
            throw wrong_answer(kind::too_late, got, how.size,
                               fmt::format("nothing moved for {} ms: {} of {} bytes sent, {} back",
                                           limit.count(), sent, how.size, got));
        if (owes && (ready & POLLOUT) != 0) {
            const auto taken = send_some(std::string_view(piece).substr(at));
            at += taken;
            sent += taken;
            if (how.half_close && sent == how.size) shutdown_write();
        }
        if ((ready & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
        const auto count = receive(buffer.data(), buffer.size());
        if (count == 0 || count == -1) fail_at_end(count, got, how.size);
        if (count < 0) continue;
        const std::span arrived(buffer.data(), static_cast<std::size_t>(count));
        if (got + arrived.size() > sent)
            throw wrong_answer(kind::too_many, got + arrived.size() - sent, 0,
                               "more came back than was sent");
        expect_same(how.bytes, arrived, got);
        got += arrived.size();
    }
    if (how.half_close) expect_end(limit);
}

void client::shutdown_write() {
    check(::shutdown(fd_.get(), SHUT_WR), "shutdown");
}

void client::reset() {
    const linger at_once{1, 0};
    check(::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt");
    fd_.reset();
}

} // namespace harness
