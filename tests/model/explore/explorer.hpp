#pragma once
/// \file
/// Tries every interleaving of a few actors. An actor is an ordinary function; what it does to
/// what is shared are its steps, and between any two steps any other actor may do some of its own.
///
/// How an actor is stopped between two steps, without threads: it is run again from its beginning.
/// Steps that it made before are not made again, they only return what they returned then; one
/// new step is made; at the step after it, an exception ends the run. So where an actor stands
/// is what its steps have returned, and a state can be copied, compared, and continued twice.

#include "world.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace model {

/// What must never happen has happened.
struct violation : std::runtime_error {
    using runtime_error::runtime_error;
};

/// What a step waits for.
struct guard {
    bool (*holds)(const world&, std::size_t) = nullptr; ///< none: it need not wait
    std::size_t argument = 0;
    bool for_ever = false; ///< all may end while somebody waits for this
};

/// The name of a step, for the printed interleaving and the graph.
struct label {
    const char* what = nullptr;  ///< none: not told
    std::size_t atomic = no_one; ///< which it is done to
    std::uint32_t line = 0;      ///< of the protocol's header; 0: the step is outside of it
    static constexpr std::size_t no_one = atomics;
};

/// Where an actor stands: what it has done in this round, and what it will do next.
struct standing {
    struct made {
        label name;
        std::uint64_t returned;
    };
    std::vector<made> steps;
    label next; ///< its `what` is null once the actor is done
};

/// How far an actor has come.
struct progress {
    static constexpr std::size_t most_steps = 60;
    std::array<std::uint64_t, most_steps> returned{}; ///< by the steps of this round
    std::size_t steps = 0;
    bool done = false;
    guard next; ///< the step before which it stands
};

struct actor {
    std::string name;
    /// Everything it does, or one round of it. What a round leaves to the next one must be in the
    /// world: that makes states equal whose past does not matter any more.
    /// \return whether there is another round
    std::function<bool()> round;
};

/// The actors that take part, how they start, and what must hold at the end.
struct scenario {
    std::string name;
    std::function<void()> prepare; ///< undisturbed, before anybody starts
    std::vector<actor> actors;
    std::function<void(const world&)> at_end; ///< throws `violation`
    /// True if it may come back to a state that it was in: a timer may fire again and again while
    /// another actor makes no step.
    bool may_circle = false;
    /// How often an actor may be interrupted by another one although it could continue itself. All
    /// interleavings with so few are explored; where an actor waits, any other may always continue.
    std::uint8_t interruptions = unlimited;
    static constexpr std::uint8_t unlimited = 255;
};

struct result {
    std::size_t states = 0;      ///< that differ
    std::size_t transitions = 0; ///< steps from one to another
    double executions = 0;       ///< ways from the start to an end
    std::string violation;       ///< empty: none
    std::string interleaving;    ///< that leads to it
};

/// Depth-first, each state once.
result explore(const scenario& what);

/// The actor that runs, as long as this lives: for the templates below.
class running {
public:
    /// \param story gets the new steps in words
    /// \param seen gets the names of the steps that are made again, and of the next one
    running(world& shared, progress& self, std::size_t new_steps, std::string* story = nullptr,
            standing* seen = nullptr);
    ~running();
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    static running& now();

    /// True if the next step was made in an earlier run.
    [[nodiscard]] bool replays() const { return position_ < self_->steps; }
    std::uint64_t replay(label name);
    /// Before a new step. \throws pause when it must wait for its turn
    void begin(label name, guard when);
    std::uint64_t record(label name, std::uint64_t returned);
    /// After a round.
    void forget();
    world& shared() { return *shared_; }

private:
    world* shared_;
    progress* self_;
    std::size_t left_; ///< how many new steps it may make
    std::string* story_;
    standing* seen_;
    std::size_t position_ = 0;
};

/// True if the actor that runs does everything between two waits at once. That gives fewer
/// interleavings, for an actor whose steps are explored one by one in another scenario.
inline bool coarse = false;

/// Something that happens together with the step before: book-keeping, and what a lock protects.
template <typename Action>
std::uint64_t at_once(Action action) {
    auto& self = running::now();
    if (self.replays()) return self.replay({});
    return self.record({}, static_cast<std::uint64_t>(action(self.shared())));
}

/// One step: `action` does it to the world. All that an actor learns, it learns from what its
/// steps return.
template <typename Action>
std::uint64_t step(label name, guard when, Action action) {
    if (coarse && when.holds == nullptr) return at_once(action);
    auto& self = running::now();
    if (self.replays()) return self.replay(name);
    self.begin(name, when);
    return self.record(name, static_cast<std::uint64_t>(action(self.shared())));
}

} // namespace model
