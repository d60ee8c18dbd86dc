#pragma once
/// \file
/// What the load generator is asked to do.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include <sys/types.h>

namespace bench {

using nanotime = std::int64_t; ///< nanoseconds of the steady clock

/// How the connections behave.
enum class mode {
    closed, ///< one message in flight a connection; the next when its echo is here
    flood,  ///< a window of bytes in flight a connection
    rate,   ///< messages at fixed times, whether or not the echo before is here
    churn,  ///< connect, one echo, close, again
    silent, ///< one echo, then silence: the server's idle timeout is what is measured
};

struct options {
    std::string address; ///< of a server that runs
    std::optional<pid_t> pid;
    std::string server; ///< or the command of one to start, with {port}
    bench::mode mode = bench::mode::closed;
    std::string mode_name = "closed";
    std::size_t connections = 64, idle = 0;
    std::size_t size = 64;
    std::size_t window = 65536; ///< flood: bytes in flight a connection
    double rate = 10'000;       ///< rate: messages a second, of all connections together
    nanotime warm_up = 300'000'000, duration = 1'000'000'000;
    nanotime timeout = 0; ///< silent: the idle timeout that the server was started with
};

/// Reads the command line. \return what to do, or the status to exit with: 0 after --help, 2 for
/// what can't be read, of which one line on standard error tells
std::expected<options, int> parse_options(int argc, const char* const* argv);

} // namespace bench
