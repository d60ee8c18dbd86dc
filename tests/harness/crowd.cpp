/// \file
/// One epoll set, each client a member of it with what it still has to send and to hear.

#include "harness/crowd.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>

namespace harness {

crowd::crowd(endpoint to) : to_(to), epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll")) {}

void crowd::watch(member& one, std::size_t index, int operation) {
    epoll_event event{};
    event.events = one.writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = index;
    check(::epoll_ctl(epoll_.get(), operation, one.fd.get(), &event), "epoll_ctl");
}

void crowd::add() {
    member one;
    one.fd = start_connect(to_);
    one.bytes = pattern(next_seed_++);
    one.writing = true; // until it is connected and has nothing to say
    members_.push_back(std::move(one));
    watch(members_.back(), members_.size() - 1, EPOLL_CTL_ADD);
    ++served_; // nothing wanted, nothing missing
}

void crowd::join(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add();
}

void crowd::speak(std::size_t index, std::size_t size) {
    auto& one = members_[index];
    if (one.lost || size == 0) return;
    if (one.served()) --served_;
    one.wanted += size;
    if (!std::exchange(one.writing, true)) watch(one, index, EPOLL_CTL_MOD);
}

void crowd::speak(std::size_t size) {
    for (std::size_t i = 0; i < members_.size(); ++i) speak(i, size);
}

void crowd::served_speak(std::size_t size) {
    for (std::size_t i = 0; i < members_.size(); ++i)
        if (members_[i].served()) speak(i, size);
}

void crowd::lose(member& one, const std::string& why) {
    if (one.served()) --served_;
    one.lost = true;
    one.fd.reset(); // which takes it out of the epoll set, too
    if (lost_++ == 0) complaint_ = why;
}

void crowd::send_more(member& one) {
    while (one.sent < one.wanted) {
        const auto piece = std::min<std::uint64_t>(65536, one.wanted - one.sent);
        const auto text = one.bytes.text(piece, one.sent);
        const auto count = ::send(one.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) return lose(one, std::error_code(errno, std::generic_category()).message());
        one.sent += static_cast<std::uint64_t>(count);
    }
}

void crowd::receive_more(member& one) {
    std::array<char, 65536> buffer; // NOLINT: 9000 clients need not zero it each
    while (true) {
        const auto count = ::recv(one.fd.get(), buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) return lose(one, std::error_code(errno, std::generic_category()).message());
        if (count == 0)
            return lose(one, fmt::format("the server ended the stream after {} of {} bytes",
                                         one.got, one.wanted));
        const std::span arrived(buffer.data(), static_cast<std::size_t>(count));
        if (one.got + arrived.size() > one.sent) return lose(one, "more came back than was sent");
        if (const auto wrong = one.bytes.difference(arrived, one.got)) return lose(one, *wrong);
        one.got += arrived.size();
        heard_ += arrived.size();
        if (one.served()) ++served_;
    }
}

void crowd::move_bytes(std::size_t index) {
    auto& one = members_[index];
    if (one.lost) return;
    receive_more(one);
    if (!one.lost) send_more(one);
    if (one.lost || one.writing == (one.sent < one.wanted)) return;
    one.writing = one.sent < one.wanted;
    watch(one, index, EPOLL_CTL_MOD);
}

bool crowd::step(milliseconds limit) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                                   static_cast<int>(limit.count()));
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i)
        move_bytes(events.at(i).data.u64);
    return count > 0;
}

bool crowd::drive(const std::function<bool()>& done, milliseconds limit) {
    const deadline end(limit);
    while (!done()) {
        if (end.over()) return false;
        step(std::min(milliseconds(end.left_ms()), milliseconds(10)));
    }
    return true;
}

std::size_t crowd::connected() const {
    return static_cast<std::size_t>(std::ranges::count_if(members_, [](const member& one) {
        endpoint peer;
        peer.length = sizeof peer.storage;
        return ::getpeername(one.fd.get(), peer.get(), &peer.length) == 0;
    }));
}

void crowd::drive_until_quiet(milliseconds quiet) {
    drive_until_quiet(quiet, [] { return false; });
}

void crowd::drive_until_quiet(milliseconds quiet, const std::function<bool()>& done) {
    auto last = steady::now();
    for (auto heard = heard_; steady::now() - last < quiet && !done();) {
        step(milliseconds(10));
        if (std::exchange(heard, heard_) != heard_) last = steady::now();
    }
}

std::string crowd::missing() const {
    if (lost_ > 0) return fmt::format("{} of {} lost: {}", lost_, members_.size(), complaint_);
    return fmt::format("only {} of {} clients got their echo", served_, members_.size());
}

void crowd::echo(std::size_t size) {
    speak(size);
    wait_for_all();
}

void crowd::wait_for_all() {
    const auto over = [this] { return served_ == members_.size() || lost_ > 0; };
    if (!drive(over) || lost_ > 0) throw failure(missing());
}

void crowd::join_and_echo(std::size_t count, std::size_t size) {
    while (count > 0) {
        const auto some = std::min<std::size_t>(count, 250);
        const auto before = members_.size();
        join(some);
        for (auto i = before; i < members_.size(); ++i) speak(i, size);
        wait_for_all();
        count -= some;
    }
}

std::size_t crowd::served_leave() {
    const auto left = std::erase_if(members_, [](const member& one) { return one.served(); });
    served_ -= left;
    for (std::size_t i = 0; i < members_.size(); ++i) // their indices have changed
        if (!members_[i].lost) watch(members_[i], i, EPOLL_CTL_MOD);
    return left;
}

void crowd::leave(bool reset) {
    const linger at_once{1, 0};
    for (auto& one : members_) {
        if (reset && one.fd)
            ::setsockopt(one.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    members_.clear();
    served_ = lost_ = 0;
}

void crowd::vanish(std::size_t size) {
    speak(size);
    const linger at_once{1, 0};
    for (std::size_t i = 0; i < members_.size(); ++i) {
        auto& one = members_[i];
        if (!one.lost) send_more(one);
        if (i % 2 == 0 && one.fd)
            ::setsockopt(one.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    leave();
}

} // namespace harness
