/// \file
/// Finding programs in the build directory that CMake wrote down.

#include "harness/programs.hpp"

#include "harness/build_directory.hpp"
#include "harness/limits.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace harness {
namespace fs = std::filesystem;

std::string stage_program(int stage, const std::string& name) {
    const auto start = fmt::format("stage{}_", stage);
    for (const auto& entry : fs::directory_iterator(build_directory)) {
        const auto directory = entry.path().filename().string();
        if (directory.starts_with(start) && fs::exists(entry.path() / (start + name)))
            return entry.path() / (start + name);
    }
    throw failure(fmt::format("no {}{} in {}", start, name, build_directory));
}

std::string build_program(const std::string& relative) {
    const auto path = fs::path(build_directory) / relative;
    if (!fs::exists(path)) throw failure("no " + path.string());
    return path;
}

} // namespace harness
