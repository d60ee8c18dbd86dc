/// \file
/// Memory that ends at any point of what stage 4's server does.

#include "harness/catch.hpp"
#include "stage4_epoll_et/server.hpp"
#include "stage4_epoll_et/signals.hpp"
#include "stages/allocations.hpp"
#include "stages/serve_without_memory.hpp"

#include <chrono>
#include <functional>
#include <utility>

using namespace std::chrono_literals;
using allocations::how_often;

namespace {

auto listen() {
    return stage4::listen({"tcp", "127.0.0.1", 0});
}

auto serve(stage4::listener at, const std::function<void()>& ready) {
    stage4::options how;
    how.idle_timeout = 10s;
    how.write_timeout = 10s;
    return stage4::serve(std::move(at), how, ready);
}

long fail_everywhere(how_often how) {
    return without_memory::fail_everywhere(listen, serve, stage4::request_stop, how);
}

} // namespace

TEST_CASE("stage4: wherever the server's memory ends, it goes on, and ends when it is told to") {
    CHECK(fail_everywhere(how_often::from_then_on) > 3);
}

TEST_CASE("stage4: wherever a single allocation of the server fails, other clients are served") {
    CHECK(fail_everywhere(how_often::once) > 3);
}
