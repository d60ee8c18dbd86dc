/// \file
/// Explores all scenarios, and says what it has seen. `--finds TEXT`: succeeds if a violation is
/// found that TEXT is a part of, for a protocol that has been broken. `--misuses`: the other list,
/// in which every scenario must have such a violation.

#include "scenarios.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

/// \return the violation
std::string report(const model::scenario& what) {
    const auto begin = std::chrono::steady_clock::now();
    const auto found = model::explore(what);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s\n    %zu states, %zu steps, %.3g executions, %.2f s\n", what.name.c_str(),
                found.states, found.transitions, found.executions, took.count());
    if (!found.violation.empty())
        std::printf("%s    VIOLATION: %s\n", found.interleaving.c_str(), found.violation.c_str());
    std::fflush(stdout);
    return found.violation;
}

} // namespace

int main(int argc, char** argv) {
    const char* wanted = nullptr;
    bool misuses = false;
    bool takes_long = false;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--misuses") == 0) misuses = true;
        if (std::strcmp(argv[i], "--long") == 0) takes_long = true;
        if (std::strcmp(argv[i], "--finds") == 0 && i + 1 < argc) wanted = argv[++i];
    }
    const auto scenarios = takes_long ? model::long_scenarios()
                           : misuses  ? model::misuses()
                                      : model::scenarios();
    std::size_t violated = 0;
    std::size_t found = 0;
    for (const auto& scenario : scenarios) {
        const auto violation = report(scenario);
        if (!violation.empty()) ++violated;
        if (wanted != nullptr && violation.find(wanted) != std::string::npos) ++found;
        if (found != 0 && !misuses) return EXIT_SUCCESS;
    }
    const bool passed = wanted == nullptr ? violated == 0 : misuses && found == scenarios.size();
    return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
