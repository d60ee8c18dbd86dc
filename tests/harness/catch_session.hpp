#pragma once
/// \file
/// Running the test cases of a program, without Catch2's headers: the two versions of Catch2
/// differ in their `main`, and compiling it takes longer than all the rest.

#include <string>
#include <vector>

namespace harness {

/// Gives every test of this process as many descriptors as the system allows, then runs the
/// cases that `arguments` (Catch2's own, without the program's name) select.
/// \param otherwise the cases to run where `arguments` name none, e.g. "~[ours]"; may be empty
/// \return the exit status: 0 only if at least one case ran and all passed
int run_cases(const std::string& program, const std::vector<std::string>& arguments,
              const std::string& otherwise = "");

} // namespace harness
