/// \file
/// How many threads run where --threads is left out: text as the kernel writes it, and the CPUs
/// that the process may use.

#include "harness/catch.hpp"
#include "stage5_coroutines/runtime/usable_cpus.hpp"

#include <sched.h>

#include <map>

using namespace stage5;

namespace {

using files = std::map<std::string, std::string>;

std::optional<double> quota(const std::string& groups, const files& there) {
    return cpu_quota(groups, [&](const std::string& name) {
        const auto found = there.find(name);
        return found == there.end() ? "" : found->second;
    });
}

} // namespace

TEST_CASE("stage5 cpus: a quota lowers them, rounded up, but not below two") {
    CHECK(limit_to_quota(8, {}) == 8);
    CHECK(limit_to_quota(8, 2.5) == 3);
    CHECK(limit_to_quota(8, 3.0) == 3);
    CHECK(limit_to_quota(8, 0.1) == 2);
    CHECK(limit_to_quota(1, 0.1) == 1);
    CHECK(limit_to_quota(4, 1e12) == 4);
}

TEST_CASE("stage5 cpus: the quota of cgroup v2 is in cpu.max") {
    const std::string name = "/sys/fs/cgroup/a/b.slice/cpu.max";
    CHECK(quota("0::/a/b.slice\n", {{name, "150000 100000\n"}}) == 1.5);
    CHECK(quota("0::/\n", {{"/sys/fs/cgroup//cpu.max", "50000 100000\n"}}) == 0.5);
    for (const auto* none : {"max 100000\n", "", "100000\n", "x y\n", "1 0\n", "-1 100000\n"})
        CHECK_FALSE(quota("0::/a/b.slice\n", {{name, none}}));
    CHECK_FALSE(quota("", {{name, "150000 100000\n"}}));
}

TEST_CASE("stage5 cpus: the quota of cgroup v1 is in two files, and comes first") {
    const files there{{"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n"},
                      {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"},
                      {"/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "-1\n"},
                      {"/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "100000\n"}};
    CHECK(quota("12:cpuset:/c\n4:cpu,cpuacct:/a\n0::/d\n", there) == 3);
    CHECK(quota("0::/d\n4:cpuacct,cpu:/a:x\n", there) == std::nullopt); // another directory
    CHECK(quota("4:cpu:/b\n", there) == std::nullopt);
}

TEST_CASE("stage5 cpus: only those count that the process may use") {
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(usable_cpus() == 1);
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
    CHECK(usable_cpus() >= 1);
    CHECK(usable_cpus() <= static_cast<unsigned>(CPU_COUNT(&before)));
}
