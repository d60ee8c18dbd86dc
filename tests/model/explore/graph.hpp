#pragma once
/// \file
/// All states of a scenario and the steps between them, for a reader who wants to choose the steps:
/// docs/scripts/lose.py makes a page of it.

#include "explorer.hpp"

#include <string_view>

namespace model {

/// Returns the graph as JSON. Unlike explore(), it does not stop at a violation: the step that
/// leads to one has no next state, and all other steps are followed further. All lists are of
/// numbers; the names behind them are in tables:
///
///     actors, atomics, also   names; `also` is what show() tells of the world
///     labels                  [what, atomic or -1, line of the header or 0]
///     values                  what an atomic's value or a returned number means
///     violations              texts
///     worlds                  for each: a value of each atomic, a number for each of `also`
///     standings               for each: the next label, or -1 if the actor is done; then a label
///                             and what it returned, a value, for each step of the actor's round
///     states                  for each: the world, a standing per actor, a state per actor: the
///     one
///                             its step leads to, -1 if it may not run, -2 - n for violation n; and
///                             as the last number the violation found at this end, or -1
///     lost                    the shortest way, as actors, to a violation with `wanted` in it
///     explored                what explore() says of this scenario
///
/// The first state is the first one.
std::string graph(const scenario& what, std::string_view wanted);

} // namespace model
