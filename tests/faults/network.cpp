/// \file
/// unshare(2), setns(2), and ip(8) for the cable: a pair of virtual interfaces.

#include "faults/network.hpp"

#include "harness/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <exception>
#include <fstream>
#include <optional>
#include <system_error>
#include <thread>

using namespace harness;

namespace faults_tests {
namespace {

constexpr const char* near_address = "10.99.0.1";
constexpr const char* far_address = "10.99.0.2";
constexpr const char* near_card = "02:00:00:00:00:01";
constexpr const char* far_card = "02:00:00:00:00:02";

void ip(const std::string& words) {
    child command(split_words("ip " + words));
    const auto ended = command.wait_exit();
    if (!ended || !ended->ok()) throw failure("ip " + words + ": " + command.err());
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    if (!(file << text << std::flush)) throw failure("can't write " + path);
}

/// As root, or as root of a user namespace, where the system lets anybody have one.
void leave_our_network() {
    if (::unshare(CLONE_NEWNET) == 0) return;
    const auto user = ::getuid();
    const auto group = ::getgid();
    check(::unshare(CLONE_NEWUSER | CLONE_NEWNET), "unshare");
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", fmt::format("0 {} 1", user));
    write_file("/proc/self/gid_map", fmt::format("0 {} 1", group));
}

/// Runs something in a thread of its own, which may go to another network.
void apart(const std::function<void()>& what) {
    std::exception_ptr thrown;
    std::thread([&] {
        try {
            what();
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown) std::rethrow_exception(thrown);
}

} // namespace

network::network() {
    leave_our_network();
    apart([this] {
        check(::unshare(CLONE_NEWNET), "unshare");
        far_ = unique_fd(check(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "open"));
    });
    const auto far = fmt::format("/proc/{}/fd/{}", ::getpid(), far_.get());
    ip("link set lo up");
    ip(fmt::format("link add near address {} type veth peer name far address {}", near_card,
                   far_card));
    ip("link set far netns " + far);
    ip(fmt::format("address add {}/24 dev near", near_address));
    ip("link set near up");
    // Without a fixed entry, the kernel would ask the network for the other end, and learn that it
    // is gone.
    ip(fmt::format("neighbour add {} lladdr {} dev near", far_address, far_card));
    at_far_end([] { ip(fmt::format("address add {}/24 dev far", far_address)); });
    plug_in();
}

void network::at_far_end(const std::function<void()>& what) const {
    apart([&] {
        check(::setns(far_.get(), CLONE_NEWNET), "setns");
        what();
    });
}

endpoint network::near_end(std::uint16_t port) {
    return parse_endpoint(fmt::format("{}:{}", near_address, port));
}

void network::unplug() const {
    at_far_end([] { ip("link set far down"); });
}

void network::plug_in() const {
    at_far_end([] {
        ip("link set far up");
        ip(fmt::format("neighbour replace {} lladdr {} dev far", near_address, near_card));
    });
}

const network* try_network() {
    static std::optional<network> made;
    static std::string why_not;
    if (!made && why_not.empty()) {
        try {
            made.emplace();
        } catch (const std::exception& error) {
            why_not = error.what();
        }
    }
    if (made) {
        made->plug_in();
        return &*made;
    }
    fmt::print("LEFT OUT: no network of our own to unplug: {}\n", why_not);
    return nullptr;
}

} // namespace faults_tests
