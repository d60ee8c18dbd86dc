/// \file
/// Starting a command, and looking at its process group through /proc.

#include "check/subject.hpp"

#include "harness/proc.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace check {
namespace {

namespace fs = std::filesystem;
using harness::endpoint;
using std::chrono::seconds;

std::atomic<pid_t> running_group = 0;

/// A process's state and group, the first and the third word behind its name; nothing if it has
/// ended.
struct status {
    char state = 0;
    pid_t group = 0;
};
std::optional<status> status_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    if (!std::getline(file, line)) return std::nullopt;
    std::istringstream words(line.substr(line.rfind(')') + 1));
    status read;
    pid_t parent = 0;
    if (!(words >> read.state >> parent >> read.group)) return std::nullopt;
    return read;
}

/// The sum of `measure` over processes; one that ends meanwhile counts nothing.
template <typename Number, typename Measure>
Number sum(const std::vector<pid_t>& processes, const Measure& measure) {
    Number all{};
    for (const pid_t pid : processes) {
        try {
            all += measure(pid);
        } catch (const std::exception&) { // it has just ended
        }
    }
    return all;
}

/// What is asked of the kernel: all sockets of a family that listen. (/proc/net/tcp would do as
/// well, but takes long to read where thousands of connections have just ended.)
struct question {
    nlmsghdr header{};
    inet_diag_req_v2 which{};
};

/// The addresses that listen on `port`, of one family.
std::vector<in6_addr> listeners(int family, std::uint16_t port) {
    const harness::unique_fd kernel(harness::check(
        ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "netlink"));
    question all;
    all.header.nlmsg_len = sizeof all;
    all.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    all.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    all.which.sdiag_family = static_cast<std::uint8_t>(family);
    all.which.sdiag_protocol = IPPROTO_TCP;
    all.which.idiag_states = 1U << TCP_LISTEN;
    harness::check(::send(kernel.get(), &all, sizeof all, 0), "netlink");

    std::vector<in6_addr> found;
    alignas(nlmsghdr) std::array<char, 32768> answer{};
    while (true) {
        const auto count = harness::check(::recv(kernel.get(), answer.data(), answer.size(), 0),
                                          "netlink");
        auto left = static_cast<std::size_t>(count);
        const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
        for (; left >= sizeof(nlmsghdr) && message->nlmsg_len <= left;) {
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
                return found;
            const auto* const one = reinterpret_cast<const inet_diag_msg*>(message + 1);
            if (ntohs(one->id.idiag_sport) == port) {
                in6_addr address{};
                std::memcpy(&address, &one->id.idiag_src, sizeof address);
                found.push_back(address);
            }
            const auto size = (message->nlmsg_len + 3U) & ~3U; // NLMSG_NEXT, without its casts
            left -= std::min<std::size_t>(size, left);
            message = reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(message) +
                                                        size);
        }
    }
}

/// Where a client of this machine finds the server that listens on `port`, if one does.
std::optional<endpoint> listening_on(std::uint16_t port) {
    if (!listeners(AF_INET, port).empty()) return harness::loopback4(port);
    const auto v6 = listeners(AF_INET6, port);
    if (v6.empty()) return std::nullopt;
    // [::1] is no wildcard: only an IPv6 client finds it.
    const bool only_v6 = std::memcmp(&v6.front(), &in6addr_loopback, sizeof(in6_addr)) == 0;
    return only_v6 ? harness::loopback6(port) : harness::loopback4(port);
}

std::string replaced(std::string line, const std::string& place, const std::string& by) {
    for (auto at = line.find(place); at != std::string::npos; at = line.find(place, at + by.size()))
        line.replace(at, place.size(), by);
    return line;
}

} // namespace

std::string spoken(const harness::ending& end) {
    // A shell that has started the server says so with a status above 128.
    const int signal = end.by_signal ? end.number : end.number - 128;
    const char* const name = signal > 0 ? ::sigabbrev_np(signal) : nullptr;
    if (name == nullptr) return say(texts::exit_status, end.number);
    return say(texts::signal_number, signal, name);
}

std::unique_ptr<subject> subject::start(const std::string& command) {
    const auto port = harness::free_port();
    std::unique_ptr<subject> one(new subject);
    const auto line = replaced(command, "{port}", std::to_string(port));
    one->process_ = std::make_unique<harness::child>(
        std::vector<std::string>{"/bin/sh", "-c", line});
    running_group = one->process_->pid();
    one->wait_until_it_listens(port);
    return one;
}

std::unique_ptr<subject> subject::running_at(const std::string& address) {
    std::unique_ptr<subject> one(new subject);
    try {
        one->where_ = harness::parse_endpoint(replaced(address, "localhost:", "127.0.0.1:"));
        harness::dial(one->where_, seconds(5));
    } catch (const std::exception&) {
        throw no_server(say(texts::nobody_there, address));
    }
    return one;
}

