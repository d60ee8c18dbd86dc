/// \file
/// The order of the rungs, and where the reader finds the way up.

#include "check/rungs.hpp"

namespace check {
namespace {

constexpr std::array<rung, 12> rungs{{
    {texts::answers, texts::answers_expected, "stage1", 1, climb_answers, false},
    {texts::two_at_once, texts::two_at_once_expected, "stage1", 1, climb_two_at_once, false},
    {texts::bytes, texts::bytes_expected, "stage1", 1, climb_bytes, false},
    {texts::half_close, texts::half_close_expected, "edge_level", 2, climb_half_close, false},
    {texts::slow_reader, texts::slow_reader_expected, "stage2", 2, climb_slow_reader, false},
    {texts::never_reads, texts::never_reads_expected, "stage2", 2, climb_never_reads, false},
    {texts::resets, texts::resets_expected, "faults", 1, climb_resets, false},
    {texts::floods, texts::floods_expected, "stage3", 3, climb_floods, false},
    {texts::one_moment, texts::one_moment_expected, "article_notes", 1, climb_one_moment, true},
    {texts::leaves_nothing, texts::leaves_nothing_expected, "faults", 1, climb_leaves_nothing,
     true},
    {texts::rests, texts::rests_expected, "stage3", 3, climb_rests, true},
    {texts::no_descriptors, texts::no_descriptors_expected, "faults", 1, climb_no_descriptors,
     true},
}};

} // namespace

std::span<const rung> ladder() {
    return rungs;
}

} // namespace check
