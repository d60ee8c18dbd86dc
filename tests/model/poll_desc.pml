/* \file
 * The protocol of stage4_epoll_et/runtime/poll_desc.hpp for one side of a descriptor, short enough to be
 * read at once. spin.sh lets spin try every interleaving; what is between two semicolons is one
 * step, and so is everything inside of d_step.
 */

mtype = { nil, ready, wait, parked };

mtype word = nil;     /* rg */
bool closing = false; /* these two are info */
bool expired = false;
bool locked = false;  /* the netpoll's mutex */

bool data = false;    /* the kernel's: there is something to read */
bool edge = false;    /* the kernel's: epoll has an event to tell */
bool woken = false;   /* the scheduler's: the reader may run on */
bool left = false;    /* the reader has returned from its call */

inline lock()   { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* Go: netpollunblock. The compare-and-swap loop is one step here: what fails changes nothing. */
inline unblock(io_ready, wake) {
    d_step {
        wake = (word == parked);
        if
        :: io_ready                                      -> word = ready
        :: !io_ready && (word == wait || word == parked) -> word = nil
        :: else -> skip /* a deadline or close is not remembered in the word */
        fi
    }
    if
    :: wake -> assert(!woken); /* once for each time that it parked */
               woken = true
    :: else -> skip
    fi
}

active proctype reader() {
    bool edge_came;

again: /* prepare(): an earlier event is forgotten, because a try follows */
    if
    :: closing || expired -> goto leave
    :: else -> skip
    fi;
    d_step { if :: word == ready -> word = nil :: else -> skip fi };

try: /* the system call */
    atomic { if :: data -> data = false; goto leave :: else -> skip fi };

block:
    atomic { edge_came = (word == ready); word = (edge_came -> nil : wait) };
    if :: edge_came -> goto try :: else -> skip fi;

    /* close and the timer set their flag first and then look at the word; here the word is written
     * first. So at least one of the two sees what the other wrote. */
    if :: closing || expired -> goto not_parked :: else -> skip fi; /* recheck */
    atomic { if :: word == wait -> word = parked; goto sleep :: else -> skip fi }; /* commit */

not_parked:
    atomic { edge_came = (word == ready); word = nil };
    if
    :: edge_came -> goto try
    :: !edge_came && (closing || expired) -> goto leave
    :: else -> goto block /* it expired and was moved before we looked */
    fi;

sleep:
end_asleep: /* perhaps forever: the judge decides */
    atomic { woken -> woken = false };
    goto again;

leave:
    left = true
}

/* Two arrivals at most; each causes an event. */
active proctype network() {
    if :: d_step { data = true; edge = true } :: skip fi;
    if :: d_step { data = true; edge = true } :: skip fi
}

active proctype poller() {
    bool wake;
end_idle:
    do
    :: atomic { edge -> edge = false }; /* epoll_wait */
       unblock(true, wake)              /* and later */
    od
}

/* It fires; then perhaps it is moved to later. Or neither. */
active proctype deadline() {
    bool wake;
    if
    :: lock(); expired = true; unblock(false, wake); unlock();
       if
       :: lock(); expired = false; unlock()
       :: skip
       fi
    :: skip
    fi
}

active proctype closer() {
    bool wake;
    if
    :: lock(); closing = true; unblock(false, wake); unlock()
    :: skip
    fi
}

/* When no other process can continue, the reader must not sleep while there is something for it. */
active proctype judge() {
    timeout -> assert(left || (!data && !closing && !expired))
}
