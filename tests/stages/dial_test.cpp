/// \file
/// The client's half: which address, how long, and what a client as a program prints.

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/endpoint.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"
#include "stage1_blocking/net/dial.hpp"
#include "stage2_nonblocking/net/dial.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

std::unique_ptr<harness::server> start_server() {
    return harness::server::ours(harness::stage_program(1), {});
}

std::vector<std::string> clients() {
    return {harness::stage_command(1, "client"), harness::stage_command(2, "client")};
}

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

/// A listener whose backlog is full: who connects gets no answer at all.
class deaf_listener {
public:
    deaf_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        auto at = harness::loopback4(0);
        REQUIRE(::bind(fd_.get(), at.get(), at.length) == 0);
        REQUIRE(::listen(fd_.get(), 0) == 0);
        REQUIRE(::getsockname(fd_.get(), at.get(), &at.length) == 0);
        port_ = at.port();
        for (int i = 0; i < 4; ++i) queued_.push_back(harness::start_connect(at));
    }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    harness::unique_fd fd_;
    std::uint16_t port_ = 0;
    std::vector<harness::unique_fd> queued_;
};

template <typename Resolved>
auto both(Resolved resolve_one, const std::string& first, const std::string& second) {
    auto addresses = resolve_one(first);
    addresses.push_back(resolve_one(second).front());
    return addresses;
}

const auto resolve1 = [](const std::string& text) {
    return *stage1::resolve(*stage1::parse_endpoint(text), stage1::purpose::dial);
};
const auto resolve2 = [](const std::string& text) {
    return *stage2::resolve(*stage2::parse_endpoint(text), stage2::purpose::dial);
};

} // namespace

TEST_CASE("stage1: a client gets back what it sends, and ends with the stream") {
    for (const auto& client : clients()) {
        const auto server = start_server();
        const finished run("head -c 3000000 /dev/zero | " + client + " " + server->address() +
                           " | wc -c");
        CHECK(run.out == "3000000\n");
        CHECK(run.err.empty());
        const finished empty(client + " " + server->address() + " </dev/null");
        CHECK(empty.status == 0);
        CHECK(empty.out.empty());
    }
}

TEST_CASE("stage1: a client says in Go's words why it can't connect") {
    for (const auto& client : clients()) {
        const auto port = std::to_string(harness::free_port());
        const finished refused(client + " 127.0.0.1:" + port + " </dev/null");
        CHECK(refused.status == 1);
        CHECK(refused.err == "dial tcp 127.0.0.1:" + port + ": connect: connection refused\n");
        const finished missing(client + " unix:/nonexistent/x.sock </dev/null");
        CHECK(missing.status == 1);
        CHECK(missing.err == "dial unix /nonexistent/x.sock: connect: no such file or directory\n");
    }
}

TEST_CASE("stage1: a client that can't read its command line says so in one line") {
    for (const auto& client : clients()) {
        for (const auto* arguments : {"", "8080", "127.0.0.1:99999", "--nope :80", ":1 :2"}) {
            const finished run(client + " " + arguments + " </dev/null");
            CHECK(run.status == 2);
            CHECK(run.out.empty());
            CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
        }
    }
    const finished bad(clients()[1] + " --timeout 5 :80 </dev/null");
    CHECK(bad.status == 2);
    CHECK(bad.err.find("\"5\" is not a duration") != std::string::npos);
}

TEST_CASE("stage1: dialling goes on to the next address") {
    const auto server = start_server();
    const auto dead = "127.0.0.1:" + std::to_string(harness::free_port());
    CHECK(stage1::dial_serial("tcp", both(resolve1, dead, server->address())));
    CHECK(stage2::dial_serial("tcp", both(resolve2, dead, server->address()), {}));
}

TEST_CASE("stage1: when no address answers, the first one's error counts") {
    const auto first = "127.0.0.1:" + std::to_string(harness::free_port());
    const std::string expected = "dial tcp " + first + ": connect: connection refused";
    const auto one = stage1::dial_serial("tcp", both(resolve1, first, "127.0.0.2:1"));
    REQUIRE_FALSE(one);
    CHECK(one.error().message() == expected);
    const auto two = stage2::dial_serial("tcp", both(resolve2, first, "127.0.0.2:1"), {});
    REQUIRE_FALSE(two);
    CHECK(two.error().message() == expected);
}

TEST_CASE("stage2: connecting to who does not answer ends at the timeout") {
    const deaf_listener deaf;
    const auto before = clock_type::now();
    const finished run(clients()[1] + " --timeout 300ms " + deaf.address() + " </dev/null");
    const auto took = clock_type::now() - before;
    CHECK(run.status == 1);
    CHECK(run.err == "dial tcp " + deaf.address() + ": i/o timeout\n");
    CHECK(took >= 300ms);
    CHECK(took < harness::must_happen);
}

TEST_CASE("stage2: an address that does not answer leaves time for the next") {
    const deaf_listener deaf;
    const auto server = start_server();
    const auto before = clock_type::now();
    const auto connected = stage2::dial_serial(
        "tcp", both(resolve2, deaf.address(), server->address()), before + 400ms);
    CHECK(connected);
    CHECK(clock_type::now() - before >= 200ms); // the first one's half
}
