#pragma once
/// \file
/// The build whose programs are under test. A test program that only talks to servers is compiled
/// once, optimised, and runs against the servers of every build: optimised, sanitized, or of
/// another processor. What it has to know about such a build, it reads at run time.

#include <string>
#include <vector>

namespace harness {

/// A build directory, and what its file tested_build.txt says of its programs.
struct build {
    std::string directory;
    std::string sanitizer;             ///< "address", "thread", or empty
    std::string preload_first;         ///< the sanitizer's library: it must come before any other
    std::vector<std::string> launcher; ///< the words in front of each program: an emulator, or none
};

/// The build that the environment's TESTED_BUILD names, or else the one that this program belongs
/// to. Ends the program with one line and status 2 if that is no build directory of this project.
const build& tested_build();

} // namespace harness
