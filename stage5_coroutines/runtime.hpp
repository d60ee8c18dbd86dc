#pragma once
/// \file
/// What a Go program has without asking for it: a runtime that is there before its main begins and
/// goes with it, and a log that knows the time. The articles' programs and the client start here.
///
/// Signals keep their default actions, which are what Go does: SIGINT and SIGTERM end the process,
/// and so does SIGPIPE, for a standard output that nobody reads; sockets ask for no signal.

#include "log.hpp"
#include "net.hpp"
#include "scheduler.hpp"
#include "task.hpp"
#include "unique_fd.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <exception>
#include <expected>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace stage5 {

/// Ends the process at once, whoever else runs or sleeps in it. Go: os.Exit
[[noreturn]] inline void exit_process(int status) {
    std::fflush(stdout);
    ::_exit(status);
}

/// Writes all of it to standard output or standard error, without another goroutine's bytes in
/// between. Sleeps while a non-blocking one is full. Go: os.File.Write
/// \return false, with errno, if it fails
inline bool write_all(int fd, std::span<const char> bytes) {
    static std::mutex writing;
    const std::scoped_lock lock(writing);
    while (!bytes.empty()) {
        const auto n = ::write(fd, bytes.data(), bytes.size());
        pollfd room{fd, POLLOUT, 0};
        if (n >= 0)
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        else if (errno == EAGAIN)
            ::poll(&room, 1, -1);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

/// Prints to standard output. Ignores errors, as the articles' programs do with those that Go's
/// fmt.Printf returns: the clients are served even if nothing can be printed. Go: fmt.Printf
template <typename... Args>
void fmt_printf(fmt::format_string<Args...> format, Args&&... args) {
    write_all(STDOUT_FILENO, fmt::format(format, std::forward<Args>(args)...));
}

/// For what must not happen. Go: panic, without the stacks
[[noreturn]] inline void panic(const std::string& why) {
    log("panic: {}", why);
    exit_process(2);
}

/// Prints to standard error, "2024/01/09 14:47:49 " in front, and a newline if it has none. Ignores
/// errors. Go: log.Printf
template <typename... Args>
void log_printf(fmt::format_string<Args...> format, Args&&... args) {
    std::array<char, sizeof "2024/01/09 14:47:49 "> when{};
    const std::time_t seconds = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::strftime(when.data(), when.size(), "%Y/%m/%d %H:%M:%S ", &local);
    auto text = when.data() + fmt::format(format, std::forward<Args>(args)...);
    if (!text.ends_with('\n')) text += '\n';
    write_all(STDERR_FILENO, text);
}

/// Go: log.Println
template <typename What>
void log_println(const What& what) {
    log_printf("{}\n", what);
}

/// Go: log.Fatal
[[noreturn]] inline void log_fatal(const std::string& why) {
    log_println(why);
    exit_process(1);
}

/// All that comes until the end of the stream, however much that is. Go: ioutil.ReadAll
inline task<std::expected<std::string, net::error>> read_all(net::conn from) {
    std::string all;
    while (true) {
        const auto some = co_await from.read();
        if (!some) co_return std::unexpected(some.error());
        if (some->empty()) co_return all;
        all.append(some->data(), some->size());
    }
}

/// run_main's, so that the process ends with its main.
inline task<> run_and_exit(task<> program) {
    try {
        co_await std::move(program);
    } catch (const std::exception& thrown) {
        panic(thrown.what());
    } catch (...) {
        panic("something that is no std::exception");
    }
    exit_process(0);
}

/// Runs a task as Go runs main: on a scheduler with a thread for each core, and when it ends, the
/// process does. What is printed goes out at once. Go: runtime.main
[[noreturn]] inline void run_main(task<> program) {
    open_standard_descriptors();
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    const auto runtime = scheduler::make(0);
    if (!runtime) log_fatal(runtime.error().message());
    go(run_and_exit(std::move(program)));
    (*runtime)->run(); // nobody stops it: exit_process() ends us
    exit_process(0);
}

} // namespace stage5
