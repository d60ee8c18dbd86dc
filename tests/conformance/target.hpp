#pragma once
/// \file
/// Which server the cases are run against, and what may be asked of it. The one place that knows
/// how the stages differ from each other in what a client sees.

#include "harness/server.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conformance {

/// What a server can do beyond what all must.
struct abilities {
    std::size_t clients = 1000; ///< as many at once as it must hold
    bool rests = true;          ///< uses no processor time while nothing happens
    bool shows_memory = true;   ///< what the kernel says of its memory is the server's own
    bool hears_signals = true;  ///< a signal's handler runs at once
    bool has_wait = false;      ///< --wait
    bool has_timeouts = false;  ///< --idle-timeout and --write-timeout
    bool has_trace = false;     ///< --trace
};

/// The server under test.
struct target {
    std::string path;                   ///< our server's program; empty: somebody else's
    std::vector<std::string> arguments; ///< for ours, in front of those of a case
    std::string command;                ///< somebody else's, with "{port}"
    abilities can;

    [[nodiscard]] bool is_ours() const { return command.empty(); }
};

/// Set once, by main, before any case runs.
target& under_test();

/// \return our stage `number` ("1" to "5"), with what it can do when it is started with `arguments`
/// \throws harness::failure for a number there is no stage of
target our_stage(const std::string& number, std::vector<std::string> arguments);

/// A program that knows all options of ours.
target like_ours(std::string path, std::vector<std::string> arguments);

/// Somebody else's server.
target somebody_elses(std::string command);

/// Starts the server under test.
std::unique_ptr<harness::server> start(const harness::child_options& options = {});

/// Starts ours with further arguments.
std::unique_ptr<harness::server> start_with(const std::string& arguments,
                                            const std::string& listen = "127.0.0.1:0",
                                            const harness::child_options& options = {});

/// Runs ours with arguments that do not let it listen, to its end.
struct outcome {
    harness::ending ended;
    std::string out, err;
};
outcome run_with(const std::vector<std::string>& arguments);

/// True if the memory of the server under test can be measured; otherwise says that it can't.
bool shows_memory();

/// Says aloud, on standard output, that a case is left out, and why.
void leave_out(const std::string& why);

} // namespace conformance
