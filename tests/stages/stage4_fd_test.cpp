/// \file
/// Stage 4's fd: reading, writing and closing over a real socket, with the poller turned by hand.
/// Each case is a subtlety of Go's internal/poll and its poller, with the number of the issue
/// (golang/go) from which it was learned, or the name of Go's own test for it.

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

using namespace stage4_tests;

namespace {

bool is_open(int number) {
    return ::fcntl(number, F_GETFD) >= 0;
}

/// The lowest number that is free, as the next call to open would get it.
int next_number() {
    const harness::unique_fd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return probe.get();
}

} // namespace

TEST_CASE("stage4: a read tries first, waits on EAGAIN, and is told when there is something") {
    for (const auto how : {transport::tcp, transport::unix_socket}) {
        connection c(how);
        c.send("at once");
        arrives(c.ours.get(), POLLIN);
        CHECK(c.read() == "at once");
        for (int i = 0; i < 3; ++i) {
            CHECK(c.read() == pending);
            c.send("later");
            CHECK(c.read_to_its_end() == "later");
        }
        c.send_end();
        CHECK(c.read_to_its_end() == "EOF");
        CHECK(c.read() == "EOF"); // and stays so
    }
}

TEST_CASE("stage4: bytes that come between a try and the wait are not waited for") {
    connection c;
    c.send("first");
    arrives(c.ours.get(), POLLIN);
    CHECK(c.read() == "first"); // and knows that nothing is left
    c.send("second");
    arrives(c.ours.get(), POLLIN);
    deliver(*c.poll); // the edge comes before the read
    CHECK(c.read() == "second");
    CHECK(c.read() == pending); // whose edge is spent
    c.send("third");
    CHECK(c.read_to_its_end() == "third");
}

TEST_CASE("stage4: not reading everything loses nothing, though no further edge comes") {
    connection c;
    c.send("abc");
    arrives(c.ours.get(), POLLIN);
    deliver(*c.poll);
    CHECK(c.read(1) == "a");
    CHECK(c.read(1) == "b");
    CHECK(c.read(1) == "c");
    CHECK(c.read(1) == pending);
}

TEST_CASE("stage4: one-byte reads of a big message reach the end that came with it "
          "(Go issue 8891)") {
    for (const auto how : {transport::tcp, transport::unix_socket}) {
        connection c(how);
        const std::string message(2000, 'x');
        c.send(message, how == transport::tcp ? MSG_MORE : 0);
        c.send_end(); // in the same segment
        arrives(c.ours.get(), POLLRDHUP);
        std::string got;
        for (auto part = c.read_to_its_end(1); part != "EOF"; part = c.read_to_its_end(1))
            got += part;
        CHECK(got == message);
    }
}

TEST_CASE("stage4: an end that comes in one segment with the data is seen after a short read") {
    for (const bool parked : {false, true}) {
        connection c;
        if (parked) REQUIRE(c.read() == pending); // then one edge is about both
        c.send("the last words", MSG_MORE);
        c.send_end();
        arrives(c.ours.get(), POLLRDHUP);
        CHECK(c.read_to_its_end(1000) == "the last words");
        if (parked) CHECK(c.read() == "EOF"); // without waiting: no further edge will come
        CHECK(c.read_to_its_end() == "EOF");
    }
}

TEST_CASE("stage4: an end that comes after the edge for the data was delivered is seen") {
    connection c;
    REQUIRE(c.read() == pending);
    c.send("the last words");
    REQUIRE(woken(*c.poll, c.reader));
    c.send_end();
    arrives(c.ours.get(), POLLRDHUP);
    CHECK(c.read(1000) == "the last words");
    CHECK(c.read_to_its_end() == "EOF");
}

TEST_CASE("stage4: a read that stops at urgent data does not wait for what is behind it") {
    for (const bool parked : {false, true}) {
        connection c;
        if (parked) REQUIRE(c.read() == pending);
        c.send("before");
        c.send("!", MSG_OOB);
        c.send("behind");
        c.all_arrived(); // before the first read, which is short nevertheless
        CHECK(c.read_to_its_end(1000) == "before");
        CHECK(c.read_to_its_end(1000) == "behind"); // the urgent byte is out of band
        CHECK(c.read() == pending);
        c.send("on");
        CHECK(c.read_to_its_end() == "on");
    }
}

TEST_CASE("stage4: a reset behind data is told, as an error and not as an end "
          "(Go: TestNotTemporaryRead)") {
    connection c;
    REQUIRE(c.read() == pending);
    c.send("data");
    reset(c.theirs);
    arrives(c.ours.get(), POLLHUP);
    const auto first = c.read_to_its_end();
    if (first == "data") // else the reset has overtaken it, which TCP allows
        CHECK(c.read_to_its_end() == "read: connection reset by peer");
    else
        CHECK(first == "read: connection reset by peer");
    CHECK(c.read_to_its_end() == "EOF"); // the error is reported once, then the end of the stream
}

TEST_CASE("stage4: a read of nothing returns at once, unless it is closed (Go: TestZeroByteRead)") {
    connection c;
    CHECK(c.read(0) == "nothing");
    c.ours.set_deadline(direction::read, 1);
    CHECK(c.read(0) == "nothing"); // looked at before the deadline, as Go does
    c.ours.close();
    CHECK(c.read(0) == closed);
}

