/// \file
/// echo_check: the ladder, which judges any echo server. `./dev check` builds and calls it.
///
///     echo_check 'python3 echo.py {port}'
///     echo_check --rung 4 --json './server --listen 127.0.0.1:{port}'
///     echo_check localhost:8080

#include "check/command_line.hpp"
#include "check/report.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace {

using namespace check;

/// As Go and the C library do: the first of three variables that is set decides.
bool wants_chinese() {
    for (const auto* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
        const char* const value = std::getenv(name);
        if (value != nullptr && *value != '\0') return std::string_view(value).starts_with("zh");
    }
    return false;
}

/// 900 clients need 900 descriptors. The server inherits the limit.
void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 4096));
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What our own parent left open must not look like a server's descriptor.
void keep_inherited_descriptors() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int fd = std::stoi(entry.path().filename().string());
        if (fd > STDERR_FILENO) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

/// The server is in a process group of its own, which a terminal's Ctrl-C does not reach.
extern "C" void end_all(int) {
    kill_what_runs();
    ::_exit(130);
}

result climb(const orders& asked, int number, const rung& which) {
    result one{.number = number, .which = &which};
    if (which.needs_the_process && asked.runs_already) {
        one.became = outcome::left_out;
        return one;
    }
    const auto server = asked.runs_already ? subject::running_at(asked.server)
                                           : subject::start(asked.server);
    const auto since = harness::steady::now();
    scene now(*server);
    try {
        which.climb(now);
    } catch (const std::exception&) {
        one.became = outcome::failed;
        one.sent = now.sent();
        one.came_back = seen(now);
    }
    one.seconds = std::chrono::duration<double>(harness::steady::now() - since).count();
    return one;
}

int climb_all(const orders& asked) {
    const report told(asked.json);
    std::vector<result> results;
    bool failed = false;
    int number = 0;
    for (const auto& which : ladder()) {
        ++number;
        if (asked.only && *asked.only != number) continue;
        told.begin(number, which);
        results.push_back(climb(asked, number, which));
        told.end(results.back());
        failed = failed || results.back().became == outcome::failed;
        if (failed && !asked.all) break;
    }
    const bool stopped = failed && !asked.all && !asked.only;
    told.finish(asked.server, results, stopped);
    return failed ? 1 : 0;
}

} // namespace

int main(int count, char** words) {
    chinese = wants_chinese();
    try {
        const auto asked = read_orders({words + 1, static_cast<std::size_t>(count - 1)});
        if (asked.help) {
            std::fputs(usage().c_str(), stdout);
            return 0;
        }
        raise_descriptor_limit();
        keep_inherited_descriptors();
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, end_all);
        return climb_all(asked);
    } catch (const std::exception& error) { // misuse, no_server, or a system without /proc
        fmt::print(stderr, "check: {}\n", error.what());
        return 2;
    }
}
