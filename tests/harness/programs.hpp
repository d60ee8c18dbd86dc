#pragma once
/// \file
/// Where the programs of this build are.

#include <string>

namespace harness {

/// The path of a stage's program: stage_program(2, "client") is
/// BUILD/stage2_nonblocking/stage2_client. \throws failure if it has not been built
std::string stage_program(int stage, const std::string& name = "server");

/// The path of anything else: build_program("tests/check_server").
std::string build_program(const std::string& relative);

} // namespace harness
