/// \file
/// A client's network goes away: no reset, no end of the stream, nothing. A server with a
/// timeout closes such a client in time, any other when the kernel gives up; and if the network
/// comes back before that, nothing is lost.

#include "faults/faulty.hpp"
#include "faults/network.hpp"
#include "harness/held_up.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <csignal>
#include <fstream>
#include <list>
#include <optional>
#include <thread>

using namespace faults_tests;
using namespace harness;
using namespace std::chrono_literals;

namespace {

/// A stage's server, a client of this end of the cable, and one of the far end.
class scene {
public:
    scene(const network& cable, const variant& which, const std::string& option)
        : name(which.name()),
          server(server::ours(stage_program(which.stage),
                              split_words(which.arguments + " " + option), "0.0.0.0:0")),
          bystander(loopback4(server->port())), descriptors_(count_with_bystander()) {
        const auto there = network::near_end(server->port());
        cable.at_far_end([&] { far.emplace(there, 4096); });
        far->echo("hello");
    }

    /// Our end of the far client's connection, to be closed soon.
    [[nodiscard]] unique_fd end() const {
        auto found = server_end(server->pid(), far->local());
        if (!found) throw failure("the server has no such client");
        return std::move(*found);
    }
    [[nodiscard]] bool has_far_client() const {
        return descriptor_count(server->pid()) > descriptors_;
    }
    /// The bystander is served all the time.
    void wait_until_far_client_is_closed(milliseconds limit) {
        const auto gone = [this] {
            bystander.echo("meanwhile");
            return !has_far_client();
        };
        CHECK(wait_for(gone, limit));
    }

    std::string name;
    std::unique_ptr<harness::server> server;
    client bystander;
    std::optional<client> far;

private:
    std::size_t count_with_bystander() {
        bystander.echo("before");
        return descriptor_count(server->pid());
    }

    std::size_t descriptors_;
};

/// All stages at once: most of what follows is waiting.
std::list<scene> scenes(const network& cable, int first = 1, const std::string& option = "") {
    std::list<scene> all;
    for (const auto& which : stages(first)) all.emplace_back(cable, which, option);
    return all;
}

void set(const unique_fd& socket, int level, int name, int value) {
    check(::setsockopt(socket.get(), level, name, &value, sizeof value), "setsockopt");
}

/// The far client has said something that the server reads and answers only when it can't be
/// reached any more.
void unplug_with_bytes_owed(const network& cable, std::list<scene>& all) {
    std::list<held_up> still;
    for (auto& each : all) {
        still.emplace_back(*each.server);
        each.far->send_all(std::string(1000, 'x'));
        const auto end = each.end();
        CHECK(wait_for([&] { return kernel_queues(end.get()).to_read == 1000; }));
    }
    cable.unplug();
}

/// How often the kernel sends again before it gives up; of our network only.
class retries {
public:
    explicit retries(int count) { write(count); }
    ~retries() { write(15); }
    retries(const retries&) = delete;
    retries& operator=(const retries&) = delete;

private:
    static void write(int count) { std::ofstream("/proc/sys/net/ipv4/tcp_retries2") << count; }
};

/// The kernel chooses one of two ports for a client: `even`, which it prefers, or the next one. Of
/// our network only.
class two_client_ports {
public:
    explicit two_client_ports(int even) { write(even, even + 1); }
    ~two_client_ports() { write(32768, 60999); }
    two_client_ports(const two_client_ports&) = delete;
    two_client_ports& operator=(const two_client_ports&) = delete;

private:
    static void write(int first, int last) {
        std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << first << ' ' << last;
    }
};

} // namespace

TEST_CASE("a client whose network comes back in time loses nothing") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    auto all = scenes(*cable);
    unplug_with_bytes_owed(*cable, all);
    for (auto& each : all) CHECK(each.far->hears_nothing_for(50ms));
    cable->plug_in();
    for (auto& each : all) {
        INFO(each.name);
        CHECK(each.far->receive_exactly(1000) == std::string(1000, 'x'));
        each.far->echo("here again");
        each.bystander.echo("after");
    }
}

