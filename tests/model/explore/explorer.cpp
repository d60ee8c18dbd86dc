/// \file
/// Depth-first through the states of a scenario.

#include "stepper.hpp"

#include <algorithm>
#include <unordered_map>

namespace model {
namespace {

class search {
public:
    explicit search(const scenario& what) : what_(&what), steps_(what) {}
    result run();

private:
    /// A state whose next steps are being tried.
    struct junction {
        state where;
        double* executions;
        std::size_t next = 0; ///< who is to be tried next
        double sum = 0;       ///< of the executions through those who have been
        bool is_end = true;   ///< no actor can continue
    };

    void visit_all();
    void enter(const state& where);
    void leave();
    std::string way_here();

    static constexpr double on_the_way = -1;

    const scenario* what_;
    stepper steps_;
    std::unordered_map<std::uint64_t, double> known_; ///< key to executions from there
    std::vector<junction> junctions_;                 ///< from the start to here
    std::vector<std::size_t> path_;                   ///< who made the steps
    result result_;
};

result search::run() {
    try {
        visit_all();
    } catch (const violation& found) {
        result_.violation = found.what();
        result_.interleaving = way_here();
    }
    result_.states = known_.size();
    return result_;
}

void search::visit_all() {
    enter(steps_.first());
    while (!junctions_.empty()) {
        auto& here = junctions_.back();
        if (here.next == steps_.actors().size()) {
            leave();
            continue;
        }
        const auto who = here.next++;
        if (!stepper::may_run(here.where, who)) continue;
        here.is_end = false;
        const bool interrupts = here.where.interrupted != state::nobody &&
                                here.where.interrupted != who;
        if (interrupts && here.where.interruptions == what_->interruptions) continue;
        path_.push_back(who);
        ++result_.transitions;
        state next = here.where;
        if (interrupts) ++next.interruptions;
        steps_.advance(next, who);
        enter(next);
    }
}

void search::enter(const state& where) {
    const auto [place, is_new] = known_.try_emplace(steps_.key(where), on_the_way);
    double& executions = place->second; // stays there, however much is added
    if (is_new) {
        junctions_.push_back({where, &executions});
    } else {
        const bool circles = executions == on_the_way;
        if (circles && !what_->may_circle) throw violation("it goes round in circles for ever");
        junctions_.back().sum += circles ? 0 : executions;
        path_.pop_back();
    }
}

void search::leave() {
    auto& here = junctions_.back();
    if (here.is_end) { // no actor could continue
        steps_.check_end(here.where);
        here.sum = 1;
    }
    const double sum = *here.executions = here.sum;
    junctions_.pop_back();
    if (junctions_.empty()) {
        result_.executions = sum;
    } else {
        junctions_.back().sum += sum;
        path_.pop_back();
    }
}

/// The steps on the way to where the search has ended.
std::string search::way_here() {
    std::string story;
    try {
        state where = steps_.first();
        for (const auto who : path_) {
            story += "    " + steps_.actors()[who].name + ":";
            story.append(12 - std::min<std::size_t>(12, steps_.actors()[who].name.size()), ' ');
            steps_.advance(where, who, &story);
            story += '\n';
        }
    } catch (const violation&) {
        story += '\n';
    }
    return story;
}

} // namespace

result explore(const scenario& what) {
    return search(what).run();
}

} // namespace model
