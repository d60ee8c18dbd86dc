/// \file
/// Starting a command, and looking at its process group through /proc.

#include "check/subject.hpp"

#include "harness/proc.hpp"

#include <sys/resource.h>

#include <algorithm>
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

/// The local addresses that listen on a port: "0100007F", as /proc/net/tcp writes them.
std::vector<std::string> listeners(const char* table, std::uint16_t port) {
    std::vector<std::string> found;
    std::ifstream file(table);
    std::string line;
    std::getline(file, line); // the headings
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state;
        words >> number >> local >> remote >> state;
        const auto colon = local.find(':');
        const bool same = std::stoul(local.substr(colon + 1), nullptr, 16) == port;
        if (same && state == "0A") found.push_back(local.substr(0, colon));
    }
    return found;
}

/// Where a client of this machine finds the server that listens on `port`, if one does.
std::optional<endpoint> listening_on(std::uint16_t port) {
    if (!listeners("/proc/net/tcp", port).empty()) return harness::loopback4(port);
    const auto v6 = listeners("/proc/net/tcp6", port);
    if (v6.empty()) return std::nullopt;
    // [::1] is no wildcard: only an IPv6 client finds it.
    const bool only_v6 = v6.front() == "00000000000000000000000001000000";
    return only_v6 ? harness::loopback6(port) : harness::loopback4(port);
}

std::string replaced(std::string line, const std::string& place, const std::string& by) {
    for (auto at = line.find(place); at != std::string::npos; at = line.find(place, at + by.size()))
        line.replace(at, place.size(), by);
    return line;
}

} // namespace

std::string spoken(const harness::ending& end) {
    if (!end.by_signal) return say(texts::exit_status, end.number);
    return say(texts::signal_number, end.number, ::sigabbrev_np(end.number));
}

std::unique_ptr<subject> subject::start(const std::string& command) {
    const auto port = harness::free_port();
    std::unique_ptr<subject> one(new subject);
    const auto line = replaced(command, "{port}", std::to_string(port));
    one->process_ = std::make_unique<harness::child>(std::vector<std::string>{"/bin/sh", "-c", line});
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
    const auto over = [&] {
        if (const auto found = listening_on(port)) where_ = *found;
        if (where_.length != 0 || ended()) return true;
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
        if (is && is->group == process_->pid() && is->state != 'Z') found.push_back(std::stoi(name));
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

double subject::restlessness(double share, int spans, const std::function<void()>& meanwhile) const {
    double least = 1000;
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
        least = std::min(least, spins ? std::max(demand, share) : used);
        if (least < share) return 0;
    }
    return least;
}

void subject::allow_descriptors(std::size_t count) const {
    for (const pid_t pid : processes()) {
        int highest = 0;
        for (const auto& each : harness::descriptors(pid)) highest = std::max(highest, each.number);
        rlimit limit{};
        ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
        limit.rlim_cur = static_cast<rlim_t>(highest) + 1 + count;
        ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
    }
}

bool subject::is_out_of_descriptors() const {
    const auto is_out = [](pid_t pid) {
        rlimit limit{};
        ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
        return harness::descriptor_count(pid) >= limit.rlim_cur ? 1 : 0;
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
