/// \file
/// What asking everybody costs, and where select ends.

#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// A server with a few clients that send nothing more.
struct idle {
    std::unique_ptr<harness::server> server;
    std::vector<harness::client> clients;

    explicit idle(const std::string& wait)
        : server(harness::server::ours(harness::stage_program(2), {"--wait", wait})) {
        for (int i = 0; i < 10; ++i) clients.emplace_back(server->where()).echo("hello");
    }
};

/// The time over which we measure.
void a_second() {
    std::this_thread::sleep_for(1s);
}

} // namespace

TEST_CASE("stage2: spinning takes a core to serve nobody", "[stage2][cpu]") {
    const idle one("spin");
    const harness::cpu_meter meter(one.server->pid());
    a_second();
    CHECK(meter.demand() > 0.5);
}

TEST_CASE("stage2: select and poll sleep while nobody says anything", "[stage2][cpu]") {
    for (const auto* wait : {"poll", "select"}) {
        INFO("--wait " << wait);
        const idle one(wait);
        harness::expect_rest(one.server->pid(), 0.01, a_second);
    }
}

TEST_CASE("stage2: select ends at descriptor 1024, says so in one line, and serves the others",
          "[stage2]") {
    const auto server = harness::server::ours(harness::stage_program(2), {"--wait", "select"});
    std::vector<harness::client> clients;
    std::size_t refused = 0;
    while (clients.size() < 1100 && refused == 0) {
        harness::client client(server->where());
        try {
            client.echo("hello");
            clients.push_back(std::move(client));
        } catch (const harness::failure&) {
            ++refused;
        }
    }
    CHECK(refused == 1);
    CHECK(clients.size() > 1000);
    for (auto& client : clients) client.echo("still here");

    const auto lines = server->err();
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 1);
    CHECK(lines.find("select: descriptor 1024 and above") != std::string::npos);

    clients.pop_back();
    CHECK(harness::wait_for([&] {
        try {
            harness::client(server->where()).echo("in the free place");
            return true;
        } catch (const harness::failure&) {
            return false;
        }
    }));
}

TEST_CASE("stage2: poll of more descriptors than the limit allows is said, and rests",
          "[stage2][cpu]") {
    idle one("poll");
    rlimit usual{};
    REQUIRE(::prlimit(one.server->pid(), RLIMIT_NOFILE, nullptr, &usual) == 0);
    const rlimit fewer{8, usual.rlim_max};
    const auto since = harness::steady::now();
    REQUIRE(::prlimit(one.server->pid(), RLIMIT_NOFILE, &fewer, nullptr) == 0);
    one.clients[0].send_all("woken"); // it asks again, and is refused
    REQUIRE(harness::wait_for([&] { return one.server->err() != ""; }));
    harness::expect_rest(one.server->pid(), 0.05, a_second);
    const auto lines = one.server->err();
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(harness::steady::now() - since);
    CHECK(lines.find("poll: invalid argument\n") != std::string::npos);
    CHECK(std::count(lines.begin(), lines.end(), '\n') <= seconds.count());

    REQUIRE(::prlimit(one.server->pid(), RLIMIT_NOFILE, &usual, nullptr) == 0);
    CHECK(one.clients[0].receive_exactly(5) == "woken");
    for (auto& client : one.clients) client.echo("again");

    REQUIRE(::prlimit(one.server->pid(), RLIMIT_NOFILE, &fewer, nullptr) == 0);
    CHECK(one.server->stop(SIGTERM, 3s * harness::patience).to_string() == "exit status 0");
}
