#pragma once
/// \file
/// How many threads are useful when `--threads` is left out. The process may not be allowed to use
/// all CPUs (taskset), and a container has only a share of their time. Looks once, and only at the
/// innermost cgroup. Go: runtime.defaultGOMAXPROCS, as of Go 1.25.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace stage5 {

/// Returns the number of CPUs that this process may use, limited by its cgroup's quota; at least 1.
unsigned usable_cpus();

/// Returns `cpus`, or the quota rounded up if that is less, but not below 2.
/// Go: adjustCgroupGOMAXPROCS
unsigned limit_to_quota(unsigned cpus, std::optional<double> quota);

/// Finds the quota of a cgroup, in CPUs.
/// \param groups the text of /proc/self/cgroup
/// \param read returns a file's text, or an empty one if the file can't be read
/// \return the quota, or nothing if there is none or if the text is not understood
std::optional<double> cpu_quota(std::string_view groups,
                                const std::function<std::string(const std::string&)>& read);

} // namespace stage5
