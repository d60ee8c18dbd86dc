/// \file
/// Rungs 1 to 4: what a client gets back. None of these clients leaves before the rung is over, so
/// that a server which makes a mistake when one leaves stops at a rung about that.

#include "check/rungs.hpp"

#include <string>
#include <vector>

namespace check {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

/// The second of two clients waits for its answer. If it comes as soon as the first has left, that
/// is what is wrong.
void expect_answer_beside(scene& now, client& first, client& second, const std::string& line) {
    try {
        now.echo(second, line);
    } catch (const harness::wrong_answer& saw) {
        if (saw.what_happened != harness::wrong_answer::kind::too_late || saw.got > 0) throw;
        const double waited = now.waited();
        first.close();
        bool answered = false;
        try {
            answered = second.receive_exactly(line.size(), milliseconds(1000)) == line;
        } catch (const std::exception&) { // not then, either
        }
        if (answered) now.fail(texts::after_first_left, waited);
        throw;
    }
}

} // namespace

void climb_answers(scene& now) {
    now.doing(texts::one_line);
    auto one = now.come();
    now.echo(one, "hello\n");
    now.doing(texts::another_line);
    now.echo(one, "hello again\n");
}

void climb_two_at_once(scene& now) {
    now.doing(texts::one_line);
    auto first = now.come();
    now.echo(first, "hello\n");
    now.doing(texts::second_line);
    auto second = now.come();
    expect_answer_beside(now, first, second, "the second client\n");
    now.doing(texts::first_line_again);
    now.echo(first, "the first client again\n");

    now.doing(texts::thirty_lines);
    std::vector<client> many;
    for (int i = 0; i < 30; ++i) {
        many.push_back(now.come());
        now.echo(many.back(), "accepted\n");
    }
    const auto line_of = [](std::size_t i) { return fmt::format("client {} of thirty\n", 10 + i); };
    {
        const subject::hold all_at_once(now.server);
        for (std::size_t i = 0; i < many.size(); ++i) many[i].send_all(line_of(i), now.soon());
    }
    for (std::size_t i = 0; i < many.size(); ++i) now.expect_text(many[i], line_of(i));
}

void climb_bytes(scene& now) {
    auto one = now.come();
    now.doing(texts::every_value);
    std::string all;
    for (int value = 0; value < 256; ++value) all.push_back(static_cast<char>(value));
    now.echo(one, all);
    now.doing(texts::single_bytes);
    for (int value = 0; value < 200; ++value)
        now.echo(one, std::string(1, static_cast<char>(value)));
    for (const std::size_t boundary : {1024U, 4096U, 8192U, 16384U, 32768U, 65536U})
        for (const std::size_t size : {boundary - 1, boundary, boundary + 1}) {
            now.doing(texts::one_size, size);
            one.exchange({.bytes = pattern(size), .size = size, .next_piece = [&] { return size; }},
                         now.soon());
        }
    now.doing(texts::one_size, mib);
    one.exchange({.bytes = pattern(1), .size = mib, .next_piece = [] { return mib; }}, now.soon());
    now.doing(texts::random_pieces);
    one.exchange({.bytes = pattern(2),
                  .size = 16 * mib,
                  .next_piece = harness::random_sizes(2, 3 * 65536),
                  .most_ahead = 64 * 1024},
                 now.soon());
}

void climb_half_close(scene& now) {
    now.doing(texts::last_words);
    auto one = now.come();
    now.echo(one, "accepted\n");
    {
        const subject::hold both_at_once(now.server);
        one.send_all("the last words", now.soon());
        one.shutdown_write();
    }
    now.expect_text(one, "the last words");
    one.expect_end(now.soon());

    now.doing(texts::only_the_end);
    auto silent = now.come();
    silent.shutdown_write();
    silent.expect_end(now.soon());

    const pattern bytes(3);
    auto slow = now.come(65536);
    const auto sent = now.fill(slow, bytes, more_than_fits());
    now.doing(texts::much_and_the_end, sent);
    slow.shutdown_write();
    now.expect(slow, bytes, sent);
    slow.expect_end(now.soon());
}

} // namespace check
