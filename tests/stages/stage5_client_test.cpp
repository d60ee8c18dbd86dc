/// \file
/// Stage 5's client as its user sees it: it does what stage 2's does, with a timeout that it has
/// from dial().

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/endpoint.hpp"
#include "harness/matches.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"
#include "harness/temporary_directory.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using harness::contains;
using harness::matches;
using harness::wait_for;

namespace {

/// Runs a shell command to its end.
struct finished {
    std::string out, err;
    int status = -1;

    explicit finished(const std::string& command) {
        harness::child child({"sh", "-c", command});
        const auto ending = child.wait_exit();
        REQUIRE(ending);
        out = child.out();
        err = child.err();
        status = ending->number;
    }
};

/// For a line of the shell.
std::string client() {
    return harness::stage_command(5, "client");
}

std::string client_file() {
    return harness::stage_program(5, "client");
}

std::unique_ptr<harness::server> start_echo() {
    return harness::server::ours(harness::stage_program(5), {});
}

/// A server of few words: it listens, and what else it does the test says.
class listener {
public:
    explicit listener(int backlog)
        : fd_(harness::check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        auto at = harness::loopback4(0);
        REQUIRE(::bind(fd_.get(), at.get(), at.length) == 0);
        REQUIRE(::listen(fd_.get(), backlog) == 0);
        REQUIRE(::getsockname(fd_.get(), at.get(), &at.length) == 0);
        where = at;
    }
    [[nodiscard]] std::string address() const {
        return "127.0.0.1:" + std::to_string(where.port());
    }
    [[nodiscard]] harness::unique_fd accept() const {
        return harness::unique_fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    harness::endpoint where;

private:
    harness::unique_fd fd_;
};

/// How far a process has read its standard input, which is a file.
long long position_of_input(pid_t pid) {
    std::ifstream info("/proc/" + std::to_string(pid) + "/fdinfo/0");
    std::string word;
    long long position = -1;
    info >> word >> position;
    return position;
}

} // namespace

TEST_CASE("stage5: a client gets back what it sends, from a pipe and from a file") {
    const auto server = start_echo();
    const auto talk = client() + " " + server->address();
    const finished piped("head -c 3000000 /dev/zero | " + talk + " | wc -c");
    CHECK(piped.out == "3000000\n");
    CHECK(piped.err.empty());
    const finished file(talk + " <" + client_file() + " | cmp - " + client_file());
    CHECK(file.status == 0);
    CHECK(file.err.empty());
    const finished slow("(echo one; sleep 0.2; echo two) | " + talk);
    CHECK(slow.out == "one\ntwo\n");
    const finished empty(talk + " </dev/null");
    CHECK(empty.status == 0);
    CHECK(empty.out.empty());
}

TEST_CASE("stage5: a client reaches a name, and a Unix socket") {
    const auto named = start_echo();
    const finished name("echo hello | " + client() +
                        " --timeout 5s localhost:" + std::to_string(named->port()));
    CHECK(name.out == "hello\n");
    const harness::temporary_directory place;
    const auto socket = "unix:" + place.file("echo.sock");
    const auto local = harness::server::ours(harness::stage_program(5), {}, socket);
    CHECK(finished("echo hello | " + client() + " " + socket).out == "hello\n");
}

TEST_CASE("stage5: a client says in Go's words why it can't connect") {
    const auto port = std::to_string(harness::free_port());
    const finished refused(client() + " 127.0.0.1:" + port + " </dev/null");
    CHECK(refused.status == 1);
    CHECK(refused.err == "dial tcp 127.0.0.1:" + port + ": connect: connection refused\n");
    const finished missing(client() + " unix:/nonexistent/x.sock </dev/null");
    CHECK(missing.status == 1);
    CHECK(missing.err == "dial unix /nonexistent/x.sock: connect: no such file or directory\n");
}

TEST_CASE("stage5: a client that can't read its command line says so in one line") {
    for (const auto* arguments : {"", "8080", "127.0.0.1:99999", "--nope :80", ":1 :2"}) {
        const finished run(client() + " " + arguments + " </dev/null");
        CHECK(run.status == 2);
        CHECK(run.out.empty());
        CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    }
    const finished bad(client() + " --timeout 5 :80 </dev/null");
    CHECK(bad.status == 2);
    CHECK_THAT(bad.err, contains("\"5\" is not a duration"));
    CHECK(finished(client() + " --version").out == "stage5_client 0.1.0\n");
}

TEST_CASE("stage5: connecting to who does not answer ends at the timeout") {
    const listener deaf(0); // and its backlog is full
    std::vector<harness::unique_fd> queued;
    for (int i = 0; i < 4; ++i) queued.push_back(harness::start_connect(deaf.where));
    const auto before = harness::steady::now();
    const finished run(client() + " --timeout 300ms " + deaf.address() + " </dev/null");
    const auto took = harness::steady::now() - before;
    CHECK(run.status == 1);
    CHECK(run.err == "dial tcp " + deaf.address() + ": i/o timeout\n");
    CHECK(took >= 300ms);
    CHECK(took < harness::must_happen);
}

TEST_CASE("stage5: a client ends when its server does, whether or not there is more to send") {
    const harness::temporary_directory place;
    const auto fifo = place.file("input");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const harness::unique_fd open_end(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
    const listener server(1);
    harness::child run({"sh", "-c", "exec " + client() + " " + server.address() + " <" + fifo});
    auto connection = server.accept();
    REQUIRE(::send(connection.get(), "goodbye\n", 8, 0) == 8);
    CHECK(wait_for([&] { return run.out() == "goodbye\n"; }));
    CHECK(run.running());
    connection.reset();
    const auto ended = run.wait_exit();
    REQUIRE(ended);
    CHECK(ended->ok());
}

TEST_CASE("stage5: a client whose server resets it says so, and ends with 1") {
    const listener server(1);
    harness::child run({client_file(), server.address()});
    auto connection = server.accept();
    REQUIRE(::send(connection.get(), "hello\n", 6, 0) == 6);
    CHECK(wait_for([&] { return run.out() == "hello\n"; })); // dial() has ended
    const linger now{1, 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    connection.reset();
    const auto ended = run.wait_exit();
    REQUIRE(ended);
    CHECK(ended->number == 1);
    CHECK(matches(run.err(), "^read tcp 127.0.0.1:[0-9]+->" + server.address() +
                                 ": read: connection reset by peer\n$"));
}

TEST_CASE("stage5: a server that takes nothing makes the client stop reading its input") {
    const harness::temporary_directory place;
    const auto big = place.file("input");
    constexpr std::uintmax_t size = 1 << 28; // a hole: more than any socket's buffers
    std::ofstream(big).close();
    std::filesystem::resize_file(big, size);
    const listener server(1);
    const harness::child run(
        {"sh", "-c", "exec " + client() + " " + server.address() + " <" + big});
    const auto connection = server.accept();
    long long before = -1;
    CHECK(wait_for([&] { // until nothing has moved between two looks
        const auto now = position_of_input(run.pid());
        std::this_thread::sleep_for(100ms);
        return now > 0 && now == position_of_input(run.pid()) && std::exchange(before, now) == now;
    }));
    CHECK(before < static_cast<long long>(size));
}
