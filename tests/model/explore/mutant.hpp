#pragma once
/// \file
/// For headers that have been broken on purpose in many ways at once.

namespace model {

/// Which way this run tries; 0 is none.
inline int the_mutant = 0;

} // namespace model
