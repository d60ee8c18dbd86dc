/// \file
/// Counts the CPUs, and finds the quota in the cgroup's files, top-down.

#include "usable_cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

namespace stage5 {
namespace {

std::string read_file(const std::string& name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Reads a quota as a number of CPUs.
/// \param text "50000 100000": microseconds of CPU time per period; "max" or -1: no quota
std::optional<double> parse_quota(const std::string& text) {
    std::istringstream numbers(text);
    double quota = 0;
    double period = 0;
    if (!(numbers >> quota >> period) || quota <= 0 || period <= 0) return {};
    return quota / period;
}

/// True if `list` contains "cpu", the controller of CPU time: "cpu,cpuacct".
bool has_cpu(const std::string& list) {
    return ("," + list + ",").contains(",cpu,");
}

} // namespace

unsigned usable_cpus() {
    cpu_set_t allowed;
    const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0; // up to 1024 CPUs
    const auto cpus = known ? static_cast<unsigned>(CPU_COUNT(&allowed))
                            : std::thread::hardware_concurrency();
    return std::max(1U, limit_to_quota(cpus, cpu_quota(read_file("/proc/self/cgroup"), read_file)));
}

unsigned limit_to_quota(unsigned cpus, std::optional<double> quota) {
    if (!quota || *quota >= cpus) return cpus;
    return std::min(cpus, std::max(2U, static_cast<unsigned>(std::ceil(*quota))));
}

std::optional<double> cpu_quota(std::string_view groups,
                                const std::function<std::string(const std::string&)>& read) {
    std::istringstream lines{std::string(groups)};
    std::string version, controllers, path, unified;
    while (std::getline(lines, version, ':') && std::getline(lines, controllers, ':') &&
           std::getline(lines, path)) {
        if (version == "0") unified = path;
        if (!has_cpu(controllers)) continue;
        const auto directory = "/sys/fs/cgroup/cpu" + path; // cgroup v1
        return parse_quota(read(directory + "/cpu.cfs_quota_us") + " " +
                           read(directory + "/cpu.cfs_period_us"));
    }
    return parse_quota(read("/sys/fs/cgroup" + unified + "/cpu.max"));
}

} // namespace stage5
