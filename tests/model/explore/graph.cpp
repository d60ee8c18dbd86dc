/// \file
/// Breadth-first: the first way to a state is a shortest one.

#include "graph.hpp"

#include "stepper.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>

namespace model {
namespace {

using number = long;
using row = std::vector<number>;

constexpr number cannot_run = -1, no_violation = -1, no_label = -1;

/// Gives each different entry a number.
template <typename Entry>
class table {
public:
    number number_of(const Entry& entry) {
        const auto [place, is_new] = numbers_.try_emplace(entry, std::ssize(entries));
        if (is_new) entries.push_back(entry);
        return place->second;
    }
    std::vector<Entry> entries;

private:
    std::map<Entry, number> numbers_;
};

/// A label: what, atomic, line.
using named = std::tuple<std::string, number, number>;

class surveyor {
public:
    surveyor(const scenario& what, std::string_view wanted)
        : name_(what.name), steps_(what), wanted_(wanted) {}
    void visit_all();
    std::string write(const result& explored);

private:
    struct origin {
        number from;
        number who;
    };

    number enter(const state& where, origin how);
    row visit(number here);
    number step_of(number here, std::size_t who);
    number number_of(label name);
    number number_of(label name, std::uint64_t returned);
    number world_of(const world& shared);
    number standing_of(const state& where, std::size_t who);
    number end_of(const state& where, number here);
    number violated(const violation& found, number here, number who);
    row way_to(number end) const;

    std::string name_;
    stepper steps_;
    std::string_view wanted_;
    std::unordered_map<std::uint64_t, number> known_;
    std::vector<state> found_;
    std::vector<origin> origins_; ///< of found_
    std::vector<row> rows_;       ///< of found_
    std::vector<std::string> also_;
    table<named> labels_;
    table<std::string> values_, violations_;
    table<row> worlds_, standings_;
    row lost_;
};

void surveyor::visit_all() {
    enter(steps_.first(), {0, 0});
    for (number here = 0; here < std::ssize(found_); ++here) rows_.push_back(visit(here));
}

/// \return its number
number surveyor::enter(const state& where, origin how) {
    const auto [place, is_new] = known_.try_emplace(steps_.key(where), std::ssize(found_));
    if (is_new) {
        found_.push_back(where);
        origins_.push_back(how);
    }
    return place->second;
}

row surveyor::visit(number here) {
    const state where = found_[static_cast<std::size_t>(here)];
    row all{world_of(where.shared)};
    const auto actors = steps_.actors().size();
    for (std::size_t who = 0; who < actors; ++who) all.push_back(standing_of(where, who));
    bool is_end = true;
    for (std::size_t who = 0; who < actors; ++who) {
        all.push_back(step_of(here, who));
        is_end = is_end && all.back() == cannot_run;
    }
    all.push_back(is_end ? end_of(where, here) : no_violation);
    return all;
}

number surveyor::step_of(number here, std::size_t who) {
    state next = found_[static_cast<std::size_t>(here)];
    if (!stepper::may_run(next, who)) return cannot_run;
    try {
        steps_.advance(next, who);
    } catch (const violation& found) {
        return cannot_run - 1 - violated(found, here, static_cast<number>(who));
    }
    return enter(next, {here, static_cast<number>(who)});
}

number surveyor::end_of(const state& where, number here) {
    try {
        steps_.check_end(where);
        return no_violation;
    } catch (const violation& found) {
        return violated(found, here, cannot_run);
    }
}

/// \param who made the last step, from `here`; cannot_run: `here` is the end
number surveyor::violated(const violation& found, number here, number who) {
    const std::string text = found.what();
    if (lost_.empty() && text.find(wanted_) != std::string::npos) {
        lost_ = way_to(here);
        if (who != cannot_run) lost_.push_back(who);
    }
    return violations_.number_of(text);
}

row surveyor::way_to(number end) const {
    row way;
    for (number here = end; here != 0; here = origins_[static_cast<std::size_t>(here)].from)
        way.push_back(origins_[static_cast<std::size_t>(here)].who);
    std::ranges::reverse(way);
    return way;
}

number surveyor::number_of(label name) {
    if (name.what == nullptr) return no_label;
    const bool has_atomic = name.atomic != label::no_one;
    return labels_.number_of({name.what, has_atomic ? static_cast<number>(name.atomic) : -1,
                              static_cast<number>(name.line)});
}

number surveyor::number_of(label name, std::uint64_t returned) {
    return values_.number_of(name.atomic == label::no_one ? std::to_string(returned)
                                                          : describe(name.atomic, returned));
}

number surveyor::world_of(const world& shared) {
    row seen;
    for (std::size_t i = 0; i < atomics; ++i)
        seen.push_back(values_.number_of(describe(i, shared.atomic[i])));
    also_.clear();
    for (const auto& each : show(shared)) {
        also_.push_back(each.name);
        seen.push_back(static_cast<number>(each.value));
    }
    return worlds_.number_of(seen);
}

number surveyor::standing_of(const state& where, std::size_t who) {
    const auto seen = steps_.standing_of(where, who);
    row all{number_of(seen.next)};
    for (const auto& step : seen.steps) {
        all.push_back(number_of(step.name));
        all.push_back(number_of(step.name, step.returned));
    }
    return standings_.number_of(all);
}

std::string surveyor::write(const result& explored) {
    std::vector<std::string> actors;
    std::vector<std::string> names;
    for (const auto& each : steps_.actors()) actors.push_back(each.name);
    for (std::size_t i = 0; i < atomics; ++i) names.push_back(describe(i));
    const nlohmann::ordered_json all{
        {"scenario", name_},
        {"actors", actors},
        {"atomics", names},
        {"also", also_},
        {"labels", labels_.entries},
        {"values", values_.entries},
        {"violations", violations_.entries},
        {"worlds", worlds_.entries},
        {"standings", standings_.entries},
        {"states", rows_},
        {"lost", lost_},
        {"explored",
         {{"states", explored.states},
          {"steps", explored.transitions},
          {"executions", explored.executions},
          {"violation", explored.violation}}},
    };
    return all.dump() + '\n';
}

} // namespace

std::string graph(const scenario& what, std::string_view wanted) {
    if (what.interruptions != scenario::unlimited)
        throw std::invalid_argument("the graph has all interleavings: " + what.name);
    surveyor all(what, wanted);
    all.visit_all();
    return all.write(explore(what));
}

} // namespace model
