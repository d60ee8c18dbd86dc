/// \file
/// A coroutine reads two bytes on two threads. At any moment an event may come, or a close if the
/// protocol has one. `--misuses` explores the two wrong protocols of the page.

#include "scenarios.hpp"

#include "../../../docs/examples/lost_wakeup.hpp"
#include "atomic.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace model {
namespace {

constexpr example::word address = 64; ///< the coroutine's
constexpr std::uint8_t wanted = 2;    ///< bytes that the coroutine reads before it ends

enum : std::uint64_t { nothing, byte, end };

/// True while the protocol with a flag and an address is explored: describe() names its atomics.
bool is_naive = false;

/// One of the three classes, made new for each scenario.
template <typename Protocol>
std::unique_ptr<Protocol> the_word;

/// What a thread does once it runs the coroutine: try, park, try again.
template <typename Protocol>
void run_coroutine() {
    while (true) {
        const auto got = step({"recv"}, {}, [](world& w) -> std::uint64_t {
            if (w.closed != 0 || w.received == wanted) return end;
            if (w.bytes == 0) return nothing;
            --w.bytes;
            ++w.received;
            return byte;
        });
        if (got == byte) continue;
        if (got == end) {
            step({"ends"}, {}, [](world& w) { return w.runs = 0, w.ended = 1; });
            return;
        }
        // The compiler's part of an await: first the coroutine is suspended, then block() runs.
        const auto place = step({"suspended"}, {}, [](world& w) { return w.runs = 0, ++w.place; });
        if (the_word<Protocol>->block(address)) return;
        step({"not parked"}, {}, [=](world& w) {
            if (w.runs != 0 || w.ended != 0 || w.place != place)
                throw violation("the thread continues a coroutine that another thread has run");
            return w.runs = 1;
        });
    }
}

void wake(example::word who) {
    if (who != 0) step({"wakes"}, {}, [](world& w) { return ++w.woken; });
}

template <typename Protocol>
scenario make(std::string name) {
    const auto prepare = [] {
        made = 0;
        is_naive = std::is_same_v<Protocol, example::two_words<atomic>>;
        the_word<Protocol> = std::make_unique<Protocol>();
        at_once([](world& w) { return w.runs = 1; });
    };
    const actor first{"thread 1", [] {
                          run_coroutine<Protocol>();
                          return false;
                      }};
    const actor second{
        "thread 2", [] {
            const guard queued{[](const world& w, std::size_t) { return w.woken != 0; }, 0, true};
            step({"takes it from the queue"}, queued, [](world& w) {
                if (w.runs != 0) throw violation("two threads run the coroutine");
                return --w.woken, w.runs = 1;
            });
            run_coroutine<Protocol>();
            return true;
        }};
    const actor poller{"poller", [] {
                           for (int i = 0; i < wanted; ++i) {
                               step({"a byte comes"}, {}, [](world& w) { return ++w.bytes; });
                               wake(the_word<Protocol>->event());
                           }
                           return false;
                       }};
    const auto at_end = [](const world& w) {
        if (w.ended == 0 && (w.bytes != 0 || w.closed != 0))
            throw violation("the coroutine sleeps, although there is something to read");
    };
    std::vector<actor> actors{first, second, poller};
    if constexpr (requires { the_word<Protocol>->close(); })
        actors.push_back({"closer", [] {
                              step({"closes"}, {}, [](world& w) { return w.closed = 1; });
                              wake(the_word<Protocol>->close());
                              return false;
                          }});
    return {std::move(name), prepare, std::move(actors), at_end};
}

} // namespace

std::vector<scenario> scenarios() {
    return {make<example::rg_only<atomic>>("nil, ready, wait, waiter")};
}

std::vector<scenario> bounded_scenarios() {
    return {};
}

std::vector<scenario> long_scenarios() {
    return {};
}

std::vector<scenario> misuses() {
    return {make<example::two_words<atomic>>("two words, naively"),
            make<example::address_first<atomic>>("the address at once")};
}

std::string describe(std::size_t atomic) {
    return is_naive ? (atomic == 0 ? "ready" : "waiter") : atomic == 0 ? "rg" : "closing";
}

std::vector<shown> show(const world& shared) {
    return {{"bytes", shared.bytes},
            {"received", shared.received},
            {"closed", shared.closed},
            {"woken", shared.woken}};
}

std::string describe(std::size_t atomic, std::uint64_t value) {
    if (value == address) return "the address";
    if (is_naive || atomic != 0) return std::to_string(value);
    return value == 0 ? "nil" : value == 1 ? "ready" : "wait";
}

} // namespace model
