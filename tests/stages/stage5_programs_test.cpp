/// \file
/// Stage 5's programs as their user sees them: the articles' three have to do and to print what
/// their originals in Go do.

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/client.hpp"
#include "harness/matches.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <algorithm>
#include <sched.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using harness::contains;
using harness::matches;
using harness::wait_for;

namespace {

std::string article(const std::string& number) {
    return harness::stage_program(5, "article_" + number);
}

/// One of the articles' programs, which has already had a client who only said hello and goodbye.
std::unique_ptr<harness::server> start(const std::string& number) {
    return harness::server::foreign(harness::stage_command(5, "article_" + number) +
                                    " 127.0.0.1:{port}");
}

std::string name_of(const harness::client& who) {
    return "127.0.0.1:" + std::to_string(who.local().port());
}

/// The lines in which `who` has its name.
std::string lines_about(const std::string& who, const std::string& text) {
    std::istringstream in(text);
    std::string found;
    for (std::string line; std::getline(in, line);)
        if (line.find(who) != std::string::npos) found += line + '\n';
    return found;
}

bool comes_to_print(const harness::child& program, const std::string& text) {
    return wait_for([&] { return program.out().find(text) != std::string::npos; });
}

const std::string time_of_day = "[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ";

bool comes_to_log(const harness::child& program, const std::string& pattern) {
    return wait_for([&] { return matches(program.err(), time_of_day + pattern); });
}

/// Runs a program to its end.
struct finished {
    std::string out, err;
    int status = -1;

    explicit finished(const std::vector<std::string>& words) {
        harness::child child(words);
        const auto ending = child.wait_exit();
        REQUIRE(ending);
        out = child.out();
        err = child.err();
        status = ending->number;
    }
};

} // namespace

TEST_CASE("stage5: article 000 sends four bytes back, and prints what it got and sent") {
    const auto server = start("000");
    harness::client client(server->where());
    const auto name = name_of(client);
    client.echo("abcd");
    client.echo("efgh");
    client.close();
    CHECK(comes_to_print(*server, "与" + name + "断开!\n"));
    CHECK(lines_about(name, server->out()) == "收到" + name + "消息: abcd\n发送给" + name +
                                                  ": abcd\n收到" + name + "消息: efgh\n发送给" +
                                                  name + ": efgh\n与" + name + "断开!\n");
    CHECK(server->err().empty());
}

TEST_CASE("stage5: article 000 takes a longer message in pieces of four bytes") {
    const auto server = start("000");
    harness::client client(server->where());
    const auto name = name_of(client);
    client.echo("12345678abcd");
    CHECK(comes_to_print(*server, "发送给" + name + ": abcd\n"));
    for (const auto* piece : {"1234", "5678", "abcd"})
        CHECK_THAT(server->out(), contains("收到" + name + "消息: " + piece + "\n"));
}

TEST_CASE("stage5: article 000 answers with four bytes always, as the original does") {
    const auto server = start("000");
    harness::client client(server->where());
    client.echo("abcd");
    client.send_all("xy");
    CHECK(client.receive_exactly(4) == "xycd");
}

TEST_CASE("stage5: article 000 serves one while another says nothing") {
    const auto server = start("000");
    const harness::client silent(server->where());
    harness::client(server->where()).echo("hey!");
    harness::client resetting(server->where());
    resetting.echo("bye!");
    const auto name = name_of(resetting);
    resetting.reset();
    CHECK(comes_to_print(*server, "与" + name + "断开!\n"));
    harness::client(server->where()).echo("more");
}

TEST_CASE("stage5: article 001 reads to the end, logs the length and the text, and closes") {
    const auto server = start("001");
    harness::client client(server->where());
    client.send_all("hello");
    client.send_all(" world");
    CHECK(comes_to_print(*server, "Serving " + name_of(client) + "\n"));
    CHECK(client.hears_nothing_for(100ms));
    CHECK_THAT(server->err(), !contains("hello"));
    client.shutdown_write();
    client.expect_end();
    CHECK(comes_to_log(*server, "11\n[^\n]* hello world\n"));
}

