/// \file
/// The `main` of test programs that need no options beyond Catch2's own.

#include "harness/catch_session.hpp"

int main(int count, char** words) {
    return harness::run_cases(words[0], {words + 1, words + count});
}
