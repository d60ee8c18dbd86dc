/// \file
/// /proc, CPU clocks of other processes, and their sockets through pidfd_getfd(2).

#include "harness/proc.hpp"

#include "harness/pidfd.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

namespace harness {
namespace {

namespace fs = std::filesystem;

constexpr unsigned o_cloexec = 02000000; // in fdinfo, in octal

/// A line "Name:   1234 kB" of a file of /proc, in bytes.
std::int64_t kilobytes(const std::string& text, const std::string& name) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(name)) return std::stoll(line.substr(name.size())) * 1024;
    throw failure("no " + name + " in /proc");
}

std::string read_file(const std::string& path) {
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

bool is_close_on_exec(pid_t pid, int number) {
    std::istringstream lines(read_file(fmt::format("/proc/{}/fdinfo/{}", pid, number)));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("flags:"))
            return (std::stoul(line.substr(6), nullptr, 8) & o_cloexec) != 0;
    return false;
}

/// Entries of a directory under /proc/PID that are numbers.
std::vector<int> numbers_in(pid_t pid, const char* directory) {
    std::vector<int> numbers;
    for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/{}", pid, directory)))
        numbers.push_back(std::stoi(entry.path().filename().string()));
    return numbers;
}

} // namespace

std::chrono::nanoseconds cpu_time(pid_t pid) {
    clockid_t clock{};
    errno = ::clock_getcpuclockid(pid, &clock);
    check(errno == 0 ? 0 : -1, "clock_getcpuclockid");
    timespec used{};
    check(::clock_gettime(clock, &used), "clock_gettime");
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::chrono::nanoseconds waited_for_cpu(pid_t pid) {
    std::chrono::nanoseconds sum{};
    for (const int thread : numbers_in(pid, "task")) {
        std::istringstream fields(
            read_file(fmt::format("/proc/{}/task/{}/schedstat", pid, thread)));
        std::int64_t used = 0, waited = 0;
        if (fields >> used >> waited) sum += std::chrono::nanoseconds(waited);
    }
    return sum;
}

double cpu_meter::share() const {
    const std::chrono::duration<double> used = cpu_time(pid_) - used_;
    const std::chrono::duration<double> passed = steady::now() - since_;
    return used / passed;
}

double cpu_meter::demand() const {
    const std::chrono::duration<double> waited = waited_for_cpu(pid_) - waited_;
    const std::chrono::duration<double> passed = steady::now() - since_;
    return share() + std::max(waited / passed, 0.0); // threads that have ended count no more
}

bool wants_cpu(pid_t pid) {
    return std::ranges::any_of(numbers_in(pid, "task"), [pid](int thread) {
        const auto stat = read_file(fmt::format("/proc/{}/task/{}/stat", pid, thread));
        return stat.substr(stat.rfind(')') + 1).starts_with(" R"); // behind its name
    });
}

void expect_rest(pid_t pid, double share, const std::function<void()>& meanwhile) {
    double least = std::numeric_limits<double>::infinity();
    for (int span = 0; span < 5; ++span) {
        const cpu_meter meter(pid);
        meanwhile();
        const double used = meter.share();
        const double demand = meter.demand();
        // A process that spins uses its part of a busy machine's cores. One that wakes up now and
        // then waits long for a core as well, but uses it for microseconds.
        const bool spins = (demand > 0.5 && used > demand / 50) || wants_cpu(pid);
        least = std::min(least, spins ? std::max(demand, share) : used);
        if (least < share) return;
    }
    throw failure(fmt::format("it never rests: uses {:.1f} % of a core or more", least * 100));
}

memory_use memory(pid_t pid) {
    const auto text = read_file(fmt::format("/proc/{}/smaps_rollup", pid));
    return {kilobytes(text, "Rss:"), kilobytes(text, "Anonymous:")};
}

std::size_t thread_count(pid_t pid) {
    return numbers_in(pid, "task").size();
}

std::size_t descriptor_count(pid_t pid) {
    return numbers_in(pid, "fd").size();
}

bool comes_back_to(std::size_t count, pid_t pid, milliseconds limit) {
    auto least = descriptor_count(pid);
    const auto fewer = [&] { return descriptor_count(pid) < least; };
    while (least > count && wait_for(fewer, limit)) least = std::min(least, descriptor_count(pid));
    return least <= count;
}

std::vector<descriptor> descriptors(pid_t pid) {
    std::vector<descriptor> all;
    for (const int number : numbers_in(pid, "fd")) {
        std::error_code gone; // closed since the directory was read
        const auto link = fs::read_symlink(fmt::format("/proc/{}/fd/{}", pid, number), gone);
        if (!gone) all.push_back({number, link.string(), is_close_on_exec(pid, number)});
    }
    return all;
}

unique_fd borrow(pid_t pid, int number) {
    return take_descriptor(open_process(pid), number);
}

namespace {

/// All sockets of a process. One that is closed while we look, as a client's that has just left,
/// is not there; its number may even be another file's by then.
std::vector<unique_fd> sockets(pid_t pid) {
    std::vector<unique_fd> found;
    for (const auto& each : descriptors(pid)) {
        if (!each.is_socket()) continue;
        try {
            auto socket = borrow(pid, each.number);
            struct stat what {};
            if (::fstat(socket.get(), &what) == 0 && S_ISSOCK(what.st_mode))
                found.push_back(std::move(socket));
        } catch (const std::system_error& gone) {
            if (gone.code() != std::errc::bad_file_descriptor) throw;
        }
    }
    return found;
}

} // namespace

std::vector<unique_fd> listeners(pid_t pid) {
    auto found = sockets(pid);
    std::erase_if(found, [](const unique_fd& socket) {
        return socket_option(socket.get(), SOL_SOCKET, SO_ACCEPTCONN) == 0;
    });
    return found;
}

std::optional<unique_fd> server_end(pid_t pid, const endpoint& peer) {
    for (auto& socket : sockets(pid)) {
        endpoint other;
        other.length = sizeof other.storage;
        if (::getpeername(socket.get(), other.get(), &other.length) != 0) continue;
        // An IPv4 client of an IPv6 socket has an IPv6 address; its port tells it on loopback.
        if (other == peer || (other.family() != AF_UNIX && other.port() == peer.port()))
            return std::move(socket);
    }
    return std::nullopt;
}

int socket_option(int fd, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    check(::getsockopt(fd, level, name, &value, &size), "getsockopt");
    return value;
}

std::uint32_t backlog(int listener) {
    tcp_info info{};
    socklen_t size = sizeof info;
    check(::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size), "getsockopt");
    return info.tcpi_sacked; // of a listener: the limit; tcpi_unacked is how many wait
}

std::uint32_t packets_in_flight(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    check(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "getsockopt");
    return info.tcpi_unacked;
}

queued kernel_queues(int fd) {
    int to_read = 0, to_send = 0;
    check(::ioctl(fd, SIOCINQ, &to_read), "SIOCINQ");
    check(::ioctl(fd, SIOCOUTQ, &to_send), "SIOCOUTQ");
    return {static_cast<std::uint64_t>(to_read), static_cast<std::uint64_t>(to_send)};
}

} // namespace harness
