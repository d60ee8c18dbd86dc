/// \file
/// Asio's coroutines at their best: a context a thread, told that nobody else runs it (concurrency
/// hint 1), connections dealt out in turn.

#include "peers/peer.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <memory>

namespace {

using tcp = asio::ip::tcp;
// With the executor's type spelled out, there is no virtual call for each operation.
using executor = asio::io_context::executor_type;
using socket_of_tcp = asio::basic_stream_socket<tcp, executor>;
using acceptor_of_tcp = asio::basic_socket_acceptor<tcp, executor>;
using nothing = asio::awaitable<void, executor>;
using contexts = std::vector<std::unique_ptr<asio::io_context>>;

nothing echo(socket_of_tcp socket, std::size_t most) {
    const auto buffer = std::make_unique<char[]>(most);
    std::error_code error;
    while (!error) {
        auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
        const auto space = asio::buffer(buffer.get(), most);
        const std::size_t size = co_await socket.async_read_some(space, token);
        if (error) break;
        co_await asio::async_write(socket, asio::buffer(buffer.get(), size), token);
    }
}

nothing accept(acceptor_of_tcp acceptor, const contexts* all, std::size_t most) {
    for (std::size_t next = 0;; next = (next + 1) % all->size()) {
        asio::io_context& context = *(*all)[next];
        std::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable_t<executor>{}, error);
        socket_of_tcp socket = co_await acceptor.async_accept(context, token);
        if (!error) asio::co_spawn(context, echo(std::move(socket), most), asio::detached);
    }
}

void serve(peer::options& read) {
    contexts all;
    for (unsigned i = 0; i < read.threads; ++i)
        all.push_back(std::make_unique<asio::io_context>(1));
    auto listener = peer::listen_on(read.listen);
    acceptor_of_tcp acceptor(*all[0], tcp::v4(), ::dup(listener.get()));
    peer::say_listening(read.listen);
    asio::co_spawn(*all[0], accept(std::move(acceptor), &all, read.buffer), asio::detached);
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < all.size(); ++i)
        others.emplace_back([context = all[i].get()] {
            const auto work = asio::make_work_guard(*context);
            context->run();
        });
    all[0]->run();
}

} // namespace

int main(int argc, char** argv) {
    return peer::run(argc, argv, "echo: Asio's coroutines", serve);
}
