/// \file
/// The address parser: it takes anything without harm, and what it accepts can be written down
/// and read again as the same.

#include "fuzz/fuzz.hpp"
#include "stage3_epoll_lt/net/resolve.hpp"

#include <string>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using stage3::parse_endpoint;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto read = parse_endpoint(text);
    if (!read) {
        fuzz::must(!read.error().empty(), "an error says nothing");
        return 0;
    }
    if (read->network == "unix") {
        fuzz::must(text == "unix:" + read->host && !read->host.empty(), "another path");
        return 0;
    }
    fuzz::must(read->network == "tcp", "another network");
    fuzz::must(read->host.find_first_of("[]") == std::string::npos, "a bracket in a host");
    const auto host = read->host.find(':') != std::string::npos ? "[" + read->host + "]"
                                                                : read->host;
    const auto again = parse_endpoint("tcp", host + ":" + std::to_string(read->port));
    fuzz::must(again && again->host == read->host && again->port == read->port,
               "written down and read again it is another");
    return 0;
}
