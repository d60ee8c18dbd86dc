/// \file
/// A chat server on the library of stage 5: each line that a client sends goes to all other
/// clients. `chat [ADDRESS]` listens at ADDRESS, or at :8080. Ctrl-C ends it.

#include <stage5_coroutines/net/bufio.hpp>
#include <stage5_coroutines/net/conn.hpp>
#include <stage5_coroutines/net/listener.hpp>
#include <stage5_coroutines/program.hpp>
#include <stage5_coroutines/runtime/task.hpp>
#include <stage5_coroutines/runtime/time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

using namespace stage5;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_unsent = 64 * 1024; ///< bytes; a client with more makes others wait
constexpr auto patience = 5s;                  ///< for how long; then that client is disconnected

// [room]
/// A client, shared by the coroutines that read from it and write to it.
struct client {
    net::conn conn;
    std::string unsent = {}; ///< what others have said. Needs the lock
    bool is_sending = false; ///< send_unsent() runs. Needs the lock
};
using client_ptr = std::shared_ptr<client>;

/// Coroutines run on several threads at once, so what they share needs
/// a lock. A coroutine must not await anything while it holds the lock,
/// because it may continue on another thread.
std::mutex mutex;
std::set<client_ptr> present; ///< all clients. Needs the lock

/// Adds a client.
client_ptr enter(net::conn conn) {
    const std::lock_guard lock(mutex);
    return *present.insert(std::make_shared<client>(std::move(conn))).first;
}

/// Removes a client and closes its connection. Its calls end with errors.
void leave(const client_ptr& who) {
    const std::lock_guard lock(mutex);
    present.erase(who);
    who->conn.close_now();
}
// [room]

// [send]
/// Sends a client what others have said, until nothing is left.
task<> send_unsent(client_ptr to) {
    while (true) {
        std::string lines; // stays here until the write has ended
        {
            const std::lock_guard lock(mutex);
            lines.swap(to->unsent);
            to->is_sending = !lines.empty();
        }
        if (lines.empty()) co_return;
        const auto sent = co_await to->conn.write(lines);
        if (!sent) co_return leave(to);
    }
}

/// Gives a line to everyone but the speaker, without waiting.
/// \return nullptr if that was done, or a client that has too much unsent,
/// and then nobody has got the line
client_ptr try_say(const client_ptr& speaker, std::string_view line) {
    const std::lock_guard lock(mutex);
    for (const auto& each : present)
        if (each != speaker && each->unsent.size() > most_unsent) return each;
    for (const auto& each : present) {
        if (each == speaker) continue;
        each->unsent += line;
        if (!each->is_sending) go(send_unsent(each));
        each->is_sending = true;
    }
    return nullptr;
}
// [send]

// [serve]
/// Gives each line of a client to the others, until the client leaves.
task<> serve(client_ptr speaker) {
    bufio::reader reader(speaker->conn);
    while (true) {
        const auto line = co_await reader.read_line();
        // An error, or the end of the stream.
        if (!line || !line->ends_with('\n')) break;
        const auto limit = after(patience);
        while (const auto slow = try_say(speaker, *line)) {
            if (std::chrono::steady_clock::now() > limit) leave(slow);
            co_await sleep_for(10ms);
        }
    }
    leave(speaker);
}

task<> go_main(std::string address) {
    const auto listener = net::listen("tcp", address);
    if (!listener) log_fatal(listener.error().message());
    fmt_printf("listening on {}\n", listener->name());
    while (true) {
        auto conn = co_await listener->accept();
        if (conn) {
            go(serve(enter(*std::move(conn))));
        } else {
            // For example, no descriptor is free.
            log_println(conn.error().message());
            co_await sleep_for(100ms);
        }
    }
}
// [serve]

} // namespace

int main(int argc, char** argv) {
    run_main(go_main(argc > 1 ? argv[1] : ":8080"));
}
