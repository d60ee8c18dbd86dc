/// \file
/// Descriptors that coroutines wait for: calls on one side queue up, close ends them all, and the
/// code that waits reads like code that does not.

#include "harness/catch.hpp"
#include "stage5_coroutines/fd.hpp"
#include "stage5_coroutines/frame_cache.hpp"
#include "stage5_coroutines/scheduler.hpp"
#include "stage5_coroutines/task.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using stage5::accept_call;
using stage5::go;
using stage5::io_error;
using stage5::read_call;
using stage5::scheduler;
using stage5::side;
using stage5::sleep_for;
using stage5::task;
using stage5::write_call;

namespace {

/// A scheduler and two connected descriptors in its poller.
struct world {
    explicit world(unsigned threads) : runtime(std::move(*scheduler::make(threads))) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) ==
                0);
        a = *stage5::fd::open(stage5::unique_fd(ends[0]));
        b = *stage5::fd::open(stage5::unique_fd(ends[1]));
    }
    ~world() {
        a.reset(); // before their poller
        b.reset();
    }
    void run() const { runtime->run(); }

    std::unique_ptr<scheduler> runtime;
    std::shared_ptr<stage5::fd> a, b;
};

task<> stop_when(const std::atomic<int>& count, int wanted) {
    while (count != wanted) co_await sleep_for(1ms);
    scheduler::current().stop();
}

task<> count_reason(std::shared_ptr<stage5::fd> from, io_error::reason expected,
                    std::atomic<int>& count) {
    const auto got = co_await read_call(*from);
    if (!got && got.error().why == expected) ++count;
}

} // namespace

TEST_CASE("stage5: what one coroutine writes another reads, all of it and in order") {
    for (const unsigned threads : {1U, 4U}) {
        const world w(threads);
        constexpr std::size_t size = 5'000'000;
        std::string got;
        std::atomic<int> done = 0;
        const auto writes = [](std::shared_ptr<stage5::fd> to, std::atomic<int>& count) -> task<> {
            std::string all(size, '\0');
            for (std::size_t i = 0; i < size; ++i) all[i] = static_cast<char>(i * 7 % 251);
            if (co_await write_call(*to, all)) ++count;
            to->shutdown_write();
        };
        const auto reads = [](std::shared_ptr<stage5::fd> from, std::string& into,
                              std::atomic<int>& count) -> task<> {
            while (true) {
                const auto part = co_await read_call(*from);
                if (!part || part->empty()) break;
                into.append(part->data(), part->size());
            }
            ++count;
        };
        go(writes(w.a, done));
        go(reads(w.b, got, done));
        go(stop_when(done, 2));
        w.run();
        REQUIRE(got.size() == size);
        bool same = true;
        for (std::size_t i = 0; i < size; ++i)
            same = same && got[i] == static_cast<char>(i * 7 % 251);
        CHECK(same);
    }
}

TEST_CASE("stage5: close wakes everyone who waits, inside and in the queue") {
    const world w(4);
    std::atomic<int> closed = 0;
    for (int i = 0; i < 5; ++i) go(count_reason(w.a, io_error::reason::net_closing, closed));
    const auto closes = [](std::shared_ptr<stage5::fd> what) -> task<> {
        co_await sleep_for(5ms);
        what->close();
        what->close(); // the second one has nothing to do
    };
    go(closes(w.a));
    go(stop_when(closed, 5));
    w.run();
    CHECK(closed == 5);
    CHECK(w.a->get() == -1); // the last call has left
    CHECK(stage5::frame_cache::live() == 0);
}

TEST_CASE("stage5: readers queue up and get a message each") {
    const world w(4);
    std::atomic<int> got = 0;
    const auto reads = [](std::shared_ptr<stage5::fd> from, std::atomic<int>& count) -> task<> {
        const auto message = co_await read_call(*from);
        if (message && std::string_view(message->data(), message->size()) == "x") ++count;
    };
    const auto writes = [](std::shared_ptr<stage5::fd> to,
                           const std::atomic<int>& count) -> task<> {
        for (int i = 0; i < 10; ++i) {
            static_cast<void>(co_await write_call(*to, std::string_view("x")));
            while (count <= i) co_await sleep_for(1ms);
        }
        scheduler::current().stop();
    };
    for (int i = 0; i < 10; ++i) go(reads(w.a, got));
    go(writes(w.b, got));
    w.run();
    CHECK(got == 10);
}

TEST_CASE("stage5: a deadline ends a read, and one in the past does at once") {
    const world w(2);
    std::atomic<int> late = 0;
    w.a->set_deadline(side::read, stage5::now() + 5'000'000);
    w.b->set_deadline(side::read, 1);
    go(count_reason(w.a, io_error::reason::deadline_exceeded, late));
    go(count_reason(w.b, io_error::reason::deadline_exceeded, late));
    go(stop_when(late, 2));
    w.run();
    CHECK(late == 2);
}
