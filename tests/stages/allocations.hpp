#pragma once
/// \file
/// What a test program's operator new counts, and when it fails. Linking allocations.cpp replaces
/// operator new, also under the sanitizers.

#include "harness/tested_build.hpp"

#include <atomic>

namespace allocations {

extern std::atomic<long> count;        ///< since the program's start
extern std::atomic<long> bytes_in_use; ///< of all blocks that are not freed yet

/// Tests in which each allocation fails once try so many of them: under the thread sanitizer, where
/// they take long and one thread finds no more than elsewhere, each seventh.
inline const long step = harness::tested_build().sanitizer == "thread" ? 7 : 1;

/// How often operator new fails.
enum class how_often { once, from_then_on };

/// As long as it exists, operator new fails on the thread that has made it. One at a time.
class failing {
public:
    /// \param nth the first allocation that fails, counted from 1
    explicit failing(long nth, how_often how = how_often::from_then_on);
    ~failing();
    failing(const failing&) = delete;
    failing& operator=(const failing&) = delete;

    /// Ends it early. \return whether an allocation has failed
    static bool end();
};

} // namespace allocations
