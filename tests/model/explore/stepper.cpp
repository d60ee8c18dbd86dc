/// \file
/// Running an actor: again from its beginning, up to the step that is new.

#include "stepper.hpp"

#include <cstring>
#include <stdexcept>

namespace model {
namespace {

/// Ends a run, not the actor.
struct pause {};

running* the_running = nullptr;

enum class stopped { paused, after_round, at_end };

stopped run_round(const actor& who) {
    try {
        return who.round() ? stopped::after_round : stopped::at_end;
    } catch (const pause&) {
        return stopped::paused;
    }
}

/// A step in words.
std::string tell(label name, std::uint64_t returned, const world& after) {
    if (name.atomic == label::no_one) return name.what + (" -> " + std::to_string(returned));
    return describe(name.atomic) + ": " + name.what + ", was " + describe(name.atomic, returned) +
           ", is " + describe(name.atomic, after.atomic[name.atomic]);
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15U;
    return hash ^ (hash >> 29);
}

} // namespace

stepper::stepper(const scenario& what) : what_(&what) {
    if (what.actors.size() > most_actors) throw std::length_error("too many actors");
}

state stepper::first() const {
    state start{};
    progress nobody;
    {
        const running undisturbed(start.shared, nobody, progress::most_steps);
        what_->prepare();
    }
    for (std::size_t i = 0; i < actors().size(); ++i) {
        const running not_yet(start.shared, start.actors[i], 0);
        run_round(actors()[i]);
    }
    return start;
}

bool stepper::may_run(const state& where, std::size_t who) {
    const auto& actor = where.actors[who];
    const auto& when = actor.next;
    return !actor.done && (when.holds == nullptr || when.holds(where.shared, when.argument));
}

void stepper::advance(state& where, std::size_t who, std::string* story) const {
    auto& self = where.actors[who];
    running one_step(where.shared, self, 1, story);
    auto how = run_round(actors()[who]);
    while (how == stopped::after_round) { // to the first step of the next one
        one_step.forget();
        how = run_round(actors()[who]);
    }
    if (how == stopped::at_end) {
        one_step.forget();
        self.done = true;
    }
    const bool counts = what_->interruptions != scenario::unlimited && may_run(where, who);
    where.interrupted = counts ? who : state::nobody;
}

void stepper::check_end(const state& where) const {
    for (std::size_t i = 0; i < actors().size(); ++i)
        if (!where.actors[i].done && !where.actors[i].next.for_ever)
            throw violation(actors()[i].name + " waits for ever");
    world end = where.shared; // which may be looked at in steps
    progress judge;
    const running undisturbed(end, judge, progress::most_steps);
    what_->at_end(end);
}

std::uint64_t stepper::key(const state& where) const {
    std::uint64_t hash = 1;
    static_assert(sizeof(world) % sizeof hash == 0);
    std::array<std::uint64_t, sizeof(world) / sizeof hash> bytes;
    std::memcpy(bytes.data(), &where.shared, sizeof bytes);
    for (const auto word : bytes) hash = mix(hash, word);
    for (std::size_t i = 0; i < actors().size(); ++i) {
        const auto& actor = where.actors[i];
        hash = mix(hash, actor.steps * 2 + (actor.done ? 1 : 0));
        for (std::size_t n = 0; n < actor.steps; ++n) hash = mix(hash, actor.returned[n]);
    }
    return mix(hash, where.interruptions << 8 | where.interrupted);
}

standing stepper::standing_of(const state& where, std::size_t who) const {
    standing seen;
    if (where.actors[who].done) return seen;
    state copy = where;
    const running again(copy.shared, copy.actors[who], 0, nullptr, &seen);
    run_round(actors()[who]);
    return seen;
}

running::running(world& shared, progress& self, std::size_t new_steps, std::string* story,
                 standing* seen)
    : shared_(&shared), self_(&self), left_(new_steps), story_(story), seen_(seen) {
    the_running = this;
}

running::~running() {
    the_running = nullptr;
}

running& running::now() {
    return *the_running;
}

std::uint64_t running::replay(label name) {
    const auto returned = self_->returned[position_++];
    if (seen_ != nullptr && name.what != nullptr) seen_->steps.push_back({name, returned});
    return returned;
}

void running::begin(label name, guard when) {
    if (left_ == 0) {
        self_->next = when;
        if (seen_ != nullptr) seen_->next = name;
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
