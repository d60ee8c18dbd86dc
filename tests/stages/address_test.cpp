/// \file
/// Addresses as people write them and as the kernel takes them. Stage 1's, and so every stage's:
/// the file is carried over.

#include "harness/catch.hpp"
#include "stage1_blocking/net/op_error.hpp"
#include "stage1_blocking/net/resolve.hpp"

#include <net/if.h>

#include <map>
#include <string>

using stage1::parse_endpoint;
using stage1::printable;
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
        {"127.0.0.1:nosuch", "lookup tcp/nosuch: unknown port"},
        {"127.0.0.1:NoSuch", "lookup tcp/NoSuch: unknown port"},
    };
    for (const auto& [text, error] : wrong) {
        const auto where = parse_endpoint("tcp", text);
        REQUIRE_FALSE(where);
        CHECK(where.error() == error);
    }
    CHECK(parse_endpoint("udp", ":80").error() == "unknown network udp");
    CHECK(parse_endpoint("unix", "").error() == "address : missing path");
}

TEST_CASE("stage1: a port is a number that may have a sign, and no other text is a number") {
    const std::map<std::string, int> right{{"", 0},     {"0", 0},           {"-0", 0},
                                           {"+0", 0},   {"+20124", 20124},  {"+65535", 65535},
                                           {"080", 80}, {"00020124", 20124}};
    for (const auto& [text, port] : right) {
        INFO("port '" << text << "'");
        const auto where = parse_endpoint("tcp", "127.0.0.1:" + text);
        REQUIRE(where);
        CHECK(where->port == port);
    }
    for (const std::string text :
         {"65536", "+65536", "+99999", "-1", "-80", "-99999", "4294967376", "18446744073709551696",
          "+99999999999999999999999", "-99999999999999999999999"})
        CHECK(resolved("tcp", "127.0.0.1:" + text) == "address " + text + ": invalid port");
    for (const std::string text : {" 80", "\t80", "\n80", "80 ", " ", "+ 80", "++80", "+-80",
                                   "0x50", "80x", "8_0", "+http", " http", "http ", "\u0663"})
        CHECK(resolved("tcp", "127.0.0.1:" + text) ==
              "lookup tcp/" + printable(text) + ": unknown port");
}

TEST_CASE("stage1: a service's name may be written in any case") {
    for (const std::string name : {"http", "HTTP", "Http"})
        CHECK(parse_endpoint("tcp", "127.0.0.1:" + name)->port == 80);
    CHECK(parse_endpoint("tcp", "127.0.0.1:SSH")->port == 22);
}

TEST_CASE("stage1: what is no IP address to Go is none here, either, and is not looked up") {
    for (const std::string host :
         {"127.0.0.010", "127.0.0.01",   "0127.0.0.1",  "127.0.0.00",   "0.0.0.00",
          "127.1",       "127.0.1",      "0x7f.1",      "0x7f.0.0.1",   "0x7f000001",
          "2130706433",  "017700000001", "0",           "00",           "1",
          "127.0.0.256", "127.0.0.1.1",  "127.0.0.1.",  "127.0.0.1%lo", "localhost%lo",
          " 127.0.0.1",  "127.0.0.1 ",   "127.0.0.1\tx"})
        for (const auto why : {purpose::listen, purpose::dial})
            CHECK(resolved("tcp", host + ":0", why) ==
                  "lookup " + printable(host) + ": no such host");
    for (const std::string host : {"1::2::3", "::g", "::12345", "::ffff:127.0.0.010", "%lo", "1:2"})
        CHECK(resolved("tcp", "[" + host + "]:0") == "lookup " + host + ": no such host");
    CHECK(resolved("tcp", "[127.0.0.1]:0") == "127.0.0.1:0");
    CHECK(resolved("tcp6", "127.0.0.1:0") == "address 127.0.0.1: no suitable address");
}

TEST_CASE("stage1: an IPv6 address may have a zone: an interface's name, or its index") {
    const auto lo = ::if_nametoindex("lo");
    const auto index = std::to_string(lo);
    const auto scope = [](const std::string& host) {
        const auto found = resolve(*parse_endpoint("tcp", "[" + host + "]:80"), purpose::dial);
        REQUIRE(found);
        return found->front().in6.sin6_scope_id;
    };
    for (const std::string ip : {"::1", "fe80::1", "ff02::1", "2001:db8::1"}) {
        INFO(ip);
        CHECK(scope(ip) == 0);
        CHECK(scope(ip + "%lo") == lo);
        CHECK(scope(ip + "%" + index) == lo);
        CHECK(scope(ip + "%4711") == 4711);
        CHECK(scope(ip + "%nosuch") == 0); // as in Go
        CHECK(scope(ip + "%") == 0);
        CHECK(resolved("tcp", "[" + ip + "%lo]:80") == "[" + ip + "%lo]:80");
        CHECK(resolved("tcp", "[" + ip + "%" + index + "]:80") == "[" + ip + "%lo]:80");
        CHECK(resolved("tcp", "[" + ip + "%4711]:80") == "[" + ip + "%4711]:80");
    }
    CHECK(resolved("tcp4", "[::1%lo]:80") == "address ::1%lo: no suitable address");
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
