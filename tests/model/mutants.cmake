# poll_desc.hpp with one precaution less, again and again: each time the explorer must find what
# that does.

# mutant(NAME WHAT FINDS FROM TO): a test that fails unless the explorer finds the violation FINDS
# when FROM, in the header, is TO.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${stage4_dir}/poll_desc.hpp)
file(READ ${stage4_dir}/poll_desc.hpp poll_desc)
function(mutant name what finds from to)
  set(test "stage4: broken on purpose: ${what}")
  string(REPLACE "${from}" "${to}" changed "${poll_desc}")
  if(changed STREQUAL poll_desc)
    add_test(NAME "${test}" COMMAND sh -c
             "echo 'poll_desc.hpp has no longer what tests/model/mutants.cmake changes'; exit 1")
    return()
  endif()
  set(header ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}/poll_desc.hpp)
  set(before "")
  if(EXISTS ${header})
    file(READ ${header} before)
  endif()
  if(NOT changed STREQUAL before) # or it would be compiled each time
    file(WRITE ${header} "${changed}")
  endif()
  add_executable(mutant_${name} ${with_protocol})
  set_target_properties(mutant_${name} PROPERTIES UNITY_BUILD ON)
  target_compile_options(mutant_${name} PRIVATE -O1 -w)
  target_include_directories(mutant_${name} PRIVATE
                             ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name} ${stage4_dir})
  target_link_libraries(mutant_${name} PRIVATE model_explorer)
  add_test(NAME "${test}" COMMAND mutant_${name} --finds "${finds}")
endfunction()

mutant(recheck "no recheck between wait and parking" "though it is closed"
       [[        auto status = check(s);]]
       [[        auto status = poll_status::ready;]])

mutant(wait "an edge is overwritten by wait" "though an edge has come"
       [[if (!g.compare_exchange_strong(old, empty | wait)) continue;]]
       [[g.store(empty | wait);]])

mutant(commit "parking without compare-and-swap" "though an edge has come"
       [[if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;]]
       [[g.store(empty | self);
            return poll_status::parked;]])

mutant(not_parked "an edge that came instead of parking is forgotten" "though an edge has come"
       [[if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;]]
       [[g.store(empty | nil);]])

mutant(block "an edge that came before waiting is forgotten" "though an edge has come"
       [[            return poll_status::ready;
        }
        if (!g]]
       [[            continue;
        }
        if (!g]])

mutant(unblock "waking without compare-and-swap" "who has not parked is woken"
       [[if (g.compare_exchange_strong(old, life(sequence) | (io_ready ? ready : nil)))]]
       [[if (g.store(life(sequence) | (io_ready ? ready : nil)); true)]])

mutant(ready "a deadline takes an edge back" "though an edge has come"
       [[if (state == ready) return nullptr;]]
       [[if (state == ready && io_ready) return nullptr;]])

mutant(sequence "the number stays the same when a life ends" "a stale event wakes somebody"
       [[sequence() + 1;]]
       [[sequence();]])

mutant(compare "nobody looks at the number" "leaves `ready` behind"
       [[if ((old & ~state_mask) != life(sequence)) return nullptr;]]
       [[]])

mutant(mark "an old event ends a new stream" "ends the next stream"
       [[while (old >> 32 == sequence) {]]
       [[while (true) {]])

mutant(cut "an announced end or urgent data is forgotten" "though an edge has come"
       [[        if (cuts_reads) wanted |= cut_bit;]]
       [[]])

mutant(evict "close wakes first and says so then" "though it is closed"
       [[    info_.fetch_or(closing_bit); // published before anybody is unblocked
    for (const side s : {side::read, side::write}) {]]
       [[    for (const side s : {side::read, side::write})
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    info_.fetch_or(closing_bit);
    for (const side s : {side::read, side::write}) {
        deadline_of(s).store(0);
        continue;]])

mutant(old_deadline "close leaves the deadline there" "a deadline fires early"
       [[deadline_of(s).store(0); // or]]
       [[// or]])

mutant(set_deadline "a deadline in the past wakes first and says so then" "the deadline has come"
       [[        info_.fetch_or(expired_bit_of(s));
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    } else]]
       [[        if (auto* const w = unblock(s, false, sequence())) wake(*w);
        info_.fetch_or(expired_bit_of(s));
    } else]])

mutant(late_expiry "a timer wakes first and says so then" "the deadline has come"
       [[                info_.fetch_or(expired_bit_of(s));
                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                break;]]
       [[                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                info_.fetch_or(expired_bit_of(s));
                break;]])

mutant(postpone "moving a deadline without compare-and-swap" "a deadline fires early"
       [[deadline.compare_exchange_strong(old, when);]]
       [[(deadline.store(when), true);]])

mutant(expire "expiring without compare-and-swap" "a deadline fires early"
       [[if (deadline_of(s).compare_exchange_strong(deadline, expired)) {]]
       [[if (deadline_of(s).store(expired); true) {]])
