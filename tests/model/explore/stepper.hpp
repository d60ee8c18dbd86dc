#pragma once
/// \file
/// One step of one actor, from a state to the next one. What explores decides whose step is next.

#include "explorer.hpp"

#include <span>

namespace model {

constexpr std::size_t most_actors = 8;

/// Between two steps: the world, and how far each actor has come.
struct state {
    world shared;
    std::array<progress, most_actors> actors;
    // These two only where interruptions are counted.
    std::size_t interrupted = nobody; ///< the actor that is, if another one continues
    std::size_t interruptions = 0;    ///< so far
    static constexpr std::size_t nobody = most_actors;
};

/// Makes the steps of a scenario, which must outlive it.
class stepper {
public:
    explicit stepper(const scenario& what);
    [[nodiscard]] std::span<const actor> actors() const { return what_->actors; }
    /// Returns the state in which every actor stands before its first step.
    [[nodiscard]] state first() const;
    [[nodiscard]] static bool may_run(const state& where, std::size_t who);
    /// Makes one step of an actor that may run. \throws violation
    void advance(state& where, std::size_t who, std::string* story = nullptr) const;
    /// Checks a state in which no actor may run. \throws violation
    void check_end(const state& where) const;
    /// Returns 64 bits that stand for a state: among a million states, the chance that two share
    /// theirs is 1 to 10^7.
    [[nodiscard]] std::uint64_t key(const state& where) const;
    /// Returns what an actor has done in its round, and the step before which it stands.
    [[nodiscard]] standing standing_of(const state& where, std::size_t who) const;

private:
    const scenario* what_;
};

} // namespace model
