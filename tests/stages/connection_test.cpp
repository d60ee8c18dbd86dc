/// \file
/// The state machine that stands in for a thread, driven by hand over a socket pair. Stage 2's,
/// and so stage 3's: the file is carried over.

#include "harness/catch.hpp"
#include "harness/unique_fd.hpp"
#include "stage2_nonblocking/connection.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

using stage2::interest;

namespace {

/// A connection with a client at the other end, whose kernel buffers are as small as they get.
class conversation {
public:
    conversation() : connection_(make()) {}

    stage2::connection& server() { return connection_; }
    void advance() { connection_.advance(buffer_); }
    [[nodiscard]] int client() const { return client_.get(); }
    void send(std::string_view bytes) const {
        REQUIRE(::send(client(), bytes.data(), bytes.size(), 0) ==
                static_cast<ssize_t>(bytes.size()));
    }
    /// What the client has got by now.
    [[nodiscard]] std::string receive() const {
        std::string all;
        std::array<char, 4096> part;
        while (true) {
            const auto n = ::recv(client(), part.data(), part.size(), MSG_DONTWAIT);
            if (n <= 0) return all;
            all.append(part.data(), static_cast<std::size_t>(n));
        }
    }
    [[nodiscard]] bool client_at_end() const {
        char byte = 0;
        return ::recv(client(), &byte, 1, MSG_DONTWAIT) == 0;
    }

private:
    stage2::accepted make() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) ==
                0);
        client_ = harness::unique_fd(ends[0]);
        const int smallest = 1; // the kernel takes a few KiB for it
        ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
        return {stage2::unique_fd(ends[1]), {}};
    }

    harness::unique_fd client_;
    std::vector<char> buffer_ = std::vector<char>(64 * 1024);
    stage2::connection connection_;
};

} // namespace

TEST_CASE("stage2: a connection that owes nothing waits to read") {
    conversation c;
    CHECK(c.server().wanted_events() == interest::read);
    c.advance(); // nothing there: EAGAIN is no news
    CHECK(c.server().wanted_events() == interest::read);
    c.send("hello");
    c.advance();
    CHECK(c.receive() == "hello");
    CHECK(c.server().wanted_events() == interest::read);
}

TEST_CASE("stage2: a connection that owes bytes waits to write, and reads nothing meanwhile") {
    conversation c;
    const std::string message(60000, 'm');
    c.send(message);
    c.advance();
    CHECK(c.server().wanted_events() == interest::write);
    c.send("more");
    c.advance(); // the client has taken nothing yet
    CHECK(c.server().wanted_events() == interest::write);

    std::string got;
    while (c.server().wanted_events() == interest::write) {
        got += c.receive();
        c.advance();
    }
    got += c.receive();
    CHECK(got == message); // "more" is still in the kernel
    c.advance();
    CHECK(c.receive() == "more");
}

TEST_CASE("stage2: end of file closes a connection that owes nothing") {
    conversation c;
    REQUIRE(::shutdown(c.client(), SHUT_WR) == 0);
    c.advance();
    CHECK(c.server().is_closed());
}

TEST_CASE("stage2: end of file behind owed bytes is seen when they are paid") {
    conversation c;
    const std::string message(60000, 'm');
    c.send(message);
    REQUIRE(::shutdown(c.client(), SHUT_WR) == 0);
    c.advance();
    std::string got;
    while (!c.server().is_closed()) {
        got += c.receive();
        c.advance();
    }
    CHECK(got + c.receive() == message);
}

TEST_CASE("stage2: finishing lets go of who is owed nothing, and pays the others first") {
    conversation idle;
    idle.server().finish();
    CHECK(idle.client_at_end());
    CHECK(idle.server().is_closed());

    conversation owed;
    const std::string message(60000, 'm');
    owed.send(message);
    owed.advance();
    owed.server().finish();
    CHECK(owed.server().wanted_events() == interest::write);
    std::string got;
    while (owed.server().wanted_events() == interest::write) {
        got += owed.receive();
        owed.advance();
    }
    CHECK(got + owed.receive() == message);
    CHECK(owed.client_at_end());
    owed.server().finish(); // nobody tells that the client has everything: we look again
    CHECK(owed.server().is_closed());
}

TEST_CASE("stage2: a client that vanishes while it is owed bytes closes the connection") {
    conversation c;
    c.send(std::string(60000, 'm'));
    c.advance();
    REQUIRE(c.server().wanted_events() == interest::write);
    ::shutdown(c.client(), SHUT_RDWR);
    c.advance(); // EPIPE, and no SIGPIPE
    CHECK(c.server().is_closed());
}
