/// \file
/// Top-down: how it begins and ends, the server's sleep, the script's steps, the end of it.

#include "fuzz/conversation.hpp"

#include "fuzz/kernel.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace fuzz {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_clients = 8;
constexpr int most_busy = 2000; ///< calls that one step can be the reason for
constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t soon = 1'000'000'000; ///< ns that a stop takes at most if all are willing

/// How many descriptors are open, of the first few, in one call.
std::size_t open_descriptors() {
    std::array<pollfd, 64> all{};
    for (int fd = 0; pollfd & each : all) each.fd = fd++;
    ::poll(all.data(), all.size(), 0);
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [](const pollfd& each) { return each.revents != POLLNVAL; }));
}

std::size_t size_of(std::uint8_t number) {
    return number < 128 ? number + std::size_t{1} : (number - std::size_t{127}) * 1024;
}

} // namespace

std::string unix_name() {
    return "@fuzz-" + std::to_string(::getpid());
}

conversation* conversation::current = nullptr;

bool broken(std::string_view how) {
    static const char* const set = std::getenv("FUZZ_BREAK");
    return set != nullptr && set == how;
}

setting::setting(std::uint8_t how)
    : tcp((how & 3U) == 3), small((how & 4U) != 0), lines((how & 64U) != 0),
      most((how & 8U) != 0 ? 1 : std::numeric_limits<int>::max()), idle((how & 16U) != 0 ? 1s : 0s),
      write((how & 32U) != 0 ? 1s : 0s) {}

conversation::conversation(input script) : how_(script.byte()), script_(script) {
    all_.tcp = how_.tcp;
    all_.small = how_.small && !how_.tcp;
    all_.lines = how_.lines;
}

void conversation::begin(int door, const sockaddr* address, socklen_t length) {
    door_ = door;
    address_ = address;
    length_ = length;
    const int enough = 1 << 20; // for what comes: clients send less
    if (how_.tcp) ::setsockopt(door, SOL_SOCKET, SO_RCVBUF, &enough, sizeof enough);
    descriptors_ = open_descriptors();
    current = this;
}

