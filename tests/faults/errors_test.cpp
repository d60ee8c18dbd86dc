/// \file
/// A connection breaks in mid-stream, at a read or at a write, with whatever the network has to
/// say: that connection ends, and no other notices. And a client's own connecting fails.

#include "faults/faulty.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>

using namespace faults_tests;
using namespace harness;

TEST_CASE("a read that finds a reset ends that connection only") {
    cuts_off_some("recv:econnreset=2@1");
}

TEST_CASE("a read that finds a timeout ends that connection only") {
    cuts_off_some("recv:etimedout=2@1");
}

TEST_CASE("a read that finds no connection ends that connection only") {
    cuts_off_some("recv:enotconn=2@1");
}

TEST_CASE("a read that finds the host unreachable ends that connection only") {
    cuts_off_some("recv:ehostunreach=2@1");
}

TEST_CASE("a read that finds no memory ends that connection only") {
    cuts_off_some("recv:enomem=2@1");
}

TEST_CASE("a write that finds a broken pipe ends that connection only") {
    cuts_off_some("send:epipe=2@1");
}

TEST_CASE("a write that finds a reset ends that connection only") {
    cuts_off_some("send:econnreset=2@1");
}

TEST_CASE("a write that finds a timeout ends that connection only") {
    cuts_off_some("send:etimedout=2@1");
}

TEST_CASE("a write that finds the network down ends that connection only") {
    cuts_off_some("send:enetdown=2@1");
}

TEST_CASE("a write that finds no buffers ends that connection only") {
    cuts_off_some("send:enobufs=2@1");
}

TEST_CASE("a write that falls short and then fails ends that connection only") {
    cuts_off_some("send:epipe=2@1 send:short=0.5");
}

TEST_CASE("reads and writes that break among short and spurious ones end those connections only") {
    cuts_off_some("recv:econnreset=2@3 send:epipe=2@3 recv:short=0.5 recv:eagain=0.2 "
                  "send:short=0.5 send:eagain=0.2 recv:eintr=0.1",
                  {.clients = 16});
}

TEST_CASE("a read that breaks at each point of a conversation cuts it off there") {
    for (const auto& which : stages()) {
        for (const int good : {0, 1, 2, 3}) {
            // The first accepted is the bystander, whom every=2 spares; one client at a time.
            const auto script = fmt::format("every=2 recv:econnreset=1@{}", good);
            INFO(which.name() << " with FAULTS='" << script << "'");
            trial one(which, script);
            std::size_t echoes = 0;
            bool was_cut = false;
            try {
                client cut(one.server->where()); // which may be over before it is there
                for (; echoes < 10; ++echoes) cut.echo("a message");
            } catch (const std::exception&) {
                was_cut = true;
            }
            CHECK(was_cut);
            CHECK(echoes <= static_cast<std::size_t>(good));
            CHECK(one.server.struck() == 1);
            one.finish();
        }
    }
}

TEST_CASE("a limit of descriptors that is lowered while clients are there costs them nothing") {
    for (const auto& which : stages()) {
        if (which.stage == 2) continue; // poll(2) refuses more descriptors than the limit
        INFO(which.name());
        trial one(which, "");
        std::vector<client> there;
        for (int i = 0; i < 40; ++i) there.emplace_back(one.server->where()).echo("before");
        rlimit usual{};
        check(::prlimit(one.server->pid(), RLIMIT_NOFILE, nullptr, &usual), "prlimit");
        const rlimit fewer{16, usual.rlim_max};
        check(::prlimit(one.server->pid(), RLIMIT_NOFILE, &fewer, nullptr), "prlimit");
        for (auto& each : there) each.echo("after", milliseconds(2000) * patience);
        there.clear();
        check(::prlimit(one.server->pid(), RLIMIT_NOFILE, &usual, nullptr), "prlimit");
        client(one.server->where()).echo("a new one");
        one.finish();
    }
}

TEST_CASE("a system without epoll_pwait2 still keeps its timeouts") {
    for (const auto& which : stages(4))
        for (const auto* const error : {"enosys", "eperm"}) { // an old kernel, a sandbox
            INFO(which.name() << " " << error);
            const auto variant = faults_tests::variant{
                which.stage, which.arguments + fmt::format(" --idle-timeout {}ms", 60 * patience)};
            faulty_server server(variant, fmt::format("epoll_pwait2:{}=1.0", error));
            for (int i = 0; i < 3; ++i) {
                const auto since = steady::now();
                client idle(server->where());
                idle.expect_end();
                CHECK(steady::now() - since >= milliseconds(60 * patience));
            }
            CHECK(server.struck() == 1); // it is asked once, and believed
            CHECK(server->stop(SIGTERM).ok());
        }
}

TEST_CASE("a signal every 100 microseconds makes no timeout early, and none fail to come") {
    for (auto which : stages(4)) {
        INFO(which.name());
        which.arguments += fmt::format(" --idle-timeout {}ms", 60 * patience);
        faulty_server server(which, "timer=100");
        for (int i = 0; i < 3; ++i) {
            const auto since = steady::now();
            client idle(server->where());
            idle.echo("hello");
            idle.expect_end();
            CHECK(steady::now() - since >= milliseconds(60 * patience));
        }
        CHECK(server->stop(SIGTERM).ok());
    }
}

TEST_CASE("a script that can't be read is one line, and the end") {
    const std::string bad[] = {
        "recv",           "recv:short",   "recv:nothing=1", "nobody:short=0.5",
        "recv:short=1.5", "recv:short=0", "seed=x",         "every=0",
        "connected=x",    "least=-1",     "from=",          "getaddrinfo:eai_nothing=1"};
    for (const auto& word : bad) {
        const auto result = run_with_faults("recv:short=0.5 " + word, {"/bin/true"});
        CHECK(result.ended.to_string() == "exit status 2");
        CHECK(result.err == fmt::format("fault_injector: {} in FAULTS can't be read\n", word));
    }
    CHECK(run_with_faults("recv:short=0.5  send:epipe=2@3 timer=1000", {"/bin/true"}).ended.ok());
}
