/// \file
/// The program of 一个简单的go tcp回显服务器示例: echoes lines, through a reader and a writer with
/// buffers. README.md in this directory compares it line by line.

#include "../net/bufio.hpp"
#include "../net/conn.hpp"
#include "../net/listener.hpp"
#include "../program.hpp"
#include "../runtime/task.hpp"
#include "../runtime/time.hpp"

#include <string>
#include <utility>

using namespace stage5;

namespace {

/// Serves a connection.
task<> handle_request(net::conn conn) { // the last copy closes it: defer conn.Close()
    bufio::reader reader(conn);
    bufio::writer writer(conn);

    while (true) {
        // Reads a line. A last line without a newline is what Go reports as io.EOF.
        const auto message = co_await reader.read_line();
        if (message && !message->ends_with('\n')) {
            fmt_printf("Error reading: EOF\n");
            break;
        }
        if (!message) {
            if (!message.error().is_closed())
                fmt_printf("Error reading: {}\n", message.error().message());
            break;
        }

        // Uses the line; here it is just echoed.
        fmt_printf("Message Received:{}", *message);
        static_cast<void>(co_await writer.write(*message));
        static_cast<void>(co_await writer.flush());
    }
}

task<> go_main(std::string address) {
    // Listens at a TCP port.
    const auto listener = net::listen("tcp", address); // closed like conn: defer listener.Close()
    if (!listener) {
        fmt_printf("Error listening: {}\n", listener.error().message());
        exit_process(1);
    }
    fmt_printf("Listening on {}\n", address);

    while (true) {
        // Accepts a new connection.
        auto conn = co_await listener->accept();
        if (!conn) {
            fmt_printf("Error accepting:  {}\n", conn.error().message());
            co_await yield(); // an error may come again and again; Go would preempt this loop
            continue;
        }
        // A new goroutine for each connection.
        go(handle_request(*std::move(conn)));
    }
}

} // namespace

int main(int argc, char** argv) {
    run_main(go_main(argc > 1 ? argv[1] : ":8080"));
}