conversation::~conversation() {
    current = nullptr;
    // The server may have been done with them before they were.
    while (of_all(&client::shut_down) || of_all(&client::receive_all) ||
           (how_.tcp && !std::ranges::all_of(clients_, &client::is_over) && patience_-- > 0))
        if (patience_ < 500) ::poll(nullptr, 0, 1);
    must(std::ranges::all_of(clients_, &client::is_over), "the server ended before its clients");
    clients_.clear();
    // A client that was not accepted any more must not be the first one of the next server.
    for (int fd = 0; (fd = kernel::accept4(door_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;)
        kernel::close(fd);
    must(open_descriptors() == descriptors_, "a descriptor is left");
}

served* conversation::find(int fd) {
    for (auto& each : clients_)
        if (each.server.fd == fd) return &each.server;
    return nullptr;
}

void conversation::accepted(int fd) {
    must(accepted_ < clients_.size(), "somebody was accepted who has not come");
    served& end = clients_[accepted_++].server;
    end.fd = fd;
    end.accepted = true;
    end.heard = end.paid = now_;
    if (broken("leak")) ::dup(STDERR_FILENO);
    if (!all_.small) return;
    const int smallest = 1; // the kernel takes a few KiB for it
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
}

void conversation::between_calls() {
    must(++busy_ < most_busy, "the server is busy with nothing");
    while (script_.text().size() >= 2 && (script_.text()[0] & 64) != 0) take_step();
}

int conversation::wait(int epoll, epoll_event* events, int most, std::int64_t timeout) {
    must(++busy_ < most_busy, "the server is busy with nothing");
    const int ready = look(epoll, events, most);
    if (ready != 0 || timeout == 0) return ready;
    const auto wakes = timeout < 0 ? forever : now_ + timeout;
    while (true) {
        if (!script_.empty())
            take_steps();
        else
            wind_down(epoll, wakes);
        busy_ = 0;
        const int n = look(epoll, events, most);
        if (n != 0 || now_ >= wakes) return n;
    }
}

/// What is ready, or what a server would see whose poller is broken.
int conversation::look(int epoll, epoll_event* events, int most) {
    const int n = kernel::epoll_wait(epoll, events, most);
    const bool spins = broken("spin"), sleeps = broken("sleep");
    if (!spins && !sleeps) return n;
    int left = 0;
    for (int i = 0; i < n; ++i)
        if (std::ranges::none_of(clients_, [&](const client& each) {
                return each.server.fd >= 0 && each.server.watched.data.u64 == events[i].data.u64;
            }))
            events[left++] = events[i];
    if (sleeps || n != 0) return sleeps ? left : n;
    for (const auto& each : clients_) {
        if (each.server.epoll != epoll) continue;
        events[0] = each.server.watched;
        return 1;
    }
    return 0;
}

/// One, and those that are to come along with it: the server sees them at once.
void conversation::take_steps() {
    take_step();
    while (script_.text().size() >= 2 && (script_.text()[0] & 128) != 0) take_step();
}

void conversation::take_step() {
    const unsigned what = script_.byte();
    const auto number = script_.byte();
    const unsigned slot = (what >> 4U) % 4 % 3;
    if ((what & 15U) < 3 || (what & 15U) == 15) connect(slot);
    busy_ = 0;
    if ((what & 15U) == 8) return; // the server gets a turn, and that is all
    if ((what & 15U) == 9) return pass(std::int64_t{1'000'000} << (number % 14U));
    if ((what & 15U) == 10) return stop();
    client* const whom = present_[slot];
    if (whom != nullptr) plan(*whom, what & 15U, number);
}

void conversation::plan(client& whom, unsigned what, std::uint8_t number) {
    constexpr std::array errors{EAGAIN, EINTR,  ECONNRESET, ENOBUFS,
                                EPIPE,  ENOMEM, ETIMEDOUT,  EAGAIN};
    auto& [reading, writing] = whom.server.next;
    switch (what) {
    case 0:
    case 1:
    case 2:
        return whom.send(size_of(number));
    case 3:
    case 4:
        whom.receive(size_of(number));
        break;
    case 5:
        whom.shut_down();
        break;
    case 6:
        return whom.reset();
    case 7:
        return whom.leave();
    case 11:
        reading = {.most = size_of(number)};
        break;
    case 12:
        writing = {.most = size_of(number)};
        break;
    case 13:
        reading = {.error = errors[number % errors.size()]};
        break;
    case 14:
        writing = {.error = errors[number % errors.size()]};
        break;
    default:
        break;
    }
}

/// If the last one there has gone.
void conversation::connect(unsigned slot) {
    client*& whom = present_.at(slot);
    if ((whom != nullptr && whom->is_here()) || clients_.size() == most_clients) return;
    whom = &clients_.emplace_back(clients_.size(), address_, length_, all_);
}

void conversation::stop() {
    if (all_.stopped) return; // the second one would end the process
    all_.stopped = true;
    stopped_ = now_;
    if (!broken("deaf")) std::raise(SIGTERM);
}

void conversation::pass(std::int64_t span) {
    now_ += span;
    for (auto& each : clients_) each.time_has_passed(now_, how_.idle.count(), how_.write.count());
    if (all_.stopped && now_ - stopped_ >= std::chrono::nanoseconds(how_.grace).count())
        all_.late = true;
}

/// The script is over, and the server sleeps until `wakes`. Clients take what is due to them, and
/// only then end their streams: that would wake a server that has forgotten them.
void conversation::wind_down(int epoll, std::int64_t wakes) {
    if (wound_down_ == 0) wound_down_ = now_;
    if (of_all(&client::receive_all)) return;
    const bool somebody_waits = std::ranges::any_of(clients_, &client::waits);
    if (!somebody_waits && of_all(&client::shut_down)) return;
    const bool all_left = std::ranges::all_of(clients_, &client::is_over);
    if (!all_.stopped && all_left) {
        wound_down_ = now_;
        return stop();
    }
    if (how_.tcp && something_arrives(epoll)) return;
    must(all_.stopped, "a client waits, and the server sleeps");
    must(wakes != forever, "the server sleeps and will never end");
    pass(wakes - now_);
    must(now_ - wound_down_ < soon, "the server does not end");
}

/// \return whether it did anything for one of them
bool conversation::of_all(bool (client::*what)()) {
    bool news = false;
    for (auto& each : clients_) news = (each.*what)() || news;
    return news;
}

/// Most often a loopback delivers at once. \return whether there was anything to wait for
bool conversation::something_arrives(int epoll) {
    const bool ends = all_.stopped && std::ranges::all_of(clients_, [](const client& each) {
                          int under_way = 0;
                          if (each.server.fd >= 0) ::ioctl(each.server.fd, SIOCOUTQ, &under_way);
                          return under_way == 0;
                      });
    if (patience_ == 0 || (ends && now_ - wound_down_ < soon / 2)) return false;
    --patience_;
    pollfd ready{epoll, POLLIN, 0}; // looking into it would take the edges
    ::poll(&ready, 1, 1);
    return true;
}

} // namespace fuzz
