/// \file
/// How a coroutine ends before its time: exceptions and closed descriptors at every place where it
/// can be suspended.

#include "harness/unique_fd.hpp"
#include "stage5_coroutines/net/dial.hpp"
#include "stage5_coroutines/runtime/chan.hpp"
#include "stages/stage5_tools.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using stage5::go;
using stage5::sleep_for;
using stage5::task;
using stage5::yield;
using stage5::net::conn;
using stage5_tools::comes_true;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::group;
using stage5_tools::in_a_world;
using stage5_tools::said;
using stage5_tools::world;

namespace {

task<> keep_read(conn from, std::string& text) {
    const auto got = co_await from.read();
    text = got ? std::string(got->data(), got->size()) : said(got);
}

/// What was written to standard error while it lived.
class standard_error {
public:
    standard_error() : file_(::memfd_create("stderr", MFD_CLOEXEC)), old_(::dup(2)) {
        ::dup2(file_.get(), 2);
    }
    ~standard_error() { ::dup2(old_.get(), 2); }
    [[nodiscard]] std::string text() const {
        std::string all(10'000, '\0');
        const auto size = ::pread(file_.get(), all.data(), all.size(), 0);
        all.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return all;
    }

private:
    harness::unique_fd file_, old_;
};

enum class when { before, after_yield, after_sleep };

task<int> throws(when at) {
    if (at == when::after_yield) co_await yield();
    if (at == when::after_sleep) co_await sleep_for(1ms);
    throw std::runtime_error("on purpose");
}

/// Passes on what its callee throws.
task<int> passes_on(when at, when own) {
    if (own == when::after_yield) co_await yield();
    const int never = co_await throws(at);
    co_return never;
}

task<> catches(when at, when own, std::atomic<int>& caught) {
    try {
        static_cast<void>(co_await passes_on(at, own));
    } catch (const std::runtime_error& error) {
        if (error.what() == std::string("on purpose")) ++caught;
    }
}

task<> throws_what_nobody_knows() {
    co_await yield();
    throw 42;
}

task<> lets_go(when at) {
    static_cast<void>(co_await throws(at));
}

} // namespace

TEST_CASE("stage5: an exception comes out of every await, early or late") {
    for (const unsigned threads : {1U, 4U}) {
        static constexpr std::array all{when::before, when::after_yield, when::after_sleep};
        world w(threads);
        std::atomic<int> caught = 0;
        for (const when at : all)
            for (const when own : all)
                for (int i = 0; i < 10; ++i) w.go(catches(at, own, caught));
        w.run();
        CHECK(caught == 90);
    }
}

TEST_CASE("stage5: an exception that nobody awaits is reported once, and others go on") {
    const standard_error said_there;
    in_a_world(2, []() -> task<> {
        const auto frames = stage5::frame_cache::live();
        go(lets_go(when::before));
        go(lets_go(when::after_yield));
        go(lets_go(when::after_sleep));
        go(throws_what_nobody_knows());
        const bool ended = co_await comes_true( // its own frame is there as well
            [&] { return stage5::frame_cache::live() <= frames + 1; });
        expect(ended, "they have ended");
        co_await sleep_for(1ms);
    });
    const auto text = said_there.text();
    CHECK(std::ranges::count(text, '\n') == 4);
    CHECK_THAT(text, harness::contains("a task ended: on purpose\n"));
    CHECK_THAT(text, harness::contains("a task ended by an exception\n"));
}

TEST_CASE("stage5: wherever one waits, a close ends it and leaves no frame") {
    for (const unsigned threads : {1U, 4U})
        in_a_world(threads, []() -> task<> { // counts frames and descriptors at its end
            const auto accepts = [](stage5::net::listener from) -> task<> {
                const auto client = co_await from.accept();
                expect(!client && client.error().is_closed(), said(client));
            };
            const auto connects = [](stage5::address to,
                                     std::shared_ptr<stage5::net::cancellation> by) -> task<> {
                const auto made = co_await stage5::net::dial_serial("tcp", stage5_tools::only(to),
                                                                    {}, by);
                expect(!made && made.error().is_closed(), said(made));
            };
            const auto writes = [](conn to) -> task<> {
                const auto why = co_await stage5_tools::write_until_error(to);
                expect(why.ends_with("use of closed network connection"), why);
            };
            const auto closes = [](conn what) -> task<> {
                static_cast<void>(co_await what.close());
            };
            const auto receives = [](stage5::chan<int>& from) -> task<> {
                const auto got = co_await from.receive();
                expect(got.has_value(), "something was sent");
            };
            const auto gives_way = [](const std::atomic<bool>& stop) -> task<> {
                while (!stop) co_await yield();
            };
            for (int round = 0; round < 10; ++round) {
                const stage5_tools::deaf_listener deaf;
                const auto race = std::make_shared<stage5::net::cancellation>();
                const auto l = stage5_tools::listen();
                const ends both;
                stage5::chan<int> values(2);
                std::atomic<bool> stop = false;
                std::array<std::string, 3> texts;
                group all;
                for (auto& text : texts) all.go(keep_read(both.a, text)); // one reads, two wait
                for (int i = 0; i < 3; ++i) all.go(writes(both.a));
                for (int i = 0; i < 3; ++i) all.go(accepts(l));
                for (int i = 0; i < 3; ++i) all.go(connects(deaf.addr(), race));
                for (int i = 0; i < 2; ++i) all.go(receives(values));
                all.go(gives_way(stop));
                co_await sleep_for(std::chrono::microseconds(round * 300));
                for (int i = 0; i < 3; ++i) all.go(closes(both.a));
                l.close_now();
                race->cancel();
                for (int i = 0; i < 2; ++i) values.try_send(i);
                stop = true;
                co_await all.wait();
                for (const auto& text : texts)
                    expect(text.ends_with("use of closed network connection"), text);
            }
        });
}
