/// \file
/// Is what measures right? The histogram against exact percentiles, and the load generator against
/// servers that are right, that lose a byte, and that die.

#include "load/histogram.hpp"

#include "harness/catch.hpp"
#include "harness/child.hpp"
#include "harness/proc.hpp"
#include "harness/programs.hpp"
#include "harness/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <limits>
#include <random>
#include <thread>

using namespace harness;

namespace {

/// What a program did that has ended.
struct done {
    int status = -1;
    std::string out, err;

    [[nodiscard]] auto lines_of_err() const { return std::ranges::count(err, '\n'); }
};

done finish(child& program) {
    const auto ended = program.wait_exit(std::chrono::minutes(1));
    if (!ended || ended->by_signal) throw failure("load_generator does not end by itself");
    return {ended->number, program.out(), program.err()};
}

std::vector<std::string> command(const std::string& options) {
    return split_words(build_program("tests/bench/load_generator") + " " + options);
}

done load(const std::string& options) {
    child program(command(options));
    return finish(program);
}

/// Returns the number that has that name in a JSON object's text.
double number(const std::string& json, const std::string& name) {
    const auto at = json.find("\"" + name + "\":");
    if (at == std::string::npos) throw failure("no " + name + " in " + json);
    return std::stod(json.substr(at + name.size() + 3));
}

/// A stage-3 server that echoes, and the options that point at it.
struct subject {
    std::unique_ptr<server> running = server::ours(stage_program(3), {});
    std::string options = fmt::format("--address {} --pid {} ", running->address(), running->pid());
};

} // namespace

TEST_CASE("a histogram's percentiles are right to one percent", "[histogram]") {
    std::mt19937_64 random(1);
    for (const double magnitude : {1e2, 1e4, 1e6, 1e9, 1e12}) {
        bench::histogram counted;
        std::vector<std::int64_t> exact;
        std::lognormal_distribution<double> values(std::log(magnitude), 1);
        for (int i = 0; i < 20'000; ++i) {
            exact.push_back(
                std::min<std::int64_t>(bench::histogram::most, std::llround(values(random))));
            counted.add(exact.back());
        }
        std::ranges::sort(exact);
        for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
            const auto rank = std::ceil(share * static_cast<double>(exact.size()));
            const auto right = static_cast<double>(exact[static_cast<std::size_t>(rank) - 1]);
            const auto told = static_cast<double>(counted.percentile(share));
            INFO(magnitude << " " << share << ": " << told << " for " << right);
            CHECK(std::abs(told - right) <= 0.01 * right);
        }
        CHECK(counted.max() == static_cast<std::uint64_t>(exact.back()));
    }
}

TEST_CASE("a histogram takes what is out of its range, and none at all", "[histogram]") {
    bench::histogram counted;
    CHECK(counted.percentile(0.5) == 0);
    counted.add(-5);
    CHECK(counted.percentile(0.5) == 0);
    counted.add(std::numeric_limits<std::int64_t>::max());
    CHECK(counted.max() == static_cast<std::uint64_t>(bench::histogram::most));
    CHECK(static_cast<double>(counted.percentile(1)) > 0.99 * bench::histogram::most);
}

TEST_CASE("every mode of the load generator measures a server", "[load]") {
    const std::string mode = GENERATE("closed", "flood", "rate", "churn", "closed --size 300000",
                                      "flood --size 7 --window 1000");
    subject server;
    const auto result = load(server.options + "-c 5 -i 20 --warm-up 50ms -d 200ms --mode " + mode);
    INFO(mode << "\n" << result.out << result.err);
    REQUIRE(result.status == 0);
    CHECK(number(result.out, "messages") > 10);
    CHECK(number(result.out, "cpu_ns_per_message") > 0);
    CHECK(number(result.out, "seconds") == Approx(0.2).margin(0.1));
    CHECK(server.running->running());
}

TEST_CASE("at a fixed rate, a server that stalls delays all that was due meanwhile", "[load]") {
    subject server;
    child program(command(server.options + "-m rate -r 200 -c 1 --warm-up 0s -d 1s"));
    REQUIRE(wait_for(
        [&] { return descriptor_count(server.running->pid()) > 6 || !program.running(); }));
    std::this_thread::sleep_for(milliseconds(200)); // into the window
    server.running->signal(SIGSTOP);
    std::this_thread::sleep_for(milliseconds(300));
    server.running->signal(SIGCONT);
    const auto result = finish(program);
    INFO(result.out << result.err);
    REQUIRE(result.status == 0);
    CHECK(number(result.out, "count") > 180); // none was left out
    CHECK(number(result.out, "p90") > 100e6); // a third of them waited, 150 ms on average
    CHECK(number(result.out, "max") > 250e6);
}

TEST_CASE("the load generator says in one line what is wrong with its options", "[load]") {
    const std::string options = GENERATE(
        "", "--mode walk -a 127.0.0.1:1", "-a 127.0.0.1:1 --size 0", "-a 127.0.0.1:1 --server x",
        "-a 127.0.0.1:1 --duration 5parsecs", "-a 127.0.0.1:1 -d -1s",
        "-a 127.0.0.1:1 --mode silent", "--frobnicate");
    const auto result = load(options);
    INFO(options << "\n" << result.err);
    CHECK(result.status == 2);
    CHECK(result.lines_of_err() == 1);
    CHECK(result.out.empty());
}

TEST_CASE("the load generator loads nothing but this machine", "[load]") {
    const auto result = load("-a 192.0.2.1:80");
    CHECK(result.status == 1);
    CHECK(result.err == "load_generator: only servers of this machine are ever loaded\n");
}

TEST_CASE("a server that dies under load is told in one line", "[load]") {
    subject server;
    child program(command(server.options + "-d 30s"));
    std::this_thread::sleep_for(milliseconds(300));
    server.running->signal(SIGKILL);
    server.running->wait_exit();
    const auto dead = finish(program);
    INFO(dead.err);
    CHECK(dead.status == 1);
    CHECK(dead.lines_of_err() == 1);
    CHECK_THAT(dead.err, contains("the server has died"));
}

TEST_CASE("the load generator notices a byte that is lost", "[load]") {
    auto words = command("--mode flood --size 1000 --duration 2s --server");
    words.push_back(build_program("tests/broken_server") + " loses_a_byte {port}");
    child program(words);
    const auto result = finish(program);
    INFO(result.err);
    CHECK(result.status == 1);
    CHECK_THAT(result.err, contains("wrong bytes came back"));
}
