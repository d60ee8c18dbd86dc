/// \file
/// Stage 5's server as it is, and a thread beside it that writes down how many coroutine frames
/// and connections there are: a 64-bit number at the beginning of the file that FRAMES names, ten
/// times a second. For the soak.

#include "stage5_coroutines/log.hpp"
#include "stage5_coroutines/net/listen.hpp"
#include "stage5_coroutines/options.hpp"
#include "stage5_coroutines/runtime/frame_cache.hpp"
#include "stage5_coroutines/server.hpp"
#include "stage5_coroutines/signals.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stop_token>
#include <thread>

using namespace stage5;

namespace {

void count_frames(const std::stop_token& over) {
    const char* const path = std::getenv("FRAMES");
    if (path == nullptr) return;
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (!over.stop_requested()) {
        const std::int64_t count = frame_cache::live();
        if (::pwrite(fd, &count, sizeof count, 0) != sizeof count) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    ::close(fd);
}

} // namespace

int main(int argc, char** argv) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    end_on_stop_signals();
    const auto options = parse_options(argc, argv);
    if (!options) return options.error();
    auto listener = listen(options->listen);
    if (!listener) {
        log("{}", listener.error().message());
        return 1;
    }
    const std::jthread counter(count_frames);
    const auto announce = [line = fmt::format("listening on {}", listener->name())] {
        std::puts(line.c_str());
        std::fflush(stdout);
    };
    const auto served = serve(std::move(*listener), *options, announce);
    if (!served) log("{}", served.error().message());
    return served ? 0 : 1;
}
