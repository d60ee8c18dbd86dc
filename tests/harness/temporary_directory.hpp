#pragma once
/// \file
/// A directory that goes with the test.

#include "harness/unique_fd.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>

namespace harness {

/// A new, empty directory; removed with all that is in it.
class temporary_directory {
public:
    temporary_directory() {
        std::string name = std::filesystem::temp_directory_path() / "echo-XXXXXX";
        check(::mkdtemp(name.data()) != nullptr ? 0 : -1, "mkdtemp");
        path_ = name;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

} // namespace harness
