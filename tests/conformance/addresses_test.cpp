/// \file
/// Where a server listens: what Go's net.Listen takes, and what the first line then says.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "harness/temporary_directory.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

using namespace conformance;
using namespace harness;
namespace fs = std::filesystem;

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
