/// \file
/// The stages' clients: looking a name up, connecting and the conversation fail or fall short at
/// every call. The user gets the whole answer and status 0, or one line that says why and status 1;
/// never silence, half an answer that looks whole, or a program that does not end.

#include "faults/faulty.hpp"
#include "harness/programs.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>

using namespace faults_tests;
using namespace harness;

namespace {

using named_texts = std::vector<std::pair<const char*, const char*>>;

/// The stages that have a client.
std::vector<variant> client_stages(int first = 1) {
    auto all = stages(first);
    std::erase_if(all, [](const variant& which) { return which.stage == 3 || which.stage == 4; });
    return all;
}

/// A stage's own server without faults, and something to say to it.
class stage_with_client {
public:
    explicit stage_with_client(const variant& which, std::size_t size = 300'000)
        : which_(which),
          server_(server::ours(stage_program(which.stage), split_words(which.arguments))),
          text(pattern(seed()).text(size)) {
        std::ofstream(directory_.file("input"), std::ios::binary) << text;
    }

    [[nodiscard]] const std::string& address() const { return server_->address(); }
    /// Runs the client to its end. \throws failure if it does not come to one
    outcome run(const std::string& script, std::string to = "") {
        if (to.empty()) to = address();
        return run_with_faults(script, {stage_program(which_.stage, "client"), to}, must_happen,
                               {.input = directory_.file("input")});
    }
    std::string to_name() const { return fmt::format("localhost:{}", server_->port()); }

private:
    variant which_;
    temporary_directory directory_;
    std::unique_ptr<server> server_;

public:
    const std::string text; ///< what the client is given to send
};

void check_one_line(const outcome& result) {
    CHECK(result.ended.to_string() == "exit status 1");
    CHECK(std::ranges::count(result.err, '\n') == 1);
    CHECK(result.err.ends_with('\n'));
}

void completes(const std::string& script, int first = 1) {
    for (const auto& which : client_stages(first)) {
        INFO(which.name() << " with FAULTS='" << script << "'");
        stage_with_client one(which);
        const auto result = one.run(script);
        CHECK(result.ended.to_string() == "exit status 0");
        CHECK(result.err == "");
        CHECK(result.out.size() == one.text.size());
        CHECK((result.out == one.text)); // in parentheses: not to be printed
    }
}

/// \param cause what the line says after the address
void fails_to_connect(const std::string& script, const std::string& cause, int first = 1) {
    for (const auto& which : client_stages(first)) {
        INFO(which.name() << " with FAULTS='" << script << "'");
        stage_with_client one(which, 10);
        const auto result = one.run(script);
        CHECK(result.ended.to_string() == "exit status 1");
        CHECK(result.err == fmt::format("dial tcp {}: {}\n", one.address(), cause));
        CHECK(result.out == "");
    }
}

/// It breaks in the middle of the conversation: what was heard so far, and a line.
void is_cut_off(const std::string& script, const std::string& cause) {
    for (const auto& which : client_stages()) {
        INFO(which.name() << " with FAULTS='" << script << "'");
        stage_with_client one(which);
        const auto result = one.run(script);
        CHECK((one.text.starts_with(result.out)));
        INFO(result.out.size() << " bytes of " << one.text.size() << "; " << result.err);
        check_one_line(result);
        CHECK_THAT(result.err, contains(cause));
    }
}

const named_texts connect_errors = {{"econnrefused", "connection refused"},
                                    {"etimedout", "connection timed out"},
                                    {"enetunreach", "network is unreachable"},
                                    {"ehostunreach", "no route to host"},
                                    {"eaddrnotavail", "cannot assign requested address"}};

} // namespace

TEST_CASE("a client whose connect fails says why in one line") {
    for (const auto& [error, text] : connect_errors)
        fails_to_connect(fmt::format("connect:{}=9", error), fmt::format("connect: {}", text));
}

TEST_CASE("a client whose connect begins and then fails says why in one line") {
    for (const auto& [error, text] : connect_errors)
        fails_to_connect(fmt::format("connect:einprogress=9 getsockopt:{}=9", error),
                         fmt::format("connect: {}", text), 2);
}

TEST_CASE("a client that gets no socket says why in one line") {
    const named_texts errors = {{"emfile", "too many open files"},
                                {"enfile", "too many open files in system"},
                                {"enobufs", "no buffer space available"},
                                {"enomem", "cannot allocate memory"}};
    for (const auto& [error, text] : errors)
        fails_to_connect(fmt::format("socket:{}=9", error), fmt::format("socket: {}", text));
}

TEST_CASE("a client whose connect is interrupted waits for it, or says so in one line") {
    completes("connect:eintr=1", 2);
    completes("connect:eintr=1 poll:eintr=3 epoll_wait:eintr=3", 2);
    for (const auto& which : client_stages()) {
        if (which.stage != 1) continue;
        stage_with_client one(which); // no signal handler there: it can't happen to it
        const auto result = one.run("connect:eintr=1");
        check_one_line(result);
        CHECK_THAT(result.err, contains("connect: interrupted system call"));
    }
}

TEST_CASE("a client whose connect is refused an address twice by accident tries again") {
    completes("connect:eaddrnotavail=2", 5);
}

TEST_CASE("a client whose waiting is interrupted or short of memory waits on") {
    completes("poll:eintr=0.5 poll:enomem=3@2 epoll_wait:eintr=0.5");
}

TEST_CASE("a client whose wait reports what is not so is not misled") {
    completes("connected=1 epoll_wait:spurious=0.5 poll:spurious=0.5");
}

TEST_CASE("a client whose name can't be looked up says why in one line") {
    const named_texts errors = {{"eai_again", "temporary failure in name resolution"},
                                {"eai_fail", "non-recoverable failure in name resolution"},
                                {"eai_memory", "memory allocation failure"},
                                {"eai_noname", "no such host"},
                                {"eai_system", "system error"}};
    for (const auto& which : client_stages())
        for (const auto& [error, text] : errors) {
            INFO(which.name() << " " << error);
            stage_with_client one(which, 10);
            const auto result = one.run(fmt::format("getaddrinfo:{}=9", error), one.to_name());
            CHECK(result.ended.to_string() == "exit status 1");
            CHECK(result.err == fmt::format("dial tcp: lookup localhost: {}\n", text));
        }
}

TEST_CASE("a client that reads and writes little at a time gets everything") {
    completes("connected=1 recv:short=0.6 send:short=0.6");
    completes("connected=1 recv:eagain=0.3 send:eagain=0.3 recv:eintr=0.3 send:eintr=0.3");
    completes("connected=1 recv:short=0.4 send:short=0.4 recv:eagain=0.2 send:eagain=0.2 "
              "recv:eintr=0.2 send:eintr=0.2 poll:eintr=0.2 poll:spurious=0.2 epoll_wait:eintr=0.2 "
              "epoll_wait:spurious=0.2 epoll_wait:short=0.2");
}

TEST_CASE("a client whose reading breaks says why in one line") {
    for (const int good : {0, 1, 3})
        is_cut_off(fmt::format("connected=1 recv:econnreset=1@{}", good),
                   "connection reset by peer");
    is_cut_off("connected=1 recv:etimedout=1@1", "connection timed out");
}

TEST_CASE("a client whose writing breaks says why in one line") {
    for (const int good : {0, 1, 3})
        is_cut_off(fmt::format("connected=1 send:econnreset=1@{}", good),
                   "connection reset by peer");
    is_cut_off("connected=1 send:epipe=1@1", ": "); // a reader may hear of a reset before
}

/// Not injected: its server takes some, answers it, and resets while it has more to send.
TEST_CASE("a client whose server resets in the middle says so in one line") {
    for (const auto& which : client_stages()) {
        INFO(which.name());
        const temporary_directory directory;
        {
            std::ofstream input(directory.file("input"));
            for (int i = 0; i < 20; ++i) input << std::string(1'000'000, 'x');
        }
        const unique_fd listener(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        endpoint here = loopback4(0);
        check(::bind(listener.get(), here.get(), here.length), "bind");
        check(::listen(listener.get(), 1), "listen");
        check(::getsockname(listener.get(), here.get(), &here.length), "getsockname");
        child program(
            {stage_program(which.stage, "client"), fmt::format("127.0.0.1:{}", here.port())},
            {.input = directory.file("input")});

        unique_fd served(check(::accept(listener.get(), nullptr, nullptr), "accept"));
        std::string some(1000, '\0');
        check(::recv(served.get(), some.data(), some.size(), MSG_WAITALL), "recv");
        check(::send(served.get(), some.data(), some.size(), MSG_NOSIGNAL), "send");
        CHECK(wait_for([&] { return program.out() == some; }));
        const linger at_once{1, 0};
        ::setsockopt(served.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        served.reset();
        const auto ended = program.wait_exit();
        REQUIRE(ended);
        CHECK(program.out() == some);
        check_one_line({*ended, program.out(), program.err()});
        CHECK_THAT(program.err(), contains("connection reset by peer"));
    }
}

TEST_CASE("a client whose socket can't be watched says why in one line") {
    for (const auto& which : client_stages(5)) {
        stage_with_client one(which, 10);
        const auto result = one.run("connected=1 epoll_ctl:enospc=9");
        check_one_line(result);
        CHECK_THAT(result.err, contains("no space left on device"));
    }
}

TEST_CASE("a client that gets no thread says why in one line") {
    for (const auto& which : client_stages())
        for (const int good : {0, 1, 2}) {
            if (which.stage == 2 || (which.stage == 1 && good > 0)) continue; // has no more
            INFO(which.name() << " after " << good);
            stage_with_client one(which, 10);
            const auto result = one.run(fmt::format("pthread_create:eagain=9@{}", good));
            INFO(result.err);
            // The last thread may be one that there is no need of: then the answer is whole.
            if (result.ended.ok())
                CHECK(result.out == one.text);
            else
                check_one_line(result);
        }
}

/// A client that asks for memory again and again would not come to the end of the faults.
TEST_CASE("a client that runs out of memory says so in one line") {
    if (sanitized) {
        fmt::print("LEFT OUT: a sanitizer brings its own operator new\n");
        return;
    }
    for (const auto& which : client_stages()) {
        stage_with_client one(which);
        int without = 0;
        for (int good = 0; good < 24; ++good)
            for (const auto& to : {one.address(), one.to_name()}) {
                INFO(which.name() << " to " << to << ", after " << good);
                const auto result = one.run(
                    fmt::format("connected=1 malloc:enomem=1000000000000@{}", good), to);
                INFO(result.err);
                if (result.ended.ok()) { // it had enough
                    CHECK((result.out == one.text));
                } else {
                    check_one_line(result);
                    ++without;
                }
            }
        CHECK(without > 0);
    }
}
