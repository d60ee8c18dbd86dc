/// \file
/// Does the ladder stop where it must? It is run against each of the broken servers, against
/// servers as they are written every day, and against our own, which climb all of it.

#include "harness/broken/defects.hpp"
#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

using namespace harness;
using nlohmann::json;

namespace {

const std::string sources = CHECK_SOURCES;
const std::string naive = sources + "/tests/check/naive/";

struct verdict {
    ending ended;
    std::string out, err;
    /// The rung that it stopped at; 0 if it passed them all.
    [[nodiscard]] int stopped_at() const {
        if (ended.number == 2) throw failure("no server to judge: " + err);
        const auto seen = json::parse(out);
        for (const auto& rung : seen["rungs"])
            if (rung["outcome"] == "failed") return rung["rung"];
        return 0;
    }
};

verdict run_check(std::vector<std::string> words) {
    words.insert(words.begin(), build_program("tests/echo_check"));
    child ladder(words);
    const auto ended = ladder.wait_exit(std::chrono::minutes(4));
    if (!ended) throw failure("the ladder does not end:\n" + ladder.out());
    return {*ended, ladder.out(), ladder.err()};
}

int stops_at(const std::string& command) {
    const auto found = run_check({"--json", command});
    UNSCOPED_INFO(command << "\n" << found.out);
    return found.stopped_at();
}

/// Which rung each defect breaks; 0: none, because what it breaks can't be asked of every server.
const std::map<std::string_view, int> rung_of_defect{
    {"nothing", 0},
    {"mixes_clients_up", 2},
    {"loses_a_byte", 3},
    {"takes_nul_for_the_end", 3},
    {"drops_owed", 4},
    {"never_arms_epollout", 4},
    {"loses_the_edge", 4},
    {"ignores_half_close", 4},
    {"buffers_without_bound", 6},
    {"mistakes_newcomers", 7},
    {"dies_of_sigpipe", 7},
    {"dies_of_a_reset", 7},
    {"closes_on_urgent_data", 7},
    {"serves_one_until_it_rests", 8},
    {"accepts_few_an_edge", 9},
    {"short_backlog", 9},
    {"leaks_descriptors", 10},
    {"leaks_memory", 10},
    {"always_arms_epollout", 11},
    {"spins_on_emfile", 12},
    {"inherits_descriptors", 0},  // shows only in a server that starts programs
    {"delays_small_writes", 0},   // loses nothing; its cost is time, for clients that do not wait
    {"does_not_move_timers", 0},  // our option --idle-timeout
    {"times_out_early", 0},       // the same
    {"stops_with_bytes_owed", 0}, // our way to stop: SIGTERM
};

/// Every third of the defects that break a rung, so that three tests take a third of the time each.
void check_defects(std::size_t first) {
    const auto broken = build_program("tests/broken_server");
    std::size_t number = 0;
    for (const auto& [name, rung] : rung_of_defect)
        if (rung > 0 && number++ % 3 == first)
            CHECK(stops_at(fmt::format("{} {} {{port}}", broken, name)) == rung);
}

bool has_program(const std::string& name) {
    return child({"/bin/sh", "-c", "command -v " + name}).wait_exit()->ok();
}

/// Says so if a language is missing; the naive servers of the others are judged all the same.
bool has_language(const std::string& program) {
    if (has_program(program)) return true;
    fmt::print("LEFT OUT: there is no {}\n", program);
    return false;
}

/// Compiles one of the naive servers into a directory of its own.
std::string compiled(const std::string& command, const std::string& name) {
    const auto program = build_program("tests/check") + "/" + name;
    child compiler({"/bin/sh", "-c", command + " -o " + program + " " + naive + name});
    REQUIRE(compiler.wait_exit(std::chrono::minutes(2))->ok());
    return program + " {port}";
}

std::string text_of(const std::string& path) {
    std::ifstream file(sources + "/" + path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

TEST_CASE("each broken server stops at the rung that it breaks, the first third of them",
          "[check]") {
    check_defects(0);
}

TEST_CASE("each broken server stops at the rung that it breaks, the second third", "[check]") {
    check_defects(1);
}

TEST_CASE("each broken server stops at the rung that it breaks, the last third", "[check]") {
    check_defects(2);
}

TEST_CASE("the list of broken servers has every one of them", "[check]") {
    CHECK(rung_of_defect.size() == broken::defects.size());
    std::set<int> rungs;
    for (const auto& [name, rung] : rung_of_defect) rungs.insert(rung);
    for (int rung = 1; rung <= 12; ++rung) // 1 and 5 are broken by naive servers below
        if (rung != 1 && rung != 5) CHECK(rungs.contains(rung));
}

TEST_CASE("a server without a mistake climbs the whole ladder", "[check]") {
    CHECK(stops_at(build_program("tests/broken_server") + " nothing {port}") == 0);
}

TEST_CASE("stages 1 to 3 climb the whole ladder", "[check]") {
    for (const int stage : {1, 2, 3})
        CHECK(stops_at(stage_command(stage) + " --listen 127.0.0.1:{port}") == 0);
}

TEST_CASE("stages 4 and 5 climb the whole ladder", "[check]") {
    for (const int stage : {4, 5})
        CHECK(stops_at(stage_command(stage) + " --listen 127.0.0.1:{port}") == 0);
}

TEST_CASE("servers in Python stop where their idea ends", "[check]") {
    if (!has_language("python3")) return;
    const auto python = "python3 " + naive;
    CHECK(stops_at(python + "date.py {port}") == 1);
    CHECK(stops_at(python + "once.py {port}") == 2);
    CHECK(stops_at(python + "lines.py {port}") == 3);
    CHECK(stops_at(python + "select_blocking.py {port}") == 5);
}

TEST_CASE("servers in Python with more to them stop higher up", "[check]") {
    if (!has_language("python3")) return;
    const auto python = "python3 " + naive;
    CHECK(stops_at(python + "streams_no_drain.py {port}") == 6);
    CHECK(stops_at(python + "streams.py {port}") == 9);
    CHECK(stops_at(python + "threads.py {port}") == 12);
}

TEST_CASE("servers in C stop where their idea ends", "[check]") {
    if (!has_language("gcc")) return;
    CHECK(stops_at(compiled("gcc -pthread", "epoll.c")) == 4);
    CHECK(stops_at(compiled("gcc -pthread", "threads.c")) == 7);
}

TEST_CASE("a server in Go stops where its idea ends", "[check]") {
    if (!has_language("go")) return;
    CHECK(stops_at(compiled("go build", "echo.go")) == 12);
}

TEST_CASE("servers in JavaScript stop where their idea ends", "[check]") {
    if (!has_language("node")) return;
    CHECK(stops_at("node " + naive + "write.js {port}") == 6);
    CHECK(stops_at("node " + naive + "pipe.js {port}") == 9);
}

TEST_CASE("a failure says what was sent, what came back, what was expected, and where to read",
          "[check]") {
    const auto command = build_program("tests/broken_server") + " takes_nul_for_the_end {port}";
    const auto found = run_check({command});
    CHECK(found.ended.to_string() == "exit status 1");
    CHECK_THAT(found.out, contains("✓  2  it answers two at once"));
    CHECK_THAT(found.out, contains("✗  3  bytes of every value and size come back"));
    CHECK_THAT(found.out, contains("sent:      all 256 values of a byte"));
    CHECK_THAT(found.out, contains("came back: the end of the stream after 0 of 256 bytes"));
    CHECK_THAT(found.out, contains("expected:  every byte comes back once and in order"));
    CHECK_THAT(found.out, contains("docs/en/stage1.md · docs/zh/stage1.md"));
    CHECK_THAT(found.out, !contains("half")); // it has stopped there
}

TEST_CASE("a failure is told in Chinese where LANG says so", "[check]") {
    ::setenv("LC_ALL", "zh_CN.UTF-8", 1);
    const auto command = build_program("tests/broken_server") + " takes_nul_for_the_end {port}";
    const auto found = run_check({"--rung", "3", command});
    ::unsetenv("LC_ALL");
    CHECK_THAT(found.out, contains("任何内容、任何长度的数据都能回来"));
    CHECK_THAT(found.out, contains("回来：0 字节之后流就结束了（应有 256）"));
    CHECK_THAT(found.out, contains("TCP 是字节流"));
}

TEST_CASE("the climb continues behind a failure with --all, and --rung tries one rung alone",
          "[check]") {
    const auto command = build_program("tests/broken_server") + " takes_nul_for_the_end {port}";
    const auto all = run_check({"--all", "--json", command});
    CHECK(all.ended.number == 1);
    const auto seen = json::parse(all.out);
    CHECK(seen["rungs"].size() == 12);
    CHECK(seen["rungs"][0]["outcome"] == "passed");
    CHECK(seen["rungs"][2]["outcome"] == "failed");
    CHECK(seen["rungs"][2]["stage"] == 1);
    CHECK(run_check({"--rung", "1", command}).ended.ok());
}

TEST_CASE("a server that is there already is judged without its process", "[check]") {
    const auto there = server::foreign(build_program("tests/broken_server") +
                                       " leaks_descriptors {port}");
    const auto found = run_check({there->address()});
    CHECK(found.ended.ok());
    CHECK_THAT(found.out, contains("– 10  4000 clients leave nothing behind"));
    CHECK_THAT(found.out, contains("all 8 rungs passed"));
    CHECK_THAT(found.out, contains("left out: "));
}

TEST_CASE("a command that is no server is refused in one line", "[check]") {
    const auto refuses = [](const std::string& command, const std::string& reason) {
        const auto found = run_check({command});
        CHECK(found.ended.to_string() == "exit status 2");
        CHECK(found.out == "");
        CHECK_THAT(found.err, starts_with("check: "));
        CHECK_THAT(found.err, contains(reason));
        CHECK(std::count(found.err.begin(), found.err.end(), '\n') == 1);
    };
    refuses("/nonexistent {port}", "exit status 127");
    refuses("echo first; echo no port left >&2; exit 3; {port}", "it printed: no port left");
    refuses("kill -9 $$; {port}", "signal 9, SIGKILL");
    refuses("exec sleep 100; {port}", "does not listen on port");
    refuses("127.0.0.1:1", "nobody listens on 127.0.0.1:1");
}

TEST_CASE("a call that means nothing is refused in one line, and --help explains", "[check]") {
    const auto refuses = [](const std::vector<std::string>& words) {
        const auto found = run_check(words);
        CHECK(found.ended.to_string() == "exit status 2");
        CHECK_THAT(found.err, starts_with("check: "));
        CHECK(std::count(found.err.begin(), found.err.end(), '\n') == 1);
    };
    refuses({});
    refuses({""});
    refuses({"a server without its port"});
    refuses({"--nothing", "server {port}"});
    refuses({"--rung", "0", "server {port}"});
    refuses({"--rung", "13", "server {port}"});
    refuses({"--rung", "2x", "server {port}"});
    refuses({"server {port}", "--rung"});
    refuses({"--rung", "2", "--all", "server {port}"});
    refuses({"server {port}", "another {port}"});
    const auto help = run_check({"--help"});
    CHECK(help.ended.ok());
    CHECK_THAT(help.out, contains("--rung N"));
}

TEST_CASE("the pages about the ladder have its rungs, and its rungs have their pages", "[check]") {
    const auto command = build_program("tests/broken_server") + " nothing {port}";
    for (const std::string language : {"en", "zh"}) {
        ::setenv("LC_ALL", language == "zh" ? "zh_CN.UTF-8" : "C", 1);
        const auto page = text_of("docs/" + language + "/check.md");
        std::istringstream lines(run_check({"--help"}).out);
        int rungs = 0;
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            if (int number = 0; !(words >> number)) continue;
            std::string title;
            std::getline(words >> std::ws, title);
            CHECK_THAT(page, contains("| " + title + " |"));
            ++rungs;
        }
        CHECK(rungs == 12);
    }
    ::unsetenv("LC_ALL");
    for (const auto* page : {"stage1", "stage2", "stage3", "edge_level", "article_notes", "faults"})
        for (const auto* language : {"en", "zh"})
            CHECK(
                std::filesystem::exists(fmt::format("{}/docs/{}/{}.md", sources, language, page)));
}
