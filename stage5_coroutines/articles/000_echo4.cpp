/// \file
/// TcpServer.go of 从源码角度看Golang的TCP Socket(epoll)实现: echoes four bytes at a time, and
/// prints what it got and what it sent. README.md in this directory compares it line by line.

#include "../net/conn.hpp"
#include "../net/listener.hpp"
#include "../program.hpp"
#include "../runtime/task.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

using namespace stage5;

namespace {

task<> handle_connection(net::conn conn) { // the last copy closes it: defer conn.Close()
    std::array<char, 4> body{};
    const std::string_view text(body.data(), body.size());
    const auto addr = conn.remote_addr().to_string();
    while (true) {
        // Reads. The article ignores how many bytes came, and so does this program.
        const auto n = co_await conn.read(body);
        if (n.value_or(0) == 0) break;
        fmt_printf("收到{}消息: {}\n", addr, text);
        // Answers.
        const auto written = co_await conn.write(body);
        if (!written) break;
        fmt_printf("发送给{}: {}\n", addr, text);
    }
    fmt_printf("与{}断开!\n", addr);
}

task<> go_main(std::string address) {
    const auto ln = net::listen("tcp", address);
    if (!ln) panic(ln.error().message());
    while (true) {
        auto conn = co_await ln->accept();
        if (!conn) panic(conn.error().message());
        // A goroutine for each client.
        go(handle_connection(*std::move(conn)));
    }
}

} // namespace

int main(int argc, char** argv) {
    run_main(go_main(argc > 1 ? argv[1] : ":8080"));
}
