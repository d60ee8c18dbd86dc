/// \file
/// libuv at its best: a loop per thread, one buffer per loop, and uv_try_write before a write
/// request is made. Reading stops while a client does not read.

#include "peers/peer.hpp"

#include <uv.h>

#include <array>
#include <memory>

namespace {

thread_local std::array<char, 1 << 20> buffer;
thread_local std::size_t most = 0;

void free_client(uv_handle_t* handle) {
    delete reinterpret_cast<uv_tcp_t*>(handle);
}

void close_client(uv_stream_t* stream) {
    auto* const handle = reinterpret_cast<uv_handle_t*>(stream);
    if (uv_is_closing(handle) == 0) uv_close(handle, free_client);
}

void give_buffer(uv_handle_t*, std::size_t, uv_buf_t* into) {
    *into = uv_buf_init(buffer.data(), static_cast<unsigned>(most));
}

void echo(uv_stream_t* stream, ssize_t count, const uv_buf_t* from);

/// What a client did not take at once, until it does.
struct rest {
    uv_write_t request{};
    std::vector<char> bytes;
};

void rest_is_written(uv_write_t* request, int status) {
    const std::unique_ptr<rest> written(static_cast<rest*>(request->data));
    if (status != 0)
        close_client(request->handle);
    else
        uv_read_start(request->handle, give_buffer, echo);
}

void write_rest(uv_stream_t* stream, const char* bytes, std::size_t size) {
    uv_read_stop(stream);
    auto left = std::make_unique<rest>();
    left->bytes.assign(bytes, bytes + size);
    left->request.data = left.get();
    const uv_buf_t piece = uv_buf_init(left->bytes.data(), static_cast<unsigned>(size));
    if (uv_write(&left->request, stream, &piece, 1, rest_is_written) == 0)
        static_cast<void>(left.release()); // rest_is_written's
    else
        close_client(stream);
}

void echo(uv_stream_t* stream, ssize_t count, const uv_buf_t* from) {
    if (count == 0) return; // EAGAIN
    if (count < 0) return close_client(stream);
    const auto size = static_cast<std::size_t>(count);
    const uv_buf_t all = uv_buf_init(from->base, static_cast<unsigned>(size));
    const int taken = uv_try_write(stream, &all, 1);
    if (taken < 0 && taken != UV_EAGAIN) return close_client(stream);
    const auto sent = static_cast<std::size_t>(std::max(taken, 0));
    if (sent < size) write_rest(stream, from->base + sent, size - sent);
}

void accept(uv_stream_t* listener, int status) {
    if (status != 0) return;
    auto client = std::make_unique<uv_tcp_t>();
    if (uv_tcp_init(listener->loop, client.get()) != 0) return;
    auto* const stream = reinterpret_cast<uv_stream_t*>(client.release()); // free_client's
    if (uv_accept(listener, stream) != 0 || uv_read_start(stream, give_buffer, echo) != 0)
        close_client(stream);
}

void check_uv(int result, const char* call) {
    if (result < 0) throw std::runtime_error(fmt::format("{}: {}", call, uv_strerror(result)));
}

void serve(harness::unique_fd socket, std::size_t size) {
    most = std::min(size, buffer.size());
    uv_loop_t loop{};
    check_uv(uv_loop_init(&loop), "uv_loop_init");
    uv_tcp_t listener{};
    check_uv(uv_tcp_init(&loop, &listener), "uv_tcp_init");
    check_uv(uv_tcp_open(&listener, ::dup(socket.get())), "uv_tcp_open");
    check_uv(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, accept), "uv_listen");
    socket.reset();
    uv_run(&loop, UV_RUN_DEFAULT);
}

} // namespace

int main(int argc, char** argv) {
    return peer::run(argc, argv, "echo: libuv", [](peer::options& read) {
        const auto size = read.buffer;
        peer::run_threads(
            read, [size](harness::unique_fd listener) { serve(std::move(listener), size); });
    });
}
