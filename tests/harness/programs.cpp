/// \file
/// Finding programs in the build directories.

#include "harness/programs.hpp"

#include "harness/limits.hpp"
#include "harness/own_build.hpp"
#include "harness/tested_build.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace harness {
namespace fs = std::filesystem;

std::string stage_program(int stage, const std::string& name) {
    const auto start = fmt::format("stage{}_", stage);
    const auto& build = tested_build().directory;
    for (const auto& entry : fs::directory_iterator(build)) {
        const auto directory = entry.path().filename().string();
        if (directory.starts_with(start) && fs::exists(entry.path() / (start + name)))
            return entry.path() / (start + name);
    }
    throw failure(fmt::format("no {}{} in {}", start, name, build));
}

std::string stage_command(int stage, const std::string& name) {
    std::string words;
    for (const auto& word : tested_build().launcher) words += word + " ";
    return words + stage_program(stage, name);
}

std::string build_program(const std::string& relative) {
    const auto path = fs::path(own_build) / relative;
    if (!fs::exists(path)) throw failure("no " + path.string());
    return path;
}

} // namespace harness
