#pragma once
/// \file
/// What a Go program has without asking for it: a runtime that starts before main and ends with it,
/// and a log that prints the time. The articles' programs and the client start here.
///
/// Signals keep their default actions, which do what Go does. SIGINT and SIGTERM end the process.
/// So does SIGPIPE, after a write to a standard output whose reader is gone. Writes to sockets
/// raise no signal.

#include "log.hpp"
#include "net/conn.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/task.hpp"
#include "syscall/unique_fd.hpp"

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

/// Ends the process at once, even if other threads and goroutines still run. Go: os.Exit
[[noreturn]] inline void exit_process(int status) {
    std::fflush(stdout);
    ::_exit(status);
}

/// Writes all bytes to standard output or standard error, without another goroutine's bytes in
/// between. Blocks the thread, even if the descriptor is non-blocking. Go: os.File.Write
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

/// Prints to standard output. Ignores errors, as the articles' programs ignore those of Go's
/// fmt.Printf: clients are served even if nothing can be printed. Go: fmt.Printf
template <typename... Args>
void fmt_printf(fmt::format_string<Args...> format, Args&&... args) {
    write_all(STDOUT_FILENO, fmt::format(format, std::forward<Args>(args)...));
}

/// Ends the process because of something that must not happen. Go: panic, without the stacks
[[noreturn]] inline void panic(const std::string& why) {
    log("panic: {}", why);
    exit_process(2);
}

/// Prints to standard error, after "2024/01/09 14:47:49 ". Adds a newline if there is none. Ignores
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

/// Prints a value and a newline to standard error, after the time. Go: log.Println
template <typename What>
void log_println(const What& what) {
    log_printf("{}\n", what);
}

/// Prints the reason as log_println() does, and ends the process. Go: log.Fatal
[[noreturn]] inline void log_fatal(const std::string& why) {
    log_println(why);
    exit_process(1);
}

/// Reads until the end of the stream, without a limit on the size. Go: ioutil.ReadAll
inline task<std::expected<std::string, net::error>> read_all(net::conn from) {
    std::string all;
    while (true) {
        const auto some = co_await from.read();
        if (!some) co_return std::unexpected(some.error());
        if (some->empty()) co_return all;
        all.append(some->data(), some->size());
    }
}

/// Awaits the program of run_main(), and then ends the process.
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

/// Runs a task as Go runs main, on a scheduler with a worker per core. The end of the task ends the
/// process. Standard output is not buffered. Go: runtime.main
[[noreturn]] inline void run_main(task<> program) {
    open_standard_descriptors();
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    const auto runtime = scheduler::make(0);
    if (!runtime) log_fatal(runtime.error().message());
    go(run_and_exit(std::move(program)));
    (*runtime)->run(); // never returns: exit_process() ends the process
    exit_process(0);
}

} // namespace stage5
