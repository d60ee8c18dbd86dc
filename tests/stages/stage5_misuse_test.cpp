/// \file
/// Stage 5 used too early, too late, or twice: each is right, or ends with one line that says what
/// is wrong.

#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/allocations.hpp"
#include "stages/stage5_tools.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using stage5::task;
using stage5::net::conn;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::expect_same;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::tcp_ends;
using stage5_tools::world;

namespace {

/// How a process ended that has only called `what`.
struct ended {
    int status = -1;
    std::string err;

    explicit ended(void (*what)()) {
        std::array<int, 2> pipe{};
        REQUIRE(::pipe(pipe.data()) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::dup2(pipe[1], STDERR_FILENO);
            what();
            ::_exit(99);
        }
        ::close(pipe[1]);
        std::array<char, 1000> text{};
        for (ssize_t n = 0; (n = ::read(pipe[0], text.data(), text.size())) > 0;)
            err.append(text.data(), static_cast<std::size_t>(n));
        ::close(pipe[0]);
        int how = 0;
        ::waitpid(child, &how, 0);
        if (WIFEXITED(how)) status = WEXITSTATUS(how);
    }
};

task<> nothing() {
    co_return;
}

task<> leaves_an_address(int*& where) {
    int local = 1;
    where = &local;
    co_await stage5::sleep_for(1ms);
}

task<> stop_later(stage5::scheduler& which) {
    co_await stage5::sleep_for(10ms);
    which.stop();
}

} // namespace

TEST_CASE("stage5: a coroutine that is started before there is a scheduler ends with a line") {
    const ended early([] { stage5::go(nothing()); });
    CHECK(early.status == 2);
    CHECK(early.err.starts_with("fatal error: no scheduler: "));
    CHECK(early.err.find('\n') == early.err.size() - 1);
}

TEST_CASE("stage5: a second scheduler is refused, and the first one goes on") {
    in_a_world(2, []() -> task<> {
        const auto second = stage5::scheduler::make(2);
        expect(!second, "refused");
        expect_same(second ? "" : second.error().message(),
                    "scheduler::make: device or resource busy");
        co_await stage5::sleep_for(1ms);
        const ends both;
        expect_same(said(co_await both.a.write(std::string_view("x"))), "ok");
    });
    in_a_world(2, []() -> task<> { co_await stage5::sleep_for(1ms); }); // one after the other
}

TEST_CASE("stage5: a scheduler that can't be made leaves the place to the next one") {
    const ended tried([] {
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_NOFILE, &none);
        const auto failed = stage5::scheduler::make(1);
        if (failed) ::_exit(1);
        const auto again = stage5::scheduler::make(1);
        ::_exit(!again && again.error().number == EMFILE ? 0 : 2);
    });
    CHECK(tried.status == 0);
}

TEST_CASE("stage5: a connection that outlives its scheduler is closed, whoever runs then") {
    std::optional<tcp_ends> kept;
    {
        auto runtime = stage5::scheduler::make(1);
        REQUIRE(runtime);
        kept.emplace();
    }
    CHECK(said(kept->a.set_read_deadline(stage5_tools::past))
              .ends_with("use of closed network connection"));
    kept->a.close_now();
    auto next = stage5::scheduler::make(1);
    REQUIRE(next);
    const ends others; // may have the place in the poller that they had
    kept.reset();
    std::array<char, 1> byte{};
    others.a.socket()->with_descriptor([&](int fd) { return ::write(fd, "x", 1) == 1 ? 0 : -1; });
    others.b.socket()->with_descriptor(
        [&](int fd) { return ::read(fd, byte.data(), 1) == 1 ? 0 : -1; });
    CHECK(byte[0] == 'x');
}

TEST_CASE("stage5: what a thread tells a scheduler that is gone is dropped") {
    std::uint16_t number = 0;
    {
        auto runtime = stage5::scheduler::make(1);
        REQUIRE(runtime);
        number = (*runtime)->number();
        bool called = false;
        CHECK(stage5::scheduler::if_exists(number, [&] { called = true; }));
        CHECK(called);
    }
    CHECK_FALSE(stage5::scheduler::if_exists(number, [] { FAIL("called"); }));
    auto next = stage5::scheduler::make(1);
    CHECK_FALSE(stage5::scheduler::if_exists(number, [] { FAIL("called"); }));
}

TEST_CASE("stage5: a sanitizer sees the use of a frame after its coroutine's end") {
    if (!harness::sanitized) {
        WARN("left out: this build has no sanitizer");
        return;
    }
    const ended used([] {
        int* local = nullptr;
        auto runtime = stage5::scheduler::make(1);
        stage5::go(leaves_an_address(local));
        stage5::go(stop_later(**runtime));
        (*runtime)->run();
        ++*local;
        ::_exit(0);
    });
    CHECK_THAT(used.err, harness::contains("heap-use-after-free"));
}

TEST_CASE("stage5: where valgrind watches, each frame comes from operator new") {
    const ended watched([] {
        ::setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so", 1);
        std::thread([] { // the first frame of a thread decides
            constexpr long frames = 10;
            const long before = allocations::count;
            for (long i = 0; i < frames; ++i)
                stage5::frame_cache::release(stage5::frame_cache::allocate(100), 100);
            ::_exit(allocations::count - before == frames ? 0 : 1);
        })
            .join();
    });
    CHECK(watched.status == 0);
}
