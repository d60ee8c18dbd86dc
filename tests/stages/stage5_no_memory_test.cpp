/// \file
/// Memory that ends at any point of a program that does a little of everything. It runs again and
/// again, and each time one more allocation succeeds before they fail. Then the coroutine that
/// needed memory gets an exception or an error. All others end, nothing ends the process, and no
/// frame and no descriptor is left.

#include "stage5_coroutines/net/bufio.hpp"
#include "stage5_coroutines/net/dial.hpp"
#include "stage5_coroutines/net/lookup.hpp"
#include "stage5_coroutines/runtime/chan.hpp"
#include "stage5_coroutines/server.hpp"
#include "stage5_coroutines/signals.hpp"
#include "stage5_coroutines/syscall/trace.hpp"
#include "stages/allocations.hpp"
#include "stages/serve_without_memory.hpp"
#include "stages/stage5_tools.hpp"

#include <array>
#include <deque>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using allocations::failing;
using allocations::how_often;
using stage5::after;
using stage5::chan;
using stage5::sleep_for;
using stage5::task;
using stage5::wait_group;
using stage5::net::conn;
using stage5::net::listener;
using stage5_tools::ends;
using stage5_tools::expect;
using stage5_tools::in_a_world;

namespace {

/// Closes a connection or a listener at the end of its scope.
template <typename Socket>
class closed_at_end {
public:
    explicit closed_at_end(Socket which) : which_(std::move(which)) {}
    ~closed_at_end() { which_.close_now(); }
    closed_at_end(const closed_at_end&) = delete;
    closed_at_end& operator=(const closed_at_end&) = delete;

private:
    Socket which_;
};

task<> until_no_memory(wait_group& of, task<> what) {
    const stage5::deferred_done last(of);
    try {
        auto mine = std::move(what);
        co_await std::move(mine);
    } catch (const std::exception&) { // std::bad_alloc, or what it was made into
    }
}

/// Like the go statement, for what may find no memory.
void start(wait_group& of, task<> what) {
    auto made = until_no_memory(of, std::move(what));
    of.add();
    stage5::go(std::move(made));
}

/// Writes. If there is no memory for that, closes the connection, which waits for its calls.
/// \return true if all was written
task<bool> write_or_close(conn to, std::string_view bytes) {
    try {
        const auto sent = co_await to.write(bytes, 10s);
        co_return sent.has_value();
    } catch (const std::bad_alloc&) { // so it is closed below
    }
    static_cast<void>(co_await to.close());
    co_return false;
}

task<> echo(conn client) {
    while (true) {
        const auto got = co_await client.read();
        if (!got || got->empty()) break;
        const bool sent = co_await write_or_close(client, {got->data(), got->size()});
        if (!sent) break;
    }
}

task<> serve(listener from, wait_group& others) {
    const closed_at_end last(from);
    while (true) {
        const auto client = co_await from.accept();
        if (!client) break;
        start(others, echo(*client));
    }
}

/// More than the buffers of both ends have room for.
task<> send_much(conn to) {
    bool all = false;
    try {
        const std::string much(8 << 20, 'm');
        all = co_await write_or_close(to, much);
    } catch (const std::bad_alloc&) { // so nothing was sent
    }
    if (all)
        static_cast<void>(to.close_write());
    else
        to.close_now();
}

task<> exchange_much(conn with, wait_group& others) {
    const closed_at_end last(with);
    start(others, send_much(with));
    co_await sleep_for(1ms);
    std::array<char, 100'000> buffer;
    while (true) {
        const auto got = co_await with.read(std::span(buffer));
        if (!got || *got == 0) break;
    }
}

task<> exchange_lines(conn with) {
    const closed_at_end last(with);
    stage5::bufio::reader from(with);
    stage5::bufio::writer to(with);
    const std::string line = std::string(1000, 'l') + '\n';
    const auto written = co_await to.write(line);
    const auto sent = co_await to.flush();
    const auto got = co_await from.read_line();
}

task<> read_byte(conn from) {
    std::array<char, 1> byte{};
    static_cast<void>(co_await from.read(std::span(byte)));
}

/// Three wait for one connection, until it is closed.
task<> close_while_others_read(wait_group& others) {
    const ends both;
    const closed_at_end last(both.a);
    for (int i = 0; i < 3; ++i) start(others, read_byte(both.a));
    co_await stage5::yield();
    static_cast<void>(co_await both.a.close());
}

task<> time_out() {
    const ends both;
    static_cast<void>(both.a.set_read_deadline(after(1ms)));
    const auto late = co_await both.a.read();
    expect(!late && late.error().is_timeout(), "no bytes came");
    chan<int> never(1);
    const auto nothing = co_await never.receive(after(1ms));
    expect(!nothing, "no value came");
}

/// Sets so many alarms that the poller has no memory in advance for one more.
class many_alarms {
public:
    many_alarms() = default;
    void set() {
        for (int i = 0; i < 130; ++i) {
            all_.emplace_back(nobody_);
            poll_.set_alarm(all_.back(), stage5::to_nanotime(after(1h)));
        }
    }
    ~many_alarms() {
        for (auto& each : all_) poll_.set_alarm(each, 0);
    }
    many_alarms(const many_alarms&) = delete;
    many_alarms& operator=(const many_alarms&) = delete;

private:
    stage5::netpoll& poll_ = stage5::scheduler::current().poll();
    stage5::waiter nobody_{[](stage5::waiter&) {}};
    std::deque<stage5::alarm> all_;
};

task<> dial_a_race(std::string name) {
    const stage5_tools::deaf_listener deaf;
    const auto made = co_await stage5::net::dial_parallel(
        "tcp", stage5_tools::only(deaf.addr()), stage5_tools::only(stage5_tools::address_of(name)),
        after(100ms), 1ms);
}

task<> look_up() {
    const stage5::endpoint where{"tcp", "localhost", 80};
    static_cast<void>(co_await stage5::net::lookup_host(where, {}));
}

task<> exchange_much(std::string name, wait_group& others) {
    const auto made = co_await stage5::net::dial("tcp", name);
    if (!made) co_return;
    co_await exchange_much(*made, others);
}

task<> exchange_lines(std::string name) {
    const auto made = co_await stage5::net::dial("tcp", name);
    if (!made) co_return;
    co_await exchange_lines(*made);
}

using program = task<>(wait_group& others);

task<> little(wait_group& others) {
    const auto listening = stage5::net::listen("tcp", "127.0.0.1:0");
    if (!listening) co_return;
    const closed_at_end last(*listening);
    start(others, serve(*listening, others));
    co_await exchange_lines(listening->name());
    co_await time_out();
}

task<> everything(wait_group& others) {
    const auto listening = stage5::net::listen("tcp", "127.0.0.1:0");
    if (!listening) co_return;
    const closed_at_end last(*listening);
    start(others, serve(*listening, others));
    many_alarms alarms;
    alarms.set();
    co_await exchange_much(listening->name(), others);
    co_await exchange_lines(listening->name());
    co_await close_while_others_read(others);
    co_await time_out();
    co_await dial_a_race(listening->name());
    co_await look_up();
}

/// Runs a program, then waits for the coroutines that it has started.
task<> run_until_no_memory(program& what, wait_group& others, bool& failed) {
    try {
        co_await what(others);
    } catch (const std::exception&) { // std::bad_alloc, or what it was made into
    }
    failed = failing::end();
    const bool ended = co_await others.wait(after(harness::must_happen));
    expect(ended, "all others have ended");
    if (!ended) throw harness::failure("the others still wait");
    for (int i = 0; i < 3; ++i) co_await stage5::yield(); // what dial_parallel() has cancelled ends
}

/// \return how many allocations the program makes
long fail_everywhere(program& what, how_often how) {
    for (long n = 1;; n += allocations::step) {
        INFO("failed: allocation " << n << (how == how_often::once ? "" : " and all after it"));
        bool failed = false;
        wait_group others;
        stage5_tools::world w(1);
        w.go(run_until_no_memory(what, others, failed));
        const failing memory(n, how);
        w.run();
        if (!failed) return n;
    }
}

task<> receive(chan<char>& from) {
    static_cast<void>(co_await from.receive(after(1h)));
}

auto listen_for_server() {
    return stage5::listen({"tcp", "127.0.0.1", 0});
}

auto run_server(stage5::listener at, const std::function<void()>& ready) {
    stage5::options how;
    how.threads = 1;
    how.idle_timeout = 10s;
    how.write_timeout = 10s;
    return stage5::serve(std::move(at), how, ready);
}

long fail_everywhere_in_server(how_often how) {
    return without_memory::fail_everywhere(listen_for_server, run_server, stage5::request_stop,
                                           how);
}

} // namespace

