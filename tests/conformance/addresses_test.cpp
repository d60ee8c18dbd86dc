/// \file
/// Where a server listens: what Go's net.Listen takes, and what the first line then says.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "harness/temporary_directory.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

using namespace conformance;
using namespace harness;
namespace fs = std::filesystem;

namespace {

/// A link-local address of this machine: its text, its interface's name, and all of it.
struct link_local_address {
    std::string ip, zone;
    sockaddr_in6 where{};
};

std::optional<link_local_address> link_local() {
    ifaddrs* list = nullptr;
    check(::getifaddrs(&list), "getifaddrs");
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(list, &::freeifaddrs);
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET6) continue;
        link_local_address found{"", one->ifa_name};
        std::memcpy(&found.where, one->ifa_addr, sizeof found.where);
        if (IN6_IS_ADDR_LINKLOCAL(&found.where.sin6_addr) == 0) continue;
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(AF_INET6, &found.where.sin6_addr, text.data(), text.size());
        found.ip = text.data();
        return found;
    }
    return {};
}

} // namespace

TEST_CASE("the wildcard serves IPv4 and IPv6 from one socket", "[ours][addresses]") {
    for (const auto* wildcard : {":0", "[::]:0", "0.0.0.0:0"}) { // Go makes no difference
        INFO("listening on " << wildcard);
        const auto server = start_with("", wildcard);
        CHECK(server->address() == fmt::format("[::]:{}", server->port()));
        client(loopback4(server->port())).echo("over IPv4");
        client(loopback6(server->port())).echo("over IPv6");
        CHECK(listeners(server->pid()).size() == 1);
    }
}

TEST_CASE("one address is served on that address only", "[ours][addresses]") {
    const auto v6 = start_with("", "[::1]:0");
    CHECK(v6->address() == fmt::format("[::1]:{}", v6->port()));
    client(loopback6(v6->port())).echo("over IPv6");
    CHECK(refuses(loopback4(v6->port())));

    const auto v4 = start_with("", "127.0.0.1:0");
    CHECK(v4->address() == fmt::format("127.0.0.1:{}", v4->port()));
    client(loopback4(v4->port())).echo("over IPv4");
    CHECK(refuses(loopback6(v4->port())));
}

TEST_CASE("a name is looked up, and IPv4 preferred", "[ours][addresses]") {
    const auto server = start_with("", "localhost:0");
    CHECK(server->address() == fmt::format("127.0.0.1:{}", server->port()));
    client(server->where()).echo("hello");
}

TEST_CASE("an IPv6 address may have a zone", "[ours][addresses]") {
    const auto index = std::to_string(::if_nametoindex("lo"));
    for (const std::string zone : {"lo", index.c_str()}) {
        const auto server = start_with("", fmt::format("[::1%{}]:0", zone));
        CHECK(server->address() == fmt::format("[::1]:{}", server->port())); // Go says the same
        client(loopback6(server->port())).echo("over IPv6");
        const auto result = run_with(
            {"--listen", fmt::format("[::1%{}]:{}", zone, server->port())});
        CHECK(result.err == fmt::format("listen tcp [::1%lo]:{}: bind: address already in use\n",
                                        server->port()));
    }
    const auto nowhere = run_with({"--listen", "[fe80::1%lo]:0"});
    CHECK(nowhere.err == "listen tcp [fe80::1%lo]:0: bind: cannot assign requested address\n");
}

TEST_CASE("a link-local address is served in its zone, and shown with it", "[ours][addresses]") {
    const auto found = link_local();
    if (!found) return leave_out("no interface has a link-local address");
    auto to = found->where;
    const auto server = start_with("", fmt::format("[{}%{}]:0", found->ip, found->zone));
    const auto prefix = fmt::format("[{}%{}]:", found->ip, found->zone);
    REQUIRE_THAT(server->address(), starts_with(prefix));
    to.sin6_port = htons(
        static_cast<std::uint16_t>(std::stoi(server->address().substr(prefix.size()))));
    const unique_fd one(check(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::connect(one.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
    check(::send(one.get(), "hello", 5, MSG_NOSIGNAL), "send");
    std::array<char, 5> answer{};
    CHECK(::recv(one.get(), answer.data(), answer.size(), MSG_WAITALL) == 5);
}

TEST_CASE("a service's name may be written in any case", "[ours][addresses]") {
    for (const auto* name : {"http", "HTTP", "Http"}) { // 80, which may be taken or forbidden
        const auto result = run_with({"--listen", fmt::format("192.0.2.77:{}", name)});
        CHECK(result.ended.to_string() == "exit status 1");
        CHECK(result.err == "listen tcp 192.0.2.77:80: bind: cannot assign requested address\n");
    }
}

TEST_CASE("a port may have a sign", "[ours][addresses]") {
    const auto port = free_port();
    const auto server = start_with("", fmt::format("127.0.0.1:+0{}", port));
    CHECK(server->address() == fmt::format("127.0.0.1:{}", port));
    client(server->where()).echo("hello");
}

TEST_CASE("a Unix socket's file is gone after a stop", "[ours][addresses]") {
    const temporary_directory directory;
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto path = directory.file("echo.sock");
        const auto server = start_with("", "unix:" + path);
        CHECK(server->address() == "unix:" + path);
        client one(server->where());
        one.exchange({.bytes = pattern(1), .size = 300'000, .half_close = true});
        CHECK(fs::is_socket(path));
        CHECK(server->stop(signal).ok());
        CHECK_FALSE(fs::exists(path));
    }
}

TEST_CASE("an abstract Unix socket has no file", "[ours][addresses]") {
    const auto name = fmt::format("unix:@echo-test-{}", free_port());
    const auto server = start_with("", name);
    CHECK(server->address() == name);
    client one(server->where());
    one.exchange({.bytes = pattern(1), .size = 300'000, .half_close = true});
    CHECK_FALSE(fs::exists(name.substr(5)));
    CHECK(server->stop(SIGTERM).ok());
    CHECK(refuses(parse_endpoint(name)));
}

TEST_CASE("a Unix socket that is in use is left alone", "[ours][addresses]") {
    const temporary_directory directory;
    const auto path = directory.file("echo.sock");
    const auto first = start_with("", "unix:" + path);
    const auto result = run_with({"--listen", "unix:" + path});
    CHECK(result.ended.to_string() == "exit status 1");
    CHECK(result.out == "");
    CHECK(result.err == fmt::format("listen unix {}: bind: address already in use\n", path));
    CHECK(fs::is_socket(path));
    client(first->where()).echo("the first goes on");
}

TEST_CASE("the same port can be had again at once after a stop", "[ours][addresses]") {
    auto first = start_with("");
    const auto address = first->address();
    client open(first->where()); // its end is what stays in TIME_WAIT when the server closes first
    open.echo("hello");
    CHECK(first->stop(SIGTERM).ok());
    const auto second = start_with("", address);
    CHECK(second->address() == address);
    client(second->where()).echo("hello again");
}
