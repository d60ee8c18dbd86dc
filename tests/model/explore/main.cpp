/// \file
/// Explores scenarios, and says what it has seen. `--bounded`, `--long`, `--misuses`: those of that
/// list. `--finds TEXT`: succeeds if a violation is found that TEXT is a part of, for a protocol
/// that has been broken; of the misuses, each must have such a violation. `--mutant NUMBER`: in a
/// program of mutants, which one is tried.

#include "mutant.hpp"
#include "scenarios.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace {

/// \return the violation
std::string report(const model::scenario& what) {
    const auto begin = std::chrono::steady_clock::now();
    const auto found = model::explore(what);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::printf("%s\n    %zu states, %zu steps, ", what.name.c_str(), found.states,
                found.transitions);
    if (std::isfinite(found.executions)) std::printf("%.3g executions, ", found.executions);
    std::printf("%.2f s\n", took.count());
    if (!found.violation.empty())
        std::printf("%s    VIOLATION: %s\n", found.interleaving.c_str(), found.violation.c_str());
    std::fflush(stdout);
    return found.violation;
}

} // namespace

int main(int argc, char** argv) {
    const char* wanted = nullptr;
    std::string_view list;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--misuses" || option == "--bounded" || option == "--long") list = option;
        if (option == "--finds" && i + 1 < argc) wanted = argv[++i];
        if (option == "--mutant" && i + 1 < argc) model::the_mutant = std::atoi(argv[++i]);
    }
    const bool misuses = list == "--misuses";
    auto scenarios = list == "--long"      ? model::long_scenarios()
                     : list == "--bounded" ? model::bounded_scenarios()
                     : misuses             ? model::misuses()
                                           : model::scenarios();
    if (wanted != nullptr && !misuses)
        for (auto& each : model::bounded_scenarios()) scenarios.push_back(std::move(each));
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