/// A command that compiles first may take long, and uses the processor meanwhile: what counts is
/// how long it has done nothing.
void subject::wait_until_it_listens(std::uint16_t port) {
    const harness::deadline all(seconds(60));
    auto idle_since = harness::steady::now();
    auto used = std::chrono::nanoseconds(0);
    int looks = 0;
    const auto over = [&] {
        if (const auto found = listening_on(port)) where_ = *found;
        if (where_.length != 0 || ended()) return true;
        if (++looks % 50 != 0) return false; // to look at all processes takes longer
        const auto now = sum<std::chrono::nanoseconds>(processes(), harness::cpu_time);
        if (now > std::exchange(used, now)) idle_since = harness::steady::now();
        return all.over() || harness::steady::now() - idle_since > seconds(5);
    };
    harness::wait_for(over, seconds(61));
    if (where_.length != 0) return;
    if (const auto end = ended())
        throw no_server(say(texts::ended_before_listening, spoken(*end), port, last_line()));
    throw no_server(say(texts::never_listened, port, last_line()));
}

/// The last line that it has printed, which usually says what is wrong.
std::string subject::last_line() const {
    auto all = process_->out() + process_->err();
    while (!all.empty() && all.back() == '\n') all.pop_back();
    const auto line = all.substr(all.rfind('\n') + 1);
    return line.empty() ? "" : say(texts::it_said, line);
}

std::optional<harness::ending> subject::ended() {
    return process_ ? process_->wait_exit(milliseconds(0)) : std::nullopt;
}

/// All processes of the group that the command was started in, those that have ended aside.
std::vector<pid_t> subject::processes() const {
    std::vector<pid_t> found;
    if (!process_) return found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
        const auto is = status_of(std::stoi(name));
        if (is && is->group == process_->pid() && is->state != 'Z')
            found.push_back(std::stoi(name));
    }
    return found;
}

std::int64_t subject::memory() const {
    return sum<std::int64_t>(processes(), [](pid_t pid) { return harness::memory(pid).anonymous; });
}

std::size_t subject::descriptors() const {
    return sum<std::size_t>(processes(), harness::descriptor_count);
}

bool subject::wants_cpu() const {
    return sum<int>(processes(), [](pid_t pid) { return harness::wants_cpu(pid) ? 1 : 0; }) > 0;
}

double subject::restlessness(double share, int spans,
                             const std::function<void()>& meanwhile) const {
    double most = 0;
    for (int span = 0; span < spans; ++span) {
        std::vector<harness::cpu_meter> meters;
        const auto all = processes();
        sum<int>(all, [&](pid_t pid) { return meters.emplace_back(pid), 0; });
        meanwhile();
        double used = 0, demand = 0;
        for (const auto& meter : meters) {
            try {
                used += meter.share();
                demand += meter.demand();
            } catch (const std::exception&) { // that process has ended
            }
        }
        // A server that spins uses its part of a busy machine's cores, and waits for more.
        const bool spins = (demand > 0.5 && used > demand / 50) || wants_cpu();
        if (!spins && used < share) return 0;
        most = std::max({most, used, demand, share});
    }
    return most;
}

void subject::allow_descriptors(std::size_t count) const {
    for (const pid_t pid : processes()) {
        std::vector<bool> taken;
        for (const auto& each : harness::descriptors(pid)) {
            const auto number = static_cast<std::size_t>(each.number);
            if (number >= taken.size()) taken.resize(number + 1);
            taken[number] = true;
        }
        std::size_t end = 0; // the first number that it may not have
        for (std::size_t free = 0; free < count; ++end)
            if (end >= taken.size() || !taken[end]) ++free;
        rlimit limit{};
        ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
        limit.rlim_cur = end;
        ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
    }
}

bool subject::is_out_of_descriptors() const {
    const auto is_out = [](pid_t pid) {
        rlimit limit{};
        ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
        const auto open = harness::descriptors(pid);
        const auto below = std::ranges::count_if(open, [&](const harness::descriptor& each) {
            return static_cast<rlim_t>(each.number) < limit.rlim_cur;
        });
        return static_cast<rlim_t>(below) >= limit.rlim_cur ? 1 : 0;
    };
    return sum<int>(processes(), is_out) > 0;
}

subject::hold::hold(const subject& one) : one_(one) {
    if (!one_.process_) return;
    ::kill(-one_.process_->pid(), SIGSTOP);
    const auto stands_still = [&] {
        return std::ranges::all_of(one_.processes(), [](pid_t pid) {
            const auto is = status_of(pid);
            return !is || is->state == 'T';
        });
    };
    harness::wait_for(stands_still, seconds(2));
}

subject::hold::~hold() {
    if (one_.process_) ::kill(-one_.process_->pid(), SIGCONT);
}

void kill_what_runs() {
    if (const pid_t group = running_group; group > 0) ::kill(-group, SIGKILL);
}

} // namespace check
