/// \file
/// Exercise 5.4: passes on what it gets to another server, and back: proxy LISTEN ADDRESS.

#include "net/conn.hpp"
#include "net/dial.hpp"
#include "net/listener.hpp"
#include "program.hpp"
#include "runtime/task.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

using namespace stage5;

namespace {

/// One direction. The end of a stream is passed on, too; the other direction may still be in use.
task<> pass_on(net::conn from, net::conn to) {
    while (true) {
        const auto some = co_await from.read();
        if (!some) break;
        if (some->empty()) {
            static_cast<void>(to.close_write());
            co_return;
        }
        if (!co_await to.write(*some)) break;
    }
    from.close_now(); // an error ends both directions
    to.close_now();
}

task<> handle(net::conn client, std::string behind) {
    const auto server = co_await net::dial("tcp", behind);
    if (!server) {
        log_printf("{}", server.error().message());
        co_return; // the last copy of client goes away, and closes it
    }
    go(pass_on(client, *server));
    go(pass_on(*server, client));
}

task<> proxy(std::string address, std::string behind) {
    const auto listener = net::listen("tcp", address);
    if (!listener) panic(listener.error().message());
    fmt::print("listening on {}\n", listener->name());
    while (true) {
        auto client = co_await listener->accept();
        if (!client) panic(client.error().message());
        go(handle(*std::move(client), behind));
    }
}

} // namespace

int main(int count, char** words) {
    if (count != 3) panic("proxy LISTEN ADDRESS");
    run_main(proxy(words[1], words[2]));
}
