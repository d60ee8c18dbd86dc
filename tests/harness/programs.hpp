#pragma once
/// \file
/// Where the programs are that tests run.

#include <string>

namespace harness {

/// The path of a stage's program in the build under test: stage_program(2, "client") is
/// BUILD/stage2_nonblocking/stage2_client. \throws failure if it has not been built
std::string stage_program(int stage, const std::string& name = "server");

/// The same for a line of the shell, which can't know that a build's programs need an emulator.
std::string stage_command(int stage, const std::string& name = "server");

/// The path of a test program, in the build that this one belongs to:
/// build_program("tests/check_server").
std::string build_program(const std::string& relative);

} // namespace harness
