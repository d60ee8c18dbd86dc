/// \file
/// "简单的TCP Server的例子" of Tcp服务端源码: reads all that a client sends until it ends, and logs
/// its length and its text. README.md in this directory compares it line by line.

#include "../net/conn.hpp"
#include "../net/listener.hpp"
#include "../program.hpp"
#include "../runtime/task.hpp"

#include <string>
#include <utility>

using namespace stage5;

namespace {

task<> handle_connection(net::conn c) {
    fmt_printf("Serving {}\n", c.remote_addr().to_string());

    while (true) {
        // Reads what has been sent from the client.
        const auto net_data = co_await read_all(c);
        if (!net_data) {
            log_println(net_data.error().message());
            co_return;
        }

        if (net_data->empty()) {
            break;
        } else { // NOLINT(readability-else-after-return): as in the article
            log_println(net_data->size());
            log_printf("{}\n", *net_data);
        }
    }
    static_cast<void>(co_await c.close());
}

task<> go_main(std::string address) {
    // Creates a listening socket.
    const auto l = net::listen("tcp", address); // the last copy closes it: defer l.Close()
    if (!l) log_fatal(l.error().message());

    while (true) {
        // Accepts new connections.
        auto c = co_await l->accept();
        if (!c) {
            log_println(c.error().message());
            co_return;
        }

        // Processes the newly accepted connection.
        go(handle_connection(*std::move(c)));
    }
}

} // namespace

int main(int argc, char** argv) {
    run_main(go_main(argc > 1 ? argv[1] : "0.0.0.0:7099"));
}
