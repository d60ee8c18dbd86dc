#pragma once
/// \file
/// How many threads make sense when `--threads` is left out. A machine has CPUs that the process
/// may not use (taskset), and a container has a share of their time. Go: runtime.defaultGOMAXPROCS,
/// as of Go 1.25, once and for the innermost cgroup.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace stage5 {

/// The number of CPUs that this process may use, and no more than its cgroup's quota pays for; at
/// least 1.
unsigned usable_cpus();

/// Lowers `cpus` to a cgroup's quota, rounded up, and not below 2. Go: adjustCgroupGOMAXPROCS
unsigned limit_to_quota(unsigned cpus, std::optional<double> quota);

/// Finds the quota of a cgroup, in CPUs.
/// \param groups what /proc/self/cgroup says
/// \param read gives a file's text, or an empty one for a file that can't be read
/// \return the quota, or nothing if there is none or if the text is not understood
std::optional<double> cpu_quota(std::string_view groups,
                                const std::function<std::string(const std::string&)>& read);

} // namespace stage5
