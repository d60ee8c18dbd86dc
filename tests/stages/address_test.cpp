/// \file
/// Addresses as people write them and as the kernel takes them. Stage 1's, and so every stage's:
/// the file is carried over.

#include "harness/catch.hpp"
#include "stage1_blocking/address.hpp"

#include <map>

using stage1::parse_endpoint;
using stage1::purpose;
using stage1::resolve;

namespace {

std::string resolved(std::string_view network, std::string_view text,
                     purpose why = purpose::listen) {
    const auto where = parse_endpoint(network, text);
    if (!where) return where.error();
    const auto found = resolve(*where, why);
    return found ? found->front().to_string() : found.error();
}

} // namespace

TEST_CASE("stage1: what is wrong with an address is said in Go's words") {
    const std::map<std::string, std::string> wrong{
        {"8080", "address 8080: missing port in address"},
        {"", "address : missing port in address"},
        {"[::1]", "address [::1]: missing port in address"},
        {"[::1", "address [::1: missing ']' in address"},
        {"::1:80", "address ::1:80: too many colons in address"},
        {"1:2:3", "address 1:2:3: too many colons in address"},
        {"a]:80", "address a]:80: unexpected '[' or ']'"},
        {"127.0.0.1:65536", "address 65536: invalid port"},
        {"127.0.0.1:-1", "lookup tcp/-1: unknown port"},
        {"127.0.0.1:nosuch", "lookup tcp/nosuch: unknown port"},
    };
    for (const auto& [text, error] : wrong) {
        const auto where = parse_endpoint("tcp", text);
        REQUIRE_FALSE(where);
        CHECK(where.error() == error);
    }
    CHECK(parse_endpoint("udp", ":80").error() == "unknown network udp");
    CHECK(parse_endpoint("unix", "").error() == "address : missing path");
}

TEST_CASE("stage1: an address on the command line chooses its network by itself") {
    const auto tcp = parse_endpoint("localhost:http");
    REQUIRE(tcp);
    CHECK(tcp->network == "tcp");
    CHECK(tcp->host == "localhost");
    CHECK(tcp->port == 80);

    const auto path = parse_endpoint("unix:/run/a:b.sock");
    REQUIRE(path);
    CHECK(path->network == "unix");
    CHECK(path->host == "/run/a:b.sock");

    CHECK(parse_endpoint("[::1]:")->port == 0);
    CHECK(
        parse_endpoint("8080").error() ==
        "address 8080: missing port in address; write host:port, :port, [ipv6]:port or unix:path");
}

TEST_CASE("stage1: a listener of tcp4 or tcp6 keeps to its family, one of tcp serves both") {
    CHECK(resolved("tcp", ":80") == "[::]:80");
    CHECK(resolved("tcp", "0.0.0.0:80") == "[::]:80");
    CHECK(resolved("tcp", "[::]:80") == "[::]:80");
    CHECK(resolved("tcp4", ":80") == "0.0.0.0:80");
    CHECK(resolved("tcp6", ":80") == "[::]:80");
    CHECK(resolved("tcp", "127.0.0.1:80") == "127.0.0.1:80");
    CHECK(resolved("tcp", "[::1]:80") == "[::1]:80");
    CHECK(resolved("tcp4", "[::1]:80") == "address ::1: no suitable address");
    CHECK(resolved("tcp", "localhost:80") == "127.0.0.1:80"); // IPv4 is preferred

    const auto only = [](std::string_view network) {
        return resolve(*parse_endpoint(network, ":80"), purpose::listen)->front().ipv6_only;
    };
    CHECK(only("tcp6"));
    CHECK_FALSE(only("tcp"));
}

TEST_CASE("stage1: a client of the wildcard means this machine") {
    CHECK(resolved("tcp", ":80", purpose::dial) == "0.0.0.0:80");
    CHECK(resolved("tcp6", ":80", purpose::dial) == "[::]:80");
}

TEST_CASE("stage1: a Unix path leaves room for its end, an abstract name fills the array") {
    const std::string path107(107, 'p'), path108(108, 'p');
    CHECK(resolved("unix", path107) == path107);
    CHECK(resolved("unix", path108) == "address " + path108 + ": longer than 107 bytes");

    const std::string name108 = "@" + std::string(107, 'n');
    CHECK(resolved("unix", name108) == name108);
    CHECK(resolve(*parse_endpoint("unix", "@n"), purpose::listen)->front().length ==
          sizeof(sa_family_t) + 2);
}

TEST_CASE("stage1: an IPv4 client of a dual-stack socket reads as IPv4") {
    stage1::address mapped;
    mapped.in6.sin6_family = AF_INET6;
    mapped.in6.sin6_addr.s6_addr[10] = mapped.in6.sin6_addr.s6_addr[11] = 0xff;
    mapped.in6.sin6_addr.s6_addr[12] = 127;
    mapped.in6.sin6_addr.s6_addr[15] = 1;
    mapped.length = sizeof mapped.in6;
    CHECK(mapped.to_string() == "127.0.0.1:0");
}
