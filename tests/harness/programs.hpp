#pragma once
/// \file
/// Where the programs are that tests run.

#include <string>

namespace harness {

/// The path of a stage's program in the build under test: stage_program(2, "client") is
/// BUILD/stage2_nonblocking/stage2_client. \throws failure if it has not been built
std::string stage_program(int stage, const std::string& name = "server");

/// stage_program() with its emulator in front, if the build needs one: for a command line that a
/// shell runs. (A child that the harness starts itself gets the emulator from harness::child.)
std::string stage_command(int stage, const std::string& name = "server");

/// The path of a test program, in the build that this one belongs to:
/// build_program("tests/check_server").
std::string build_program(const std::string& relative);

} // namespace harness
