/// \file
/// Explores scenarios, and says what it has seen. `--bounded`, `--long`, `--misuses`: those of that
/// list. `--scenario NAME`: of the list, only that one. `--finds TEXT`: succeeds if a violation is
/// found that TEXT is a part of, for a protocol that has been broken; of the misuses, each must
/// have such a violation. `--export FILE`: writes the graph of the scenario NAME instead, with the
/// shortest way to a violation TEXT.

#include "graph.hpp"
#include "scenarios.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

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

/// Only the scenario of that name, if there is a name.
std::vector<model::scenario> list_of(std::string_view list, const char* name) {
    auto all = list == "--long"      ? model::long_scenarios()
               : list == "--bounded" ? model::bounded_scenarios()
               : list == "--misuses" ? model::misuses()
                                     : model::scenarios();
    if (name != nullptr) std::erase_if(all, [=](const auto& each) { return each.name != name; });
    return all;
}

} // namespace

int main(int argc, char** argv) {
    const char* wanted = nullptr;
    const char* name = nullptr;
    const char* file = nullptr;
    std::string_view list;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--misuses" || option == "--bounded" || option == "--long") list = option;
        if (option == "--finds" && i + 1 < argc) wanted = argv[++i];
        if (option == "--scenario" && i + 1 < argc) name = argv[++i];
        if (option == "--export" && i + 1 < argc) file = argv[++i];
    }
    const bool misuses = list == "--misuses";
    auto scenarios = list_of(list, name);
    if (name != nullptr && scenarios.size() != 1) {
        std::fprintf(stderr, "there is no scenario \"%s\"\n", name);
        return EXIT_FAILURE;
    }
    if (file != nullptr) {
        std::ofstream out(file);
        out << model::graph(scenarios.front(), wanted != nullptr ? wanted : "");
        return out.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (wanted != nullptr && !misuses)
        for (auto& each : list_of("--bounded", name)) scenarios.push_back(std::move(each));
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
