/// \file
/// Lines for a person, and JSON.

#include "check/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace check {
namespace {

const char* name_of(outcome what) {
    switch (what) {
    case outcome::passed:
        return "passed";
    case outcome::failed:
        return "failed";
    case outcome::left_out:
        return "left out";
    }
    return "";
}

const char* sign_of(outcome what) {
    switch (what) {
    case outcome::passed:
        return "✓";
    case outcome::failed:
        return "✗";
    case outcome::left_out:
        return "–";
    }
    return "";
}

/// A JSON string. What a server prints may be anything; bytes that are no text do not get here.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<int>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string as_json(const result& one) {
    auto line = fmt::format(R"({{"rung": {}, "title": {}, "outcome": "{}", "seconds": {:.2f})",
                            one.number, quoted(say(one.which->title)), name_of(one.became),
                            one.seconds);
    if (one.became == outcome::failed)
        line += fmt::format(
            R"(, "sent": {}, "came_back": {}, "expected": {}, "pages": ["docs/en/{}.md", "docs/zh/{}.md"], "stage": {})",
            quoted(one.sent), quoted(one.came_back), quoted(say(one.which->expected)),
            one.which->page, one.which->page, one.which->stage);
    return line + "}";
}

std::size_t count(const std::vector<result>& all, outcome what) {
    return static_cast<std::size_t>(std::ranges::count(all, what, &result::became));
}

} // namespace

report::report(bool json) : json_(json), shows_progress_(::isatty(STDERR_FILENO) == 1) {}

void report::begin(int number, const rung& which) const {
    if (!shows_progress_) return;
    fmt::print(stderr, "\r\033[K{}",
               say(texts::climbing, number, ladder().size(), say(which.title)));
    std::fflush(stderr);
}

void report::end(const result& one) const {
    if (shows_progress_) fmt::print(stderr, "\r\033[K");
    if (json_) return;
    fmt::print("{} {:2}  {}", sign_of(one.became), one.number, say(one.which->title));
    if (one.became == outcome::left_out)
        fmt::print("\n");
    else
        fmt::print("  ({:.1f} s)\n", one.seconds);
    if (one.became == outcome::failed) print_failure(one);
    std::fflush(stdout);
}

void report::print_failure(const result& one) const {
    fmt::print("      {}{}\n", say(texts::sent_label), one.sent);
    fmt::print("      {}{}\n", say(texts::came_back_label), one.came_back);
    fmt::print("      {}{}\n", say(texts::expected_label), say(one.which->expected));
    fmt::print("      {}{}\n", say(texts::see_label),
               say(texts::see, one.which->page, one.which->stage));
}

void report::finish(const std::string& server, const std::vector<result>& all, bool stopped) const {
    const auto failed = count(all, outcome::failed), left_out = count(all, outcome::left_out);
    if (json_) {
        std::string rungs;
        for (const auto& one : all) rungs += (rungs.empty() ? "\n  " : ",\n  ") + as_json(one);
        fmt::print("{{\"server\": {}, \"passed\": {}, \"failed\": {}, \"left_out\": {}, \"rungs\": "
                   "[{}\n]}}\n",
                   quoted(server), count(all, outcome::passed), failed, left_out, rungs);
        return;
    }
    double seconds = 0;
    for (const auto& one : all) seconds += one.seconds;
    if (left_out > 0) fmt::print("{}\n", say(texts::left_out));
    if (stopped)
        fmt::print("{}\n",
                   say(texts::stopped_at, all.back().number, ladder().size(), all.back().number));
    else if (failed > 0)
        fmt::print("{}\n", say(texts::some_failed, failed, all.size()));
    else
        fmt::print("{}\n", say(texts::all_passed, all.size() - left_out, seconds));
}

} // namespace check