TEST_CASE("stage4: a write of nothing looks at the deadline only") {
    connection c;
    CHECK(c.write("") == done);
    c.ours.set_deadline(direction::write, 1);
    CHECK(c.write("") == timeout);
    c.ours.close();
    CHECK(c.write("") == closed);
}

TEST_CASE("stage4: a write waits for room, as often as needed, until all is taken") {
    for (const auto how : {transport::tcp, transport::unix_socket}) {
        connection c(how);
        const std::string message(1 << 20, 'm');
        std::string result = c.write(message), got;
        for (int wakes = 0; result == pending; result = c.write(message)) {
            CHECK(c.written < message.size());
            while (c.writer.wakes == wakes) {
                got += c.receive_all();
                c.poll->wait(ms);
            }
            wakes = c.writer.wakes;
        }
        CHECK(result == done);
        while (got.size() < message.size()) got += c.receive_all();
        CHECK(got == message);
    }
}

TEST_CASE("stage4: input and the peer's end do not wake who waits to write") {
    connection c;
    c.park_writer();
    c.send("input");
    arrives(c.ours.get(), POLLIN);
    deliver(*c.poll);
    CHECK(c.writer.wakes == 0);
    c.send_end();
    arrives(c.ours.get(), POLLRDHUP);
    deliver(*c.poll);
    CHECK(c.writer.wakes == 0);
    c.receive_all();
    CHECK(woken(*c.poll, c.writer)); // but room does
}

TEST_CASE("stage4: a reset wakes who waits to write, and the write keeps its count") {
    connection c;
    c.park_writer();
    const auto before = c.written;
    CHECK(before > 0);
    reset(c.theirs);
    REQUIRE(woken(*c.poll, c.writer));
    const std::string more(before + 1, 'm');
    CHECK(c.write(more) == "write: connection reset by peer");
    CHECK(c.written == before);
    c.written = 0;
    CHECK(c.write("x") == "write: broken pipe"); // and no SIGPIPE
}

TEST_CASE("stage4: a write that fails after a part of it was taken keeps the count") {
    connection c;
    let_fail(call::send, ECONNRESET, 1, 2); // after the first piece, and from then on
    CHECK(c.write(std::string(32 << 20, 'm')) == "write: connection reset by peer");
    CHECK(c.written > 0);
}

TEST_CASE("stage4: one call a direction: a second is refused, the other direction is free") {
    connection c;
    REQUIRE(c.read() == pending);
    CHECK(c.read() == "another call waits");
    c.park_writer();
    CHECK(c.write("more") == "another call waits");
    c.send("for the first");
    CHECK(c.read_to_its_end() != closed);
}

TEST_CASE("stage4: a close wakes both sides, and the number is kept until both have returned "
          "(Go: TestCloseUnblocksRead)") {
    connection c;
    REQUIRE(c.read() == pending);
    c.park_writer();
    const int number = c.ours.get();
    c.ours.close();
    CHECK(c.reader.wakes == 1); // at once, without the poller
    CHECK(c.writer.wakes == 1);
    CHECK(is_open(number));
    CHECK(c.read() == closed);
    CHECK(is_open(number));
    CHECK(next_number() != number);
    CHECK(c.write("m") == closed);
    CHECK_FALSE(is_open(number));
    CHECK(c.ours.get() == -1);
}

TEST_CASE("stage4: a close while the wake is on its way waits for it, too") {
    connection c;
    REQUIRE(c.read() == pending);
    c.send("just now");
    REQUIRE(woken(*c.poll, c.reader));
    const int number = c.ours.get();
    c.ours.close(); // before the reader runs
    CHECK(is_open(number));
    CHECK(c.reader.wakes == 1);
    CHECK(c.read() == closed);
    CHECK_FALSE(is_open(number));
}

TEST_CASE("stage4: a second close does no harm, nor does anything else on what is closed") {
    connection c;
    const int number = c.ours.get();
    c.ours.close();
    CHECK_FALSE(is_open(number)); // nobody was waiting
    const harness::unique_fd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(next.get() == number); // somebody else's now
    c.ours.close();
    c.ours.shutdown_write();
    c.ours.set_deadline(direction::read, 1); // Go: a no-op on what closes
    c.ours.set_deadline(direction::write, stage4::now() + second);
    CHECK(c.read() == closed);
    CHECK(c.write("x") == closed);
    CHECK(is_open(number));
    CHECK(c.poll->timer_count() == 0);
}

TEST_CASE("stage4: a close takes it out of the poller, though a child has the socket still") {
    connection c;
    const harness::unique_fd childs(::fcntl(c.ours.get(), F_DUPFD_CLOEXEC, 0)); // as good as one
    const int number = c.ours.get();
    c.ours.close();
    CHECK(registered(number).empty());
}

TEST_CASE("stage4: one who goes away wakes those who wait, and leaves nothing") {
    connection c;
    int number = -1;
    {
        stage4::fd moved(std::move(c.ours));
        number = moved.get();
        std::string buffer(10, ' ');
        REQUIRE(told(moved.read(buffer, c.reader), buffer) == pending);
    }
    CHECK(c.reader.wakes == 1);
    CHECK_FALSE(is_open(number));
    CHECK(registered(number).empty());
}
