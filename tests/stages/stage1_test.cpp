/// \file
/// What a thread per connection is good at and bad at.

#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

/// Address space that a process uses, in bytes.
rlim_t address_space(pid_t pid) {
    std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
    rlim_t pages = 0;
    REQUIRE(statm >> pages);
    return pages * 4096;
}

} // namespace

TEST_CASE("stage1: with one client at a time, the second waits until the first has left") {
    const auto server = harness::server::ours(harness::stage_program(1, "one_at_a_time"), {});
    harness::client first(server->where());
    first.echo("first");
    harness::client second(server->where()); // the kernel connects it: the backlog's doing
    second.send_all("second");
    first.echo("still there");
    CHECK(second.receive_some(6).empty());
    first.close();
    CHECK(second.receive_exactly(6) == "second");
}

TEST_CASE("stage1: each client has a thread, and it ends with the client") {
    const auto server = harness::server::ours(harness::stage_program(1), {});
    const auto threads = [&] { return harness::thread_count(server->pid()); };
    harness::client first(server->where());
    first.echo("by now everything has started that is there without clients");
    const auto with_one = threads();
    {
        std::vector<harness::client> clients;
        for (int i = 0; i < 20; ++i) clients.emplace_back(server->where()).echo("hello");
        CHECK(threads() == with_one + 20);
    }
    CHECK(harness::wait_for([&] { return threads() == with_one; }));
}

TEST_CASE("stage1: when there is no memory for a thread, only the new client is lost") {
    if (harness::sanitized) {
        WARN("skipped: a sanitizer ends where memory does");
        return;
    }
    if (harness::emulated) { // qemu takes 8 MB of it for each thread
        std::puts("LEFT OUT: most of the address space is its emulator's");
        return;
    }
    const auto server = harness::server::ours(harness::stage_program(1), {});
    harness::client old(server->where());
    old.echo("before");
    const auto space = address_space(server->pid()) + 1'000'000; // for about ten stacks
    const rlimit limit{space, space};
    REQUIRE(::prlimit(server->pid(), RLIMIT_AS, &limit, nullptr) == 0);

    std::vector<harness::client> served;
    std::size_t lost = 0;
    for (int i = 0; i < 40 && lost < 3; ++i) {
        harness::client client(server->where());
        try {
            client.echo("hello");
            served.push_back(std::move(client));
        } catch (const harness::failure&) {
            ++lost;
        }
    }
    CHECK(lost == 3);
    CHECK(served.size() > 0);
    old.echo("after");
    for (auto& client : served) client.echo("after");
    CHECK(server->err().find("pthread_create") != std::string::npos);

    served.clear(); // and as soon as there is room again, it accepts again
    CHECK(harness::wait_for([&] {
        try {
            harness::client(server->where()).echo("again");
            return true;
        } catch (const harness::failure&) {
            return false;
        }
    }));
    CHECK(server->stop(SIGTERM).ok());
}
