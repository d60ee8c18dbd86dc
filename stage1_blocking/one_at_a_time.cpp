/// \file
/// The simplest server, and why it is not enough: it has one thread, so while it sleeps in read()
/// for one client it cannot accept the next.

#include "log.hpp"
#include "net/listen.hpp"
#include "options.hpp"
#include "syscall/socket.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <vector>

using namespace stage1;

int main(int argc, char** argv) {
    const auto options = parse_options(argc, argv);
    if (!options) return options.error();
    const auto listener = listen(options->listen);
    if (!listener) {
        log("{}", listener.error().message());
        return 1;
    }
    std::puts(fmt::format("listening on {}", listener->name()).c_str());
    std::fflush(stdout);

    std::vector<char> buffer(4096);
    // [one_at_a_time]
    while (const auto client = accept(listener->fd.get())) {
        while (true) {
            const auto n = read(client->fd.get(), buffer); // sleeps, and the next client waits
            if (!n || *n == 0) break;
            if (!write(client->fd.get(), std::span(buffer).first(*n))) break;
        }
    }
    // [one_at_a_time]
    return 0;
}