TEST_CASE("stage5: article 001 takes as much as comes, from two at once") {
    const auto server = start("001");
    harness::client long_one(server->where());
    harness::client short_one(server->where());
    long_one.send_all(std::string(300'000, 'y'));
    short_one.send_all("short");
    short_one.shutdown_write();
    short_one.expect_end();
    CHECK(comes_to_log(*server, "5\n"));
    long_one.shutdown_write();
    long_one.expect_end();
    CHECK(comes_to_log(*server, "300000\n"));
}

TEST_CASE("stage5: article 001 logs why it could not read, and goes on") {
    const auto server = start("001");
    harness::client client(server->where());
    client.send_all("x");
    CHECK(comes_to_print(*server, "Serving " + name_of(client) + "\n"));
    const auto name = name_of(client);
    client.reset();
    CHECK(comes_to_log(*server, "read tcp " + server->address() + "->" + name +
                                    ": read: connection reset by peer\n"));
    harness::client next(server->where());
    next.shutdown_write();
    next.expect_end();
}

TEST_CASE("stage5: article 003 echoes lines, and says what it received") {
    const auto server = start("003");
    CHECK(comes_to_print(*server, "Listening on " + server->address() + "\n"));
    harness::client client(server->where());
    client.echo("hello\n");
    client.echo("two\nat once\n");
    for (const auto* line : {"hello", "two", "at once"})
        CHECK(comes_to_print(*server, std::string("\nMessage Received:") + line + "\n"));
    client.echo(std::string(60'000, 'z') + "\n");
}

TEST_CASE("stage5: article 003 does not answer half a line, and drops the last half") {
    const auto server = start("003");
    harness::client client(server->where());
    client.send_all("half ");
    CHECK(client.hears_nothing_for(100ms));
    client.send_all("a line\nand a");
    CHECK(client.receive_exactly(12) == "half a line\n");
    CHECK_THAT(server->out(), !contains("and a"));
    client.shutdown_write();
    client.expect_end();
    CHECK(comes_to_print(*server, "Error reading: EOF\n"));
}

TEST_CASE("stage5: article 003 serves two at once, and survives whoever leaves") {
    const auto server = start("003");
    harness::client first(server->where());
    harness::client second(server->where());
    first.send_all("one, ");
    second.echo("two\n");
    first.send_all("and the rest\n");
    CHECK(first.receive_exactly(18) == "one, and the rest\n");
    first.reset();
    CHECK(comes_to_print(*server, "read: connection reset by peer\n"));
    second.echo("still here\n");
}

TEST_CASE("stage5: an article's program that can't listen says so in a line, as Go does") {
    const auto other = start("000");
    const auto taken = other->address();
    const auto why = "listen tcp " + taken + ": bind: address already in use\n";
    const finished panics({article("000"), taken});
    CHECK(panics.status == 2);
    CHECK(panics.err == "panic: " + why);
    const finished fatal({article("001"), taken});
    CHECK(fatal.status == 1);
    CHECK(matches(fatal.err, "^" + time_of_day + why + "$"));
    const finished prints({article("003"), taken});
    CHECK(prints.status == 1);
    CHECK(prints.out == "Error listening: " + why);
}

TEST_CASE("stage5: an article's program ends by its signal") {
    for (const auto* number : {"000", "001", "003"}) {
        const auto ended = start(number)->stop(SIGINT);
        CHECK(ended.by_signal);
        CHECK(ended.number == SIGINT);
    }
}

TEST_CASE("stage5: the articles' programs serve their clients even if nothing can be printed") {
    for (const auto* number : {"000", "001", "003"})
        for (const auto* streams : {">/dev/full", ">/dev/full 2>&1", ">&-", "<&- >&- 2>&-"}) {
            INFO(number << " " << streams);
            const auto server = harness::server::foreign(
                harness::stage_command(5, std::string("article_") + number) + " 127.0.0.1:{port} " +
                streams);
            for (int i = 0; i < 3; ++i) {
                harness::client client(server->where());
                if (number == std::string("001"))
                    client.send_all("hello");
                else
                    client.echo("abc\n");
                client.shutdown_write();
                client.expect_end();
            }
            CHECK(server->out().empty());
        }
}

TEST_CASE("stage5: the articles' programs print every byte to an output that does not block") {
    const std::string line(60'000, 'z');
    const auto echoing = harness::server::foreign(
        harness::stage_command(5, "article_003") + " 127.0.0.1:{port}", {.non_blocking = true});
    for (int i = 0; i < 20; ++i) harness::client(echoing->where()).echo(line + "\n");
    std::string expected;
    for (int i = 0; i < 20; ++i) expected += "Message Received:" + line + "\n";
    const auto printed = [&] { // the lines about the ends of clients may come in between
        std::istringstream in(echoing->out());
        std::string found;
        for (std::string one; std::getline(in, one);)
            if (one.starts_with("Message")) found += one + '\n';
        return found;
    };
    CHECK(wait_for([&] { return printed().size() == expected.size(); }));
    CHECK((printed() == expected)); // in parentheses: not to be printed

    const auto logging = harness::server::foreign(
        harness::stage_command(5, "article_001") + " 127.0.0.1:{port}", {.non_blocking = true});
    harness::client client(logging->where());
    client.send_all(std::string(3'000'000, 'y'));
    client.shutdown_write();
    client.expect_end();
    CHECK(wait_for([&] { return logging->err().ends_with("yyy\n"); }));
    CHECK(std::ranges::count(logging->err(), 'y') == 3'000'000);
}

TEST_CASE("stage5: the number of threads is decimal") {
    const auto threads = [](const std::string& number) {
        const auto server = harness::server::ours(harness::stage_program(5), {"--threads", number});
        harness::client(server->where()).echo("by now all have started");
        return harness::thread_count(server->pid());
    };
    CHECK(threads("010") == threads("10"));
    for (const auto* number : {"0", "00", "-1", "0x2", "0b1", "0o2", "1_0", "1'0", "+2", " 2", "2 ",
                               "1025", "99999999999", ""}) {
        const finished refused({harness::stage_program(5), "--threads", number});
        CHECK(refused.status == 2);
        CHECK_THAT(refused.err, contains("--threads"));
    }
}

TEST_CASE("stage5: in lines, a client that sends a byte now and then is not idle") {
    const auto idle = 500ms * harness::patience;
    const auto server = harness::server::ours(
        harness::stage_program(5),
        {"--mode", "lines", "--idle-timeout", std::to_string(idle.count()) + "ms"});
    for (int tries = 0;; ++tries) {
        REQUIRE(tries < 5); // this machine is too busy
        harness::client slow(server->where());
        bool in_time = true;
        for (int i = 0; i < 12 && in_time; ++i) {
            const auto since = harness::steady::now();
            slow.send_all("x");
            in_time = slow.hears_nothing_for(idle / 3) || harness::steady::now() - since > idle / 2;
            CHECK(in_time);
            in_time = harness::steady::now() - since < idle / 2;
        }
        if (!in_time) continue;
        slow.send_all("\n");
        CHECK(slow.receive_exactly(13) == "xxxxxxxxxxxx\n");
        const auto since = harness::steady::now();
        slow.expect_end();
        CHECK(harness::steady::now() - since > idle / 2);
        return;
    }
}

TEST_CASE("stage5: in lines, one that is too long ends with a reset and a line in the log") {
    const auto server = harness::server::ours(harness::stage_program(5), {"--mode", "lines"});
    harness::client other(server->where());
    other.echo("hello\n");
    harness::client endless(server->where());
    endless.echo("a line\n");
    endless.send_all(std::string(64 * 1024, 'x'));
    const auto rest = endless.receive_rest();
    CHECK(rest.bytes == "");
    CHECK(rest.reset);
    CHECK(wait_for([&] { return server->err().ends_with('\n'); }));
    CHECK(server->err() ==
          "read tcp " + server->address() + "->" + name_of(endless) + ": bufio: line too long\n");
    other.echo("still here\n");
    CHECK(server->stop(SIGTERM).ok());
}

TEST_CASE("stage5: without --threads, there is one for each CPU that may be used") {
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (std::size_t cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    const auto server = harness::server::ours(harness::stage_program(5), {}); // inherits it
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
    harness::client(server->where()).echo("hello");
    const auto sanitizers = harness::sanitized ? 1U : 0U; // the thread sanitizer has its own
    CHECK(harness::thread_count(server->pid()) <= 1 + sanitizers);
}
