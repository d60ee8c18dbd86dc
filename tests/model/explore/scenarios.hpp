#pragma once
/// \file
/// What is explored.

#include "explorer.hpp"

#include <vector>

namespace model {

/// Scenarios in which nothing must go wrong.
std::vector<scenario> scenarios();

/// Scenarios with more actors, so many that only the interleavings with few interruptions are
/// explored.
std::vector<scenario> bounded_scenarios();

/// Those with all interleavings: minutes each.
std::vector<scenario> long_scenarios();

/// Uses of the protocol that are wrong, to see that it is noticed.
std::vector<scenario> misuses();

} // namespace model
