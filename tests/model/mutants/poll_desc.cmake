begin_mutants(stage4 ${stage4_dir}/runtime/poll_desc.hpp model_explorer ${with_protocol})

mutant("no recheck between wait and parking" "though it is closed"
       [[auto status = check(s);
        if]]
       [[auto status = poll_status::ready;
        if]])

mutant("an edge is overwritten by wait" "though an edge has come"
       [[if (!g.compare_exchange_strong(old, empty | wait)) continue; // an event, just now]]
       [[g.store(empty | wait);]])

mutant("parking without compare-and-swap" "though an edge has come"
       [[            word waiting = empty | wait;
            const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
            if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;]]
       [[            const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
            g.store(empty | self);
            return poll_status::parked;]])

mutant("an edge that came instead of parking is forgotten" "though an edge has come"
       [[if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;]]
       [[g.store(empty | nil);]])

mutant("an edge that came before waiting is forgotten" "though an edge has come"
       [[g.store(empty | nil); // no other thread changes `ready`: a store is enough
            return poll_status::ready;]]
       [[g.store(empty | nil);
            continue;]])

mutant("waking without compare-and-swap" "a waiter that has not parked is woken"
       [[        if (g.compare_exchange_strong(old, generation_of(sequence) | (io_ready ? ready : nil)))
            return state]]
       [[        g.store(generation_of(sequence) | (io_ready ? ready : nil));
            return state]])

mutant("a deadline takes an edge back" "though an edge has come"
       [[if (state == ready) return nullptr;]]
       [[if (state == ready && io_ready) return nullptr;]])

mutant("the number stays the same when a life ends" "a stale event wakes a waiter"
       [[sequence() + 1;]]
       [[sequence();]])

mutant("the sequence number is not compared" "leaves `ready` behind"
       [[        if ((old & ~state_mask) != generation_of(sequence)) return nullptr; // a past generation
]]
       [[]])

mutant("an old event ends a new stream" "ends the next stream"
       [[while (old >> 32 == sequence) {]]
       [[while (true) {]])

mutant("an announced end or urgent data is forgotten" "though an edge has come"
       [[        if (stops_short) wanted |= short_reads_bit;
]]
       [[]])

mutant("close wakes first and says so then" "though it is closed"
       [[    info_.fetch_or(closing_bit); // before looking at the state words: see the head of this file
    for (const direction s : {direction::read, direction::write}) {
        // Otherwise a set_deadline() that comes late would set the timer for this deadline again,
        // and the timer would fire in the next generation.
        deadline_of(s).store(0);
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    }]]
       [[    for (const direction s : {direction::read, direction::write}) {
        // Otherwise a set_deadline() that comes late would set the timer for this deadline again,
        // and the timer would fire in the next generation.
        deadline_of(s).store(0);
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    }
    info_.fetch_or(closing_bit);]])

mutant("close leaves the deadline there" "a deadline fires early"
       [[        // Otherwise a set_deadline() that comes late would set the timer for this deadline again,
        // and the timer would fire in the next generation.
        deadline_of(s).store(0);
]]
       [[]])

mutant("a deadline in the past wakes first and says so then" "the deadline has come"
       [[        info_.fetch_or(expired_bit_of(s));
        if (auto* const w = unblock(s, false, sequence())) wake(*w);
    } else]]
       [[        if (auto* const w = unblock(s, false, sequence())) wake(*w);
        info_.fetch_or(expired_bit_of(s));
    } else]])

mutant("a timer wakes first and says so then" "the deadline has come"
       [[                info_.fetch_or(expired_bit_of(s));
                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                break;]]
       [[                if (auto* const w = unblock(s, false, sequence())) wake(*w);
                info_.fetch_or(expired_bit_of(s));
                break;]])

mutant("moving a deadline without compare-and-swap" "a deadline fires early"
       [[    return old > 0 && (when == 0 || when >= old) && deadline.compare_exchange_strong(old, when);]]
       [[    if (old <= 0 || (when != 0 && when < old)) return false;
    deadline.store(when);
    return true;]])

mutant("expiring without compare-and-swap" "a deadline fires early"
       [[        while (deadline > 0 && deadline <= now)
            if (deadline_of(s).compare_exchange_strong(deadline, expired)) {]]
       [[        while (deadline > 0 && deadline <= now)
            if (deadline_of(s).store(expired); true) {]])

mutant("neither wait nor compare-and-swap" "though an edge has come"
       [[        if (!g.compare_exchange_strong(old, empty | wait)) continue; // an event, just now

        // [recheck]
        // Close or expiry may have come before `wait` was stored. Then they found no waiter.
        auto status = check(s);
        if (status == poll_status::ready) {
            word waiting = empty | wait;
            const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
            if (g.compare_exchange_strong(waiting, empty | self)) return poll_status::parked;
        }
        // [recheck]
        // Not parked. An event that came first counts, even after a deadline or close.
        if ((g.exchange(empty | nil) & state_mask) == ready) return poll_status::ready;
        status = check(s);
        if (status != poll_status::ready) return status;
        // A deadline expired, but was set to a later time before this check: start over.
]]
       [[        const auto self = static_cast<word>(reinterpret_cast<std::uintptr_t>(&w));
        g.store(empty | self);
        return poll_status::parked;
]])
