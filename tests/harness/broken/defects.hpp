#pragma once
/// \file
/// The ways in which broken_server can be broken. Real servers have been, in each of them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace broken {

enum class defect {
    nothing,
    loses_a_byte,              ///< the one that makes more than 64 KiB
    drops_owed,                ///< closes when the client has half-closed, with bytes unsent
    buffers_without_bound,     ///< reads on although the client does not take anything
    leaks_descriptors,         ///< one for each connection
    spins_on_emfile,           ///< asks again at once when it is out of descriptors
    never_arms_epollout,       ///< waits for more to read while bytes are unsent
    always_arms_epollout,      ///< is notified all the time that there is room
    loses_the_edge,            ///< takes a short read for the last one until the next event
    mistakes_newcomers,        ///< cleans up by number at the end of a turn: that of somebody else
    mixes_clients_up,          ///< one buffer of unsent bytes for all
    takes_nul_for_the_end,     ///< strlen()
    dies_of_sigpipe,           ///< send() without MSG_NOSIGNAL
    dies_of_a_reset,           ///< takes ECONNRESET for an error of its own
    closes_on_urgent_data,     ///< takes EPOLLPRI for trouble
    ignores_half_close,        ///< waits for more from a client that has ended its stream
    serves_one_until_it_rests, ///< a client that never stops is the only one served
    accepts_few_an_edge,       ///< eight; a listener's event may stand for more
    leaks_memory,              ///< a record for each connection
    inherits_descriptors,      ///< no CLOEXEC
    delays_small_writes,       ///< no TCP_NODELAY
    short_backlog,             ///< listen(fd, 5)
    does_not_move_timers,      ///< an idle timeout counts from the start
    times_out_early,           ///< by 20 ms
    stops_with_bytes_owed,     ///< SIGTERM is the end at once
};

using named_defect = std::pair<std::string_view, defect>;
inline constexpr auto defects = std::to_array<named_defect>(
    {{"nothing", defect::nothing},
     {"loses_a_byte", defect::loses_a_byte},
     {"drops_owed", defect::drops_owed},
     {"buffers_without_bound", defect::buffers_without_bound},
     {"leaks_descriptors", defect::leaks_descriptors},
     {"spins_on_emfile", defect::spins_on_emfile},
     {"never_arms_epollout", defect::never_arms_epollout},
     {"always_arms_epollout", defect::always_arms_epollout},
     {"loses_the_edge", defect::loses_the_edge},
     {"mistakes_newcomers", defect::mistakes_newcomers},
     {"mixes_clients_up", defect::mixes_clients_up},
     {"takes_nul_for_the_end", defect::takes_nul_for_the_end},
     {"dies_of_sigpipe", defect::dies_of_sigpipe},
     {"dies_of_a_reset", defect::dies_of_a_reset},
     {"closes_on_urgent_data", defect::closes_on_urgent_data},
     {"ignores_half_close", defect::ignores_half_close},
     {"serves_one_until_it_rests", defect::serves_one_until_it_rests},
     {"accepts_few_an_edge", defect::accepts_few_an_edge},
     {"leaks_memory", defect::leaks_memory},
     {"inherits_descriptors", defect::inherits_descriptors},
     {"delays_small_writes", defect::delays_small_writes},
     {"short_backlog", defect::short_backlog},
     {"does_not_move_timers", defect::does_not_move_timers},
     {"times_out_early", defect::times_out_early},
     {"stops_with_bytes_owed", defect::stops_with_bytes_owed}});

inline std::optional<defect> find_defect(std::string_view name) {
    const auto* const found = std::ranges::find(defects, name, &named_defect::first);
    if (found == defects.end()) return std::nullopt;
    return found->second;
}

} // namespace broken
