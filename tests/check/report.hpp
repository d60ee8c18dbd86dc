#pragma once
/// \file
/// What became of the rungs, for a person or as JSON.

#include "check/rungs.hpp"

#include <string>
#include <vector>

namespace check {

/// What became of one rung.
enum class outcome { passed, failed, left_out };

/// One rung, and what was seen on it.
struct result {
    int number = 0;
    const rung* which = nullptr;
    outcome became = outcome::passed;
    double seconds = 0;
    std::string sent = {}, came_back = {}; ///< if it has failed
};

/// Prints each rung as it comes: on a terminal also the one that is being climbed.
class report {
public:
    explicit report(bool json);

    void begin(int number, const rung& which) const;
    void end(const result& one) const;
    /// Prints how it ended. \param server what was judged, \param stopped true if rungs above were
    /// not tried
    void finish(const std::string& server, const std::vector<result>& all, bool stopped) const;

private:
    void print_failure(const result& one) const;
    bool json_;
    bool shows_progress_; // standard error is a terminal
};

} // namespace check
