/// \file
/// Reading tested_build.txt, which CMake writes into each build directory.

#include "harness/tested_build.hpp"

#include "harness/own_build.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace harness {
namespace {

/// Each line is a name and the words of its value.
build read_build(const std::string& directory) {
    build read;
    read.directory = std::filesystem::absolute(directory);
    std::ifstream file(std::filesystem::path(directory) / "tested_build.txt");
    if (!file) {
        std::fprintf(stderr, "TESTED_BUILD: there is no %s/tested_build.txt\n", directory.c_str());
        std::_Exit(2); // before main, where nothing could catch an exception
    }
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string name, word;
        words >> name;
        while (words >> word) {
            if (name == "sanitizer") read.sanitizer = word;
            if (name == "preload_first") read.preload_first = word;
            if (name == "launcher") read.launcher.push_back(word);
        }
    }
    return read;
}

} // namespace

const build& tested_build() {
    static const build chosen = [] {
        const char* const named = std::getenv("TESTED_BUILD");
        return read_build(named != nullptr ? named : own_build);
    }();
    return chosen;
}

} // namespace harness
