/// \file
/// CLI11 knows options; here is which of them go together.

#include "load/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <map>

namespace bench {
namespace {

struct seconds_read {
    double warm_up = 0.3, duration = 1, timeout = 0;
};

nanotime nanoseconds(double seconds) {
    return std::llround(seconds * 1e9);
}

/// True if a time is at least `least` and at most an hour; false for "nan".
bool is_within(double seconds, double least) {
    return seconds >= least && seconds <= 3600;
}

/// What is wrong with options that are right one by one; empty if nothing is.
std::string complaint(const options& read) {
    if (read.address.empty() == read.server.empty()) return "give either --address or --server";
    if (read.pid && !read.server.empty()) return "--pid goes with --address";
    if (read.mode == mode::silent && read.timeout == 0)
        return "--mode silent needs the server's --timeout";
    if (read.mode == mode::flood && read.window < read.size)
        return "--window must hold at least one message of --size";
    return "";
}

const std::map<std::string, mode> modes{{"closed", mode::closed},
                                        {"flood", mode::flood},
                                        {"rate", mode::rate},
                                        {"churn", mode::churn},
                                        {"silent", mode::silent}};

void add_options(CLI::App& app, options& read, seconds_read& seconds) {
    const auto time = CLI::AsNumberWithUnit(
        std::map<std::string, double>{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}});
    app.add_option("-a,--address", read.address, "where a server listens: 127.0.0.1:8080");
    app.add_option("-p,--pid", read.pid, "that server's process, whose time and memory count");
    app.add_option("-s,--server", read.server, "start this one: './server --listen :{port}'");
    app.add_option("-m,--mode", read.mode_name, "closed, flood, rate, churn or silent [closed]")
        ->check(CLI::IsMember(modes));
    app.add_option("-c,--connections", read.connections, "busy connections [64]")
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("-i,--idle", read.idle, "idle ones beside, each after one echo [0]")
        ->check(CLI::Range(0, 2'000'000));
    app.add_option("-b,--size", read.size, "bytes of a message [64]")
        ->check(CLI::Range(1, 16 << 20));
    app.add_option("-w,--window", read.window, "flood: bytes in flight a connection [65536]")
        ->check(CLI::Range(1, 64 << 20));
    app.add_option("-r,--rate", read.rate, "rate: messages a second in all [10000]")
        ->check(CLI::Range(0.1, 1e8));
    app.add_option("--timeout", seconds.timeout, "silent: the server's idle timeout")
        ->transform(time);
    app.add_option("--warm-up", seconds.warm_up, "not counted: 300ms [300ms]")->transform(time);
    app.add_option("-d,--duration", seconds.duration, "counted: 1s, 1500ms [1s]")->transform(time);
}

} // namespace

std::expected<options, int> parse_options(int argc, const char* const* argv) {
    options read;
    seconds_read seconds;
    CLI::App app{"Drives an echo server of this machine and prints one JSON object.",
                 "load_generator"};
    add_options(app, read, seconds);
    try {
        app.parse(argc, argv);
        if (!is_within(seconds.duration, 0.001))
            throw CLI::ValidationError("--duration", "must be between 1ms and 60m");
        if (!is_within(seconds.warm_up, 0))
            throw CLI::ValidationError("--warm-up", "must be between 0s and 60m");
        if (!is_within(seconds.timeout, 0))
            throw CLI::ValidationError("--timeout", "must be between 0s and 60m");
        read.mode = modes.at(read.mode_name);
        read.warm_up = nanoseconds(seconds.warm_up);
        read.duration = nanoseconds(seconds.duration);
        read.timeout = nanoseconds(seconds.timeout);
        if (const auto wrong = complaint(read); !wrong.empty())
            throw CLI::ValidationError("options", wrong);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return std::unexpected(app.exit(error));
        fmt::print(stderr, "load_generator: {} (see --help)\n", error.what());
        return std::unexpected(2);
    }
    return read;
}

} // namespace bench
