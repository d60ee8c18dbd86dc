#pragma once
/// \file
/// What is explored.

#include "explorer.hpp"

#include <vector>

namespace model {

/// In which nothing must go wrong.
std::vector<scenario> scenarios();

/// The same, but they take minutes each.
std::vector<scenario> long_scenarios();

/// Uses of the protocol that are wrong, to see that it is noticed.
std::vector<scenario> misuses();

} // namespace model
