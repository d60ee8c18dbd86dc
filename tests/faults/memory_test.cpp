/// \file
/// Memory that can't be had, once the server serves: operator new fails now and then, for large
/// pieces only, or always from some moment on. A client that needed it may be cut off; all
/// others are served.

#include "faults/faulty.hpp"
#include "harness/proc.hpp"

#include <fmt/format.h>

#include <string>
#include <system_error>
#include <vector>

using namespace faults_tests;
using namespace harness;

namespace {

/// The sanitizer has an operator new of its own, which nothing comes before.
bool is_left_out() {
    if (sanitized) fmt::print("LEFT OUT: a sanitizer brings its own operator new\n");
    return sanitized;
}

/// Clients that send without reading make a server keep unsent bytes, a buffer for each. A client
/// that is not cut off gets all of them in the end. \return how many were cut off
int owe(const endpoint& to, int clients) {
    int cut = 0;
    for (int i = 0; i < clients; ++i) {
        const pattern bytes(seed() + static_cast<std::uint64_t>(i));
        client one(to, 4096);
        std::uint64_t sent = 12'000'000;
        bool was_cut = false; // an error is reported once, to a send or to a receive
        try {
            sent = one.send_until_stuck(bytes, sent, milliseconds(20) * patience);
            one.shutdown_write();
        } catch (const std::system_error&) {
            was_cut = true;
        }
        const auto heard = one.receive_rest();
        was_cut = was_cut || heard.reset;
        CHECK(heard.bytes.size() <= sent);
        CHECK(bytes.difference(heard.bytes, 0).value_or("") == "");
        CHECK((was_cut || heard.bytes.size() == sent));
        if (was_cut) ++cut;
    }
    return cut;
}

/// Connects `how_many` clients at once. They need more memory than earlier clients have left free,
/// in stage 5, too, where memory is allocated by the page and reused.
void connect_at_once(trial& one, std::size_t how_many) {
    std::vector<client> all; // they may be served, cut off, or never accepted
    for (std::size_t i = 0; i < how_many; ++i) all.emplace_back(one.server->where());
    wait_for([&] { return one.server.struck() > 0; }, milliseconds(100)); // or it has enough
}

/// The bystander comes first; memory fails from the second client on. \return whether any did
bool serves_the_others(const variant& which, const std::string& script, const habit& how) {
    INFO(which.name() << " with FAULTS='" << script << "'");
    trial one(which, "from=2 " + script);
    connect_at_once(one, how.clients);
    for (int turn = 0; turn < 3; ++turn) {
        static_cast<void>(one.run(how)); // it CHECKs that each got a beginning of what it sent
        one.bystander.echo("meanwhile");
    }
    const bool any = one.server.struck() > 0;
    one.finish();
    return any;
}

/// \param chance that there is none. Stage 1 needs memory for each client, and rests longer and
/// longer when there is none; stage 5 has to ask so seldom that it may be in luck.
void serves_the_others(const std::string& chance) {
    for (const auto& which : stages()) {
        const std::size_t clients = which.stage == 1 ? 6 : 160;
        const bool any = serves_the_others(which, "malloc:enomem=" + chance,
                                           {.clients = clients, .size = 20'000, .may_end = true});
        CHECK((any || which.stage == 5));
    }
}

void owes_the_others(int first, int last) {
    for (const auto& which : stages(first)) {
        if (which.stage > last) continue;
        INFO(which.name());
        trial one(which, "from=2 least=4000 malloc:enomem=0.5");
        const auto cut = owe(one.server->where(), 6);
        CHECK((cut > 0) == (one.server.struck() > 0));
        one.finish();
    }
}

} // namespace

TEST_CASE("memory for what is owed that can't be had costs that client only") {
    if (!is_left_out()) owes_the_others(2, 4);
}

TEST_CASE("memory for what is owed that can't be had costs that coroutine only") {
    if (!is_left_out()) owes_the_others(5, 5);
}

TEST_CASE("memory that can't be had now and then costs those clients only") {
    if (!is_left_out()) serves_the_others("0.2");
}

TEST_CASE("memory that often can't be had costs those clients only") {
    if (!is_left_out()) serves_the_others("0.5");
}

TEST_CASE("memory that can't be had for a while costs clients of that time only") {
    if (is_left_out()) return;
    for (const auto& which : stages()) {
        // Threads that were there at once leave their stacks behind, for the next ones.
        const std::size_t clients = which.stage == 1 ? 20 : 110;
        const habit how{.clients = clients, .size = 2'000, .may_end = true};
        bool any = false;
        for (const int good : {0, 1, 2, 3, 5, 8, 13, 21})
            any |= serves_the_others(which, fmt::format("malloc:enomem=8@{}", good), how);
        CHECK(any);
    }
}

TEST_CASE("memory that can't be had any more leaves those served who are") {
    if (is_left_out()) return;
    for (const auto& which : stages()) {
        bool any = false;
        for (const int good : {0, 1, 2}) {
            INFO(which.name() << " after " << good);
            trial one(which, fmt::format("from=2 malloc:enomem=1000000@{}", good));
            connect_at_once(one, 200);
            for (int i = 0; i < 20; ++i) one.bystander.echo("meanwhile");
            any |= one.server.struck() > 0;
            one.finish();
        }
        CHECK(any);
    }
}
