/// \file
/// Starting servers, and knowing when they listen.

#include "harness/server.hpp"

#include "harness/tested_build.hpp"

#include <fmt/format.h>

namespace harness {
namespace {

const milliseconds listens_within = std::chrono::seconds(10) * patience;

bool takes_connections(const endpoint& to) {
    try {
        dial(to, milliseconds(200));
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

} // namespace

failure server::not_listening() {
    const auto ended = wait_exit(milliseconds(500)); // its output may end a little before it
    return failure(fmt::format("the server did not listen ({}); it printed:\n{}{}",
                               ended ? ended->to_string() : "it still runs", out(), err()));
}

std::unique_ptr<server> server::ours(const std::string& path, std::vector<std::string> arguments,
                                     const std::string& listen, const child_options& options) {
    arguments.insert(arguments.begin(), {path, "--listen", listen});
    std::unique_ptr<server> started(new server(arguments, options));
    if (options.no_standard_streams) { // it can't tell; the caller has chosen the port
        started->address_ = listen;
        if (!wait_for([&] { return takes_connections(started->where()); }, listens_within))
            throw started->not_listening();
        return started;
    }
    const auto address = started->wait_line("listening on ", listens_within);
    if (!address) throw started->not_listening();
    started->address_ = *address;
    return started;
}

std::unique_ptr<server> server::foreign(const std::string& command, const child_options& options) {
    const std::string place = "{port}";
    const auto port = free_port();
    std::string line = "exec " + command;
    for (auto at = line.find(place); at != std::string::npos; at = line.find(place))
        line.replace(at, place.size(), std::to_string(port));
    std::unique_ptr<server> started(new server({"/bin/sh", "-c", line}, options));
    started->address_ = fmt::format("127.0.0.1:{}", port);
    const auto ready = [&] { return takes_connections(started->where()) || !started->running(); };
    if (!wait_for(ready, listens_within) || !started->running()) throw started->not_listening();
    return started;
}

endpoint server::where() const {
    return address_.starts_with("[::]:") ? loopback4(port()) : parse_endpoint(address_);
}

ending server::stop(int number, milliseconds limit) {
    signal(number);
    auto ended = wait_exit(limit);
    if (!ended && tested_build().sanitizer == "thread") { // stage 1 may not hear it: see tests/tsan
        signal(number);
        ended = wait_exit(limit);
    }
    if (!ended)
        throw failure(
            fmt::format("the server still runs {} ms after signal {}", limit.count(), number));
    return *ended;
}

} // namespace harness
