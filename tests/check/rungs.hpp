#pragma once
/// \file
/// The ladder: twelve rungs, each of which holds for any echo server. They are in such an order
/// that a server's first mistake decides at which one it stops, however busy the machine is.

#include "check/scene.hpp"

#include <array>
#include <span>

namespace check {

/// One rung.
struct rung {
    text title;             ///< what a server does that passes it
    text expected;          ///< what had to happen, and why it matters
    const char* page;       ///< the page of the site that explains it
    int stage;              ///< the first stage that does it right
    void (*climb)(scene&);  ///< throws, if the server does not pass
    bool needs_the_process; ///< can't be judged of a server that somebody else has started
};

/// All of them, from the bottom.
std::span<const rung> ladder();

// What one and the same client sees (bytes.cpp).
void climb_answers(scene& now);
void climb_two_at_once(scene& now);
void climb_bytes(scene& now);
void climb_half_close(scene& now);
// Clients that read too slowly, or send too much (readers.cpp).
void climb_slow_reader(scene& now);
void climb_never_reads(scene& now);
void climb_floods(scene& now);
// Clients that leave (leaving.cpp).
void climb_resets(scene& now);
void climb_leaves_nothing(scene& now);
// Many clients (crowds.cpp).
void climb_one_moment(scene& now);
void climb_rests(scene& now);
void climb_no_descriptors(scene& now);

} // namespace check