TEST_CASE("stage5: wherever memory ends, only the coroutine that needs it fails") {
    CHECK(fail_everywhere(everything, how_often::from_then_on) > 50);
}

TEST_CASE("stage5: wherever a single allocation fails, only the coroutine that needs it fails") {
    CHECK(fail_everywhere(everything, how_often::once) > 50);
}

TEST_CASE("stage5: a line of the trace for which there is no memory is missing, and nothing else") {
    REQUIRE(stage5::trace::start("/dev/null").has_value());
    CHECK(fail_everywhere(little, how_often::once) > 50);
    stage5::trace::on = false;
}

TEST_CASE("stage5: a deadline needs no memory, however many alarms are set") {
    in_a_world(1, []() -> task<> {
        constexpr std::size_t alarms = 1000;
        chan<char> values(alarms);
        stage5_tools::group receivers;
        for (std::size_t i = 0; i < alarms; ++i) {
            receivers.go(receive(values));
            co_await stage5::yield(); // it sets its alarm
            const ends both;
            const failing memory(1);
            const bool set = both.a.set_deadline(after(1h)).has_value();
            failing::end();
            expect(set, "the deadline is set");
        }
        for (std::size_t i = 0; i < alarms; ++i) values.try_send(0);
        co_await receivers.wait();
    });
}

TEST_CASE("stage5: wherever the server's memory ends, it goes on, and ends when it is told to") {
    CHECK(fail_everywhere_in_server(how_often::from_then_on) > 3);
}

TEST_CASE("stage5: wherever a single allocation of the server fails, other clients are served") {
    CHECK(fail_everywhere_in_server(how_often::once) > 3);
}