TEST_CASE("a client whose network goes away is closed by --idle-timeout") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    const milliseconds span = 600ms * patience;
    for (const auto& which : stages(4)) { // one at a time: all but the bystander are idle
        scene one(*cable, which, fmt::format("--idle-timeout {}ms", span.count()));
        INFO(one.name);
        one.bystander.echo("still here");
        const auto since = steady::now();
        one.far->echo("he, too");
        cable->unplug();
        one.wait_until_far_client_is_closed(must_happen);
        const auto took = steady::now() - since;
        CHECK(took >= span);
        CHECK(took < 5 * span);
        cable->plug_in();
    }
}

TEST_CASE("a client whose network goes away while bytes are owed is closed by --write-timeout") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    const milliseconds span = 500ms * patience;
    auto all = scenes(*cable, 4, fmt::format("--write-timeout {}ms", span.count()));
    for (auto& each : all) set(each.end(), SOL_SOCKET, SO_SNDBUF, 1); // it has to wait for room
    const auto since = steady::now();
    for (auto& each : all) each.far->send_some(std::string(60'000, 'x'));
    cable->unplug();
    for (auto& each : all) {
        INFO(each.name);
        const bool has_it = each.has_far_client();
        CHECK((has_it || steady::now() - since >= span)); // not early
    }
    for (auto& each : all) {
        INFO(each.name);
        each.wait_until_far_client_is_closed(must_happen);
    }
    CHECK(steady::now() - since < 5 * span);
}

TEST_CASE("a client whose network goes away in silence is closed by keep-alive") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    auto all = scenes(*cable);
    for (auto& each : all) { // seconds, where a stage has 15, 15 and 9
        const auto end = each.end();
        CHECK(socket_option(end.get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
        set(end, IPPROTO_TCP, TCP_KEEPIDLE, 1);
        set(end, IPPROTO_TCP, TCP_KEEPINTVL, 1);
        set(end, IPPROTO_TCP, TCP_KEEPCNT, 2);
    }
    cable->unplug();
    for (auto& each : all) {
        INFO(each.name);
        each.wait_until_far_client_is_closed(must_happen);
    }
}

TEST_CASE("a client that does not acknowledge what it gets is closed when the kernel gives up") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    const retries few(3); // three seconds instead of a quarter of an hour
    auto all = scenes(*cable);
    unplug_with_bytes_owed(*cable, all);
    for (auto& each : all) {
        INFO(each.name);
        each.wait_until_far_client_is_closed(must_happen);
    }
}

TEST_CASE("a client whose network goes away delays a stop for the grace only") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    auto all = scenes(*cable, 1, "--grace 300ms");
    unplug_with_bytes_owed(*cable, all);
    for (auto& each : all) {
        INFO(each.name);
        each.bystander.echo("before the end");
        const auto since = steady::now();
        CHECK(each.server->stop(SIGTERM).to_string() == "exit status 0");
        CHECK(steady::now() - since >= 300ms);
        CHECK(steady::now() - since < 2s * patience);
    }
}

/// As it is: 15 s of silence, then nine times 15 s. `./dev soak` runs it.
TEST_CASE("a client whose network goes away in silence is closed after 150 seconds", "[.][long]") {
    const auto* const cable = try_network();
    if (cable == nullptr) return;
    auto all = scenes(*cable);
    cable->unplug();
    const auto since = steady::now();
    for (auto& each : all) {
        INFO(each.name);
        each.wait_until_far_client_is_closed(200s);
        CHECK(steady::now() - since > 130s);
    }
    CHECK(steady::now() - since < 180s);
}

TEST_CASE("a client that the kernel connects to itself tries again") {
    if (try_network() == nullptr) return;
    for (const auto& which : stages()) {
        if (which.stage == 3 || which.stage == 4) continue; // have no client
        INFO(which.name());
        const int port = 40000 + 2 * which.stage; // the one before may have left its own in use
        const two_client_ports ports(port);
        const auto to = fmt::format("127.0.0.1:{}", port);
        child client({stage_program(which.stage, "client"), to});
        const auto ended = client.wait_exit();
        REQUIRE(ended);
        CHECK(ended->to_string() == "exit status 1");
        CHECK(client.err() == fmt::format("dial tcp {}: connect: connection refused\n", to));
    }
}
