/// \file
/// A short read of a TCP socket proves that nothing is left, unless it stopped at urgent data or in
/// front of the stream's end: stage 4's fd waits then without another try, and must never wait for
/// bytes that have already arrived (Go issue 8891).

#include "harness/catch.hpp"
#include "stage4_tools.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

using namespace stage4_tests;

namespace {

/// Sets whether urgent bytes are part of our stream: SO_OOBINLINE.
void set_inline(const connection& c, bool is_inline) {
    const int on = is_inline ? 1 : 0;
    harness::check(::setsockopt(c.ours.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), "inline");
}

/// A conversation that is driven step by step: the peer sends, the poller delivers, we read.
///
///     letter  the peer sends it     d  the poller delivers the events
///     !       an urgent byte        r  one read, unless one waits already
///     $       the stream's end
class script {
public:
    script(bool is_inline, std::size_t size) : size_(size) { set_inline(c_, is_inline); }
    script(const script&) = delete;
    script& operator=(const script&) = delete;
    ~script() { reset(c_.theirs); } // no TIME_WAIT: there are thousands of scripts

    void run(std::string_view steps) {
        for (const char step : steps) take(step);
    }

    /// Reads until `count` bytes are there, then sends the end and reads it. \return all bytes
    std::string read_rest(std::size_t count) {
        while (got_.size() < count && !ended_) add_next();
        take('$');
        while (!ended_) add_next();
        return got_;
    }

private:
    void add_next() { add(waits_ ? c_.read_to_its_end(size_) : c_.read(size_)); }

    void take(char step) {
        if (step == 'd') return deliver(*c_.poll);
        if (step == 'r') return read();
        if (end_sent_) return;
        end_sent_ = step == '$';
        if (end_sent_) return c_.send_end();
        c_.send({&step, 1}, step == '!' ? MSG_OOB : 0);
        c_.all_arrived();
    }

    void read() {
        if (waits_ && c_.reader.wakes == wakes_) return;
        add(c_.read(size_));
    }

    void add(const std::string& result) {
        waits_ = result == pending;
        wakes_ = c_.reader.wakes;
        ended_ = result == "EOF";
        if (waits_ || ended_) return;
        got_ += result;
        std::erase(got_, '!'); // in the stream if it is inline, or was replaced by a second one
    }

    connection c_;
    std::size_t size_;
    std::string got_;
    bool waits_ = false, ended_ = false, end_sent_ = false;
    int wakes_ = 0;
};

/// The n-th script of `length` steps.
std::string steps_of(std::size_t n, std::size_t length) {
    constexpr std::string_view kinds = "x!$dr";
    std::string steps;
    for (std::size_t i = 0; i < length; ++i, n /= kinds.size()) steps += kinds[n % kinds.size()];
    for (char letter = 'A'; char& step : steps)
        if (step == 'x') step = letter++;
    return steps;
}

/// What a reader must get in the end.
std::string bytes_of(std::string_view steps) {
    std::string bytes(steps.substr(0, steps.find('$')));
    std::erase_if(bytes, [](char step) { return step < 'A' || step > 'Z'; });
    return bytes;
}

} // namespace

TEST_CASE("stage4: in every order of bytes, urgent bytes, events and reads, no byte is waited for "
          "that has come") {
    constexpr std::size_t length = 5, count = 5 * 5 * 5 * 5 * 5;
    for (const bool is_inline : {false, true})
        for (std::size_t n = 0; n < count; ++n) {
            const auto steps = steps_of(n, length);
            INFO(steps << (is_inline ? ", inline" : ""));
            script one(is_inline, 1000);
            one.run(steps);
            REQUIRE(one.read_rest(bytes_of(steps).size()) == bytes_of(steps));
        }
}

TEST_CASE("stage4: small reads around urgent data lose nothing") {
    for (const bool is_inline : {false, true})
        for (std::size_t size = 1; size <= 3; ++size)
            for (const auto* const steps :
                 {"AB!CDdrrr", "rABC!DdrE!Fdrr", "!dAr", "rd!drABdr", "A!!Bdrrr", "r!dArdB!dr"}) {
                INFO(steps << ", " << size);
                script one(is_inline, size);
                one.run(steps);
                CHECK(one.read_rest(bytes_of(steps).size()) == bytes_of(steps));
            }
}

TEST_CASE("stage4: a read that has drained the socket is followed by none that fails") {
    connection c;
    REQUIRE(c.read() == pending);
    for (int i = 0; i < 3; ++i) {
        c.send("message");
        REQUIRE(c.read_to_its_end(1000) == "message");
        c.send("unseen"); // a call that tried would get it
        c.all_arrived();
        CHECK(c.read() == pending);
        CHECK(c.read_to_its_end(1000) == "unseen");
        CHECK(c.read() == pending);
    }
}

TEST_CASE("stage4: a read of exactly the buffer's size does not prove that nothing is left") {
    connection c;
    REQUIRE(c.read() == pending);
    c.send("12345678");
    c.all_arrived();
    REQUIRE(woken(*c.poll, c.reader));
    CHECK(c.read(4) == "1234");
    CHECK(c.read(4) == "5678");
    CHECK(c.read(4) == pending);
    c.send("9");
    CHECK(c.read_to_its_end(4) == "9");
}

TEST_CASE("stage4: an urgent byte alone wakes nobody, and from then on every read tries") {
    connection c;
    REQUIRE(c.read() == pending);
    c.send("!", MSG_OOB);
    c.all_arrived();
    deliver(*c.poll);
    CHECK(c.reader.wakes == 0);
    c.send("on");
    CHECK(c.read_to_its_end(1000) == "on");
    c.send("unseen");
    c.all_arrived();
    CHECK(c.read() == "unseen"); // no event has told of it
}

TEST_CASE("stage4: an end or a reset that comes after a short read ends the wait") {
    for (const bool is_delivered : {false, true}) { // before the next read
        connection c;
        c.send("data");
        arrives(c.ours.get(), POLLIN);
        deliver(*c.poll);
        CHECK(c.read(1000) == "data");
        c.send_end();
        arrives(c.ours.get(), POLLRDHUP);
        if (is_delivered) deliver(*c.poll);
        CHECK(c.read_to_its_end() == "EOF");
        CHECK(c.read_to_its_end() == "EOF");

        connection other;
        other.send("data");
        arrives(other.ours.get(), POLLIN);
        deliver(*other.poll);
        CHECK(other.read(1000) == "data");
        reset(other.theirs);
        arrives(other.ours.get(), POLLHUP);
        if (is_delivered) deliver(*other.poll);
        CHECK(other.read_to_its_end() == "read: connection reset by peer");
        CHECK(other.read_to_its_end() == "EOF");
    }
}

TEST_CASE("stage4: a Unix socket stops between messages, so each read tries") {
    connection c(transport::unix_socket);
    for (int i = 0; i < 2; ++i) {
        c.send("unseen");
        CHECK(c.read(1000) == "unseen");
    }
}

TEST_CASE("stage4: a read of nothing takes no event away from the next one") {
    connection c;
    c.send("first");
    arrives(c.ours.get(), POLLIN);
    deliver(*c.poll);
    CHECK(c.read(1000) == "first");
    CHECK(c.read(0) == "nothing");
    CHECK(c.read() == pending);
    c.send("second");
    CHECK(c.read_to_its_end(1000) == "second");
    c.send("third");
    c.all_arrived();
    deliver(*c.poll);
    CHECK(c.read(0) == "nothing");
    CHECK(c.read(1000) == "third");
}
