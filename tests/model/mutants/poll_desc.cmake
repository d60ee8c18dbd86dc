begin_mutants(stage4 ${stage4_dir}/runtime/poll_desc.hpp)

mutant("no recheck between wait and parking" "though it is closed"
       [[auto status = check(s);
        if]]
       [[auto status = BROKEN ? poll_status::ready : check(s);
        if]])

mutant("an edge is overwritten by wait" "though an edge has come"
       [[if (!g.compare_exchange_strong(old, empty | wait)) continue;]]
       [[if (BROKEN) g.store(empty | wait);
        else if (!g.compare_exchange_strong(old, empty | wait)) continue;]])

mutant("parking without compare-and-swap" "though an edge has come"
       [[if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;]]
       [[if (BROKEN ? (g.store(empty | self), true) : g.compare_exchange_strong(waiting, empty | self))
            return poll_status::parked;]])

mutant("an edge that came instead of parking is forgotten" "though an edge has come"
       [[if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;]]
       [[if (BROKEN) g.store(empty | nil);
        else if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;]])

mutant("an edge that came before waiting is forgotten" "though an edge has come"
       [[g.store(empty | nil); // no other thread changes `ready`: a store is enough]]
       [[g.store(empty | nil);
            if (BROKEN) continue;]])

mutant("waking without compare-and-swap" "who has not parked is woken"
       [[if (g.compare_exchange_strong(old, generation_of(sequence) | (io_ready ? ready : nil)))]]
       [[const word wanted = generation_of(sequence) | (io_ready ? ready : nil);
        if (BROKEN ? (g.store(wanted), true) : g.compare_exchange_strong(old, wanted))]])

mutant("a deadline takes an edge back" "though an edge has come"
       [[if (state == ready) return nullptr;]]
       [[if (state == ready && !(BROKEN && !io_ready)) return nullptr;]])

mutant("the number stays the same when a life ends" "a stale event wakes somebody"
       [[sequence() + 1;]]
       [[sequence() + (BROKEN ? 0 : 1);]])

mutant("nobody looks at the number" "leaves `ready` behind"
       [[if ((old & ~state_mask) != generation_of(sequence)) return nullptr;]]
       [[if (!BROKEN && (old & ~state_mask) != generation_of(sequence)) return nullptr;]])

mutant("an old event ends a new stream" "ends the next stream"
       [[while (old >> 32 == sequence) {]]
       [[while (BROKEN || old >> 32 == sequence) {]])

mutant("an announced end or urgent data is forgotten" "though an edge has come"
       [[if (stops_short) wanted]]
       [[if (!BROKEN && stops_short) wanted]])

mutant("close wakes first and says so then" "though it is closed"
       [[info_.fetch_or(closing_bit);]]
       [[if (BROKEN)
        for (const direction s : {direction::read, direction::write})
            if (auto* const w = unblock(s, false, sequence())) wake(*w);
    info_.fetch_or(closing_bit);
    if (BROKEN) return deadline_of(direction::read).store(0), deadline_of(direction::write).store(0);]])

mutant("close leaves the deadline there" "a deadline fires early"
       [[deadline_of(s).store(0);]]
       [[if (!BROKEN) deadline_of(s).store(0);]])

mutant("a deadline in the past wakes first and says so then" "the deadline has come"
       [[        info_.fetch_or(expired_bit_of(s));
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    } else]]
       [[        if (!BROKEN) info_.fetch_or(expired_bit_of(s));
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
        if (BROKEN) info_.fetch_or(expired_bit_of(s));
    } else]])

mutant("a timer wakes first and says so then" "the deadline has come"
       [[                info_.fetch_or(expired_bit_of(s));
                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                break;]]
       [[                if (!BROKEN) info_.fetch_or(expired_bit_of(s));
                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                if (BROKEN) info_.fetch_or(expired_bit_of(s));
                break;]])

mutant("moving a deadline without compare-and-swap" "a deadline fires early"
       [[deadline.compare_exchange_strong(old, when);]]
       [[(BROKEN ? (deadline.store(when), true) : deadline.compare_exchange_strong(old, when));]])

mutant("expiring without compare-and-swap" "a deadline fires early"
       [[if (deadline_of(s).compare_exchange_strong(deadline, expired)) {]]
       [[if (BROKEN ? (deadline_of(s).store(expired), true)
                       : deadline_of(s).compare_exchange_strong(deadline, expired)) {]])

end_mutants(model_explorer ${with_protocol})
