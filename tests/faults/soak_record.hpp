#pragma once
/// \file
/// What a soak looks at, once a second or so, and writes down to be drawn (soak_plot.py).

#include "harness/limits.hpp"
#include "harness/server.hpp"
#include "harness/temporary_directory.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

namespace faults_tests {

/// A server at one moment.
struct sample {
    double seconds = 0; ///< since begin()
    std::int64_t resident = 0;
    std::size_t descriptors = 0;
    std::optional<std::int64_t> frames; ///< coroutines and connections; stage 5's alone tells
    double cores = 0;                   ///< since it was last looked at
};

/// A stage's server that is looked at.
class watched_server {
public:
    explicit watched_server(int stage);

    harness::server& operator*() { return *server_; }
    harness::server* operator->() { return server_.get(); }
    /// From here on the time is counted.
    void begin();
    sample look();

private:
    harness::temporary_directory directory_;
    std::unique_ptr<harness::server> server_;
    harness::steady::time_point began_, last_;
    std::chrono::nanoseconds used_{};
};

/// A file of comma-separated values, a line a sample; none if its path is empty.
class record {
public:
    explicit record(const std::string& path);
    void add(const sample& now, std::uint64_t clients, std::uint64_t bytes);

private:
    std::ofstream file_;
};

} // namespace faults_tests
