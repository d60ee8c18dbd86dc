/// \file
/// --trace FILE: what a server did, as events that a viewer can open. For the stages that know it.

#include "conformance/target.hpp"
#include "harness/catch.hpp"
#include "harness/client.hpp"
#include "harness/proc.hpp"
#include "harness/temporary_directory.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <fstream>
#include <map>
#include <set>
#include <thread>

using namespace conformance;
using namespace harness;
using nlohmann::json;

namespace {

/// True if the server under test has the option; otherwise says that it has none.
bool has_trace() {
    if (!under_test().can.has_trace) leave_out("this server writes no trace");
    return under_test().can.has_trace;
}

/// Serves clients that take turns, and stops. \param pause after each echo
/// \return the events, without the one that names it
json record(std::size_t clients, std::size_t echoes, milliseconds pause = {}) {
    const temporary_directory here;
    const auto file = here.file("trace.json");
    const auto server = start_with("--trace " + file);
    {
        std::vector<client> all;
        for (std::size_t i = 0; i < clients; ++i) all.emplace_back(server->where());
        for (std::size_t i = 0; i < echoes; ++i) {
            all[i % clients].echo("hello");
            std::this_thread::sleep_for(pause);
        }
    }
    CHECK(server->stop(SIGTERM).to_string() == "exit status 0");
    auto events = json::parse(std::ifstream(file));
    REQUIRE(events.at(0).at("ph") == "M");
    events.erase(0);
    return events;
}

bool is_call(const json& event, const std::set<std::string>& names) {
    return event.at("ph") == "X" && names.contains(event.at("name"));
}

/// What the calls have moved, in bytes.
std::int64_t moved(const json& events, const std::set<std::string>& names) {
    std::int64_t bytes = 0;
    for (const auto& event : events)
        if (is_call(event, names))
            bytes += std::max<std::int64_t>(0, event.at("args").at("result"));
    return bytes;
}

const std::set<std::string> receiving{"recv"};
const std::set<std::string> sending{"send", "sendmsg"};

/// In nanoseconds: the file has microseconds with three digits behind the point.
std::int64_t nanoseconds(const json& microseconds) {
    return std::llround(microseconds.get<double>() * 1000);
}

/// How many events of a thread begin inside an earlier one and end outside of it.
std::size_t overlapping(const json& events) {
    std::map<std::int64_t, std::vector<std::array<std::int64_t, 2>>> threads;
    for (const auto& event : events) {
        if (event.at("ph") != "X") continue;
        const auto begin = nanoseconds(event.at("ts"));
        threads[event.at("tid")].push_back({begin, -(begin + nanoseconds(event.at("dur")))});
    }
    std::size_t found = 0;
    for (auto& [tid, spans] : threads) {
        std::ranges::sort(spans); // who begins earlier first; of those, who ends later
        std::vector<std::int64_t> open;
        for (const auto& [begin, minus_end] : spans) {
            while (!open.empty() && open.back() <= begin) open.pop_back();
            if (!open.empty() && open.back() < -minus_end) ++found;
            open.push_back(-minus_end);
        }
    }
    return found;
}

} // namespace

TEST_CASE("a trace of 10,000 echoes has every byte of them, and its events nest", "[ours][trace]") {
    if (!has_trace()) return;
    const auto events = record(20, 10'000);
    CHECK(moved(events, receiving) == 5 * 10'000);
    CHECK(moved(events, sending) == 5 * 10'000);
    CHECK(overlapping(events) == 0);
}

TEST_CASE("a trace tells whom each call was about, how it ended, and where it stands",
          "[ours][trace]") {
    if (!has_trace()) return;
    const auto events = record(3, 30);
    std::map<int, std::int64_t> received;
    for (const auto& event : events) {
        INFO(event.dump());
        CHECK(event.at("tid").get<int>() > 0);
        CHECK_THAT(event.at("args").at("at").get<std::string>(), contains("pp:"));
        if (!is_call(event, receiving)) continue;
        const std::int64_t result = event.at("args").at("result");
        received[event.at("args").at("fd")] += std::max<std::int64_t>(0, result);
        CHECK(event.at("args").contains("errno") == (result < 0));
    }
    CHECK(received.size() == 3);
    for (const auto& [fd, bytes] : received) CHECK(bytes == 50);
}

TEST_CASE("a trace shows who parks, and who goes on because of whom", "[ours][trace]") {
    if (!has_trace()) return;
    if (!under_test().can.has_timeouts) return leave_out("nobody parks in this stage");
    const auto events = record(1, 10, milliseconds(20)); // so that it has to wait
    int client = -1;
    for (const auto& event : events) // the last call waited in vain
        if (event.at("name") == "accept4" && event.at("args").at("result") > 0)
            client = event.at("args").at("result");
    std::string waiter;
    bool parked = false;
    std::size_t woken = 0;
    std::size_t resumed = 0;
    for (const auto& event : events) {
        const auto& args = event.at("args");
        if (event.at("name") == "park" && args.value("fd", -1) == client) {
            waiter = args.at("waiter");
            parked = true;
        } else if (event.at("name") == "park" && args.value("waiter", "") == waiter) {
            waiter = "none: its address is another coroutine's now";
        } else if (args.value("waiter", "nobody") == waiter) {
            INFO(event.dump());
            if (event.at("name") == "ready") {
                CHECK(parked);
                parked = false;
                ++woken;
            }
            resumed += event.at("name") == "resume" ? 1U : 0U;
        }
    }
    CHECK(woken > 0);
    CHECK(resumed > 0);
}

TEST_CASE("a trace that can't be begun is refused in one line, with status 2", "[ours][trace]") {
    if (!has_trace()) return;
    const auto result = run_with(
        {"--listen", "127.0.0.1:0", "--trace", "/no/such/directory/trace.json"});
    CHECK(result.ended.to_string() == "exit status 2");
    CHECK(std::ranges::count(result.err, '\n') == 1);
    CHECK_THAT(result.err, contains("--trace") && contains("no such file or directory"));
}

TEST_CASE("a trace is begun when the server listens, and an old one stays if it does not",
          "[ours][trace]") {
    if (!has_trace()) return;
    const temporary_directory here;
    const auto file = here.file("old.json");
    std::ofstream(file) << "[]";
    const auto first = start_with("");
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"--help"}, {"--version"}, {"--frobnicate"}, {"--listen", first->address()}}) {
        std::vector<std::string> all{"--trace", file};
        all.insert(all.end(), words.begin(), words.end());
        run_with(all);
        std::string kept;
        std::ifstream(file) >> kept;
        CHECK(kept == "[]");
    }
    run_with({"--trace", here.file("new.json"), "--frobnicate"});
    CHECK_FALSE(std::filesystem::exists(here.file("new.json")));
    const auto empty = run_with({"--listen", "127.0.0.1:0", "--trace", ""});
    CHECK(empty.ended.to_string() == "exit status 2");
}

TEST_CASE("a trace that does not fit on the disk costs nobody a byte", "[ours][trace]") {
    if (!has_trace()) return;
    const auto server = start_with("--trace /dev/full");
    client one(server->where());
    for (int i = 0; i < 100; ++i) one.echo("hello");
    one.close();
    CHECK(server->stop(SIGTERM).to_string() == "exit status 0");
    CHECK_THAT(server->err(), contains("the trace is not whole"));
}
