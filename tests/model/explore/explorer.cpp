/// \file
/// Top-down: exploring, running an actor, a state's key.

#include "explorer.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <unordered_map>

namespace model {
namespace {

constexpr std::size_t most_actors = 8;

/// Ends a run, not the actor.
struct pause {};

struct state {
    world shared;
    std::array<progress, most_actors> actors;
    // These two only where interruptions are counted.
    std::size_t interrupted = nobody; ///< the actor that is, if another one continues
    std::size_t interruptions = 0;    ///< so far
    static constexpr std::size_t nobody = most_actors;
};

running* the_running = nullptr;

/// A step in words.
std::string tell(label name, std::uint64_t returned, const world& after) {
    if (name.atomic == label::no_one) return name.what + (" -> " + std::to_string(returned));
    return describe(name.atomic) + ": " + name.what + ", was " + describe(name.atomic, returned) +
           ", is " + describe(name.atomic, after.atomic[name.atomic]);
}

class search {
public:
    explicit search(const scenario& what) : actors_(what.actors), what_(&what) {}
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

    state first();
    void visit_all();
    void enter(const state& where);
    void leave();
    void advance(state& where, std::size_t who, std::string* story = nullptr);
    void check_end(const state& where) const;
    std::string way_here();

    static constexpr double on_the_way = -1;

    std::span<const actor> actors_;
    const scenario* what_;
    std::unordered_map<std::uint64_t, double> known_; ///< key to executions from there
    std::vector<junction> junctions_;                 ///< from the start to here
    std::vector<std::size_t> path_;                   ///< who made the steps
    result result_;
};

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15U;
    return hash ^ (hash >> 29);
}

/// 64 bits stand for a state: among a million, two that share theirs are a chance of 1 to 10^7.
std::uint64_t key(const state& where, std::size_t actors) {
    std::uint64_t hash = 1;
    static_assert(sizeof(world) % sizeof hash == 0);
    std::array<std::uint64_t, sizeof(world) / sizeof hash> words;
    std::memcpy(words.data(), &where.shared, sizeof words);
    for (const auto word : words) hash = mix(hash, word);
    for (std::size_t i = 0; i < actors; ++i) {
        const auto& actor = where.actors[i];
        hash = mix(hash, actor.steps * 2 + (actor.done ? 1 : 0));
        for (std::size_t n = 0; n < actor.steps; ++n) hash = mix(hash, actor.returned[n]);
    }
    return mix(hash, where.interruptions << 8 | where.interrupted);
}

bool may_run(const world& shared, const progress& actor) {
    const auto& when = actor.next;
    return !actor.done && (when.holds == nullptr || when.holds(shared, when.argument));
}

enum class stopped { paused, after_round, at_end };

stopped run_round(const actor& who) {
    try {
        return who.round() ? stopped::after_round : stopped::at_end;
    } catch (const pause&) {
        return stopped::paused;
    }
}

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
    enter(first());
    while (!junctions_.empty()) {
        auto& here = junctions_.back();
        if (here.next == actors_.size()) {
            leave();
            continue;
        }
        const auto who = here.next++;
        if (!may_run(here.where.shared, here.where.actors[who])) continue;
        here.is_end = false;
        const bool interrupts = here.where.interrupted != state::nobody &&
                                here.where.interrupted != who;
        if (interrupts && here.where.interruptions == what_->interruptions) continue;
        path_.push_back(who);
        ++result_.transitions;
        state next = here.where;
        if (interrupts) ++next.interruptions;
        advance(next, who);
        enter(next);
    }
}

void search::enter(const state& where) {
    const auto [place, is_new] = known_.try_emplace(key(where, actors_.size()), on_the_way);
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
        check_end(here.where);
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

/// Everybody stands before the first step.
state search::first() {
    state start{};
    progress nobody;
    {
        const running undisturbed(start.shared, nobody, progress::most_steps);
        what_->prepare();
    }
    for (std::size_t i = 0; i < actors_.size(); ++i) {
        const running not_yet(start.shared, start.actors[i], 0);
        run_round(actors_[i]);
    }
    return start;
}

/// Makes one step of one actor.
void search::advance(state& where, std::size_t who, std::string* story) {
    auto& self = where.actors[who];
    running one_step(where.shared, self, 1, story);
    auto how = run_round(actors_[who]);
    while (how == stopped::after_round) { // to the first step of the next one
        one_step.forget();
        how = run_round(actors_[who]);
    }
    if (how == stopped::at_end) {
        one_step.forget();
        self.done = true;
    }
    const bool counts = what_->interruptions != scenario::unlimited && may_run(where.shared, self);
    where.interrupted = counts ? who : state::nobody;
}

void search::check_end(const state& where) const {
    for (std::size_t i = 0; i < actors_.size(); ++i)
        if (!where.actors[i].done && !where.actors[i].next.for_ever)
            throw violation(actors_[i].name + " waits for ever");
    world end = where.shared; // which may be looked at in steps
    progress judge;
    const running undisturbed(end, judge, progress::most_steps);
    what_->at_end(end);
}

/// The steps on the way to where the search has ended.
std::string search::way_here() {
    std::string story;
    try {
        state where = first();
        for (const auto who : path_) {
            story += "    " + actors_[who].name + ":";
            story.append(12 - std::min<std::size_t>(12, actors_[who].name.size()), ' ');
            advance(where, who, &story);
            story += '\n';
        }
    } catch (const violation&) {
        story += '\n';
    }
    return story;
}

} // namespace

result explore(const scenario& what) {
    if (what.actors.size() > most_actors) throw std::length_error("too many actors");
    return search(what).run();
}

running::running(world& shared, progress& self, std::size_t new_steps, std::string* story)
    : shared_(&shared), self_(&self), left_(new_steps), story_(story) {
    the_running = this;
}

running::~running() {
    the_running = nullptr;
}

running& running::now() {
    return *the_running;
}

void running::begin(guard when) {
    if (left_ == 0) {
        self_->next = when;
        throw pause{};
    }
    --left_;
}

std::uint64_t running::record(label name, std::uint64_t returned) {
    if (self_->steps == progress::most_steps) throw std::length_error("a round has too many steps");
    self_->returned[self_->steps++] = returned;
    ++position_;
    if (story_ != nullptr && name.what != nullptr) *story_ += tell(name, returned, *shared_);
    return returned;
}

void running::forget() {
    self_->steps = position_ = 0;
}

} // namespace model
