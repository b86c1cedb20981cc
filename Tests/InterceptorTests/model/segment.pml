/* SPDX-License-Identifier: Apache-2.0
 *
 * The segment's protocol (CSources/segment/hcs_segment.h) for two processes and one device: a kill before every step, two
 * reapers (the agent, and a process about to be denied), the repair of what kills leave, a live change of the quota, a
 * cap over all. check.sh says how it is run, and which BREAK_ variants must fail.
 *
 * One statement here is one access to shared memory there. A compare-and-swap loop is one step, because it takes effect
 * only where it succeeds; what it compared with (the limit) was read in a step before. Bytes are 1 and 2, limits 1 to 3:
 * the protocol does nothing with an amount but add, subtract and compare it.
 */

#define SLOTS 2
#define NOBODY 0
#define AGENT 3
#define FREE 0
#define LIVE 1
#define NONE 255

#ifndef OPERATIONS
#define OPERATIONS 2 /* of one life */
#endif
#ifndef OPERATIONS_OF_FIRST
#define OPERATIONS_OF_FIRST OPERATIONS
#endif
#ifndef BLOCKS
#define BLOCKS 1 /* that a process may hold */
#endif
#ifndef BYTES
#define BYTES 2 /* of a block of the second process; of the first: 1 */
#endif
#ifndef LIVES
#define LIVES 2
#endif

/* The segment. */
byte limit = 2, device_used;
#ifdef TOTAL
byte total_limit = 2, total_used;
#endif
byte slot_state[SLOTS], slot_used[SLOTS], slot_begin[SLOTS], slot_end[SLOTS];

/* The kernel: who holds a slot's lock byte. The driver: what each living process has. */
byte lock_of[SLOTS], settle_lock;
byte driver[2];

/* Nobody's memory: what the properties are about. */
byte ceiling[2];   /* highest limit in force since the process last read it for its operation */
byte in_flight[2]; /* bytes that a kill now may leave counted */
byte owed;         /* bytes that kills have left counted, at most */
bool done[2], quota_done, kill_wanted[2];

#define SLOTS_SUM (slot_used[0] + slot_used[1])
#define DRIVER_SUM (driver[0] + driver[1])

/* What a process has is covered by its slot, what the slots hold by the counters: after every change of either. */
#define COVERED(p, s) assert(driver[p] <= slot_used[s])
#ifdef TOTAL
#define NEVER_BELOW assert(SLOTS_SUM <= device_used && SLOTS_SUM <= total_used)
#define TOTAL_ONLY(statement) statement
#else
#define NEVER_BELOW assert(SLOTS_SUM <= device_used)
#define TOTAL_ONLY(statement) skip
#endif

/* Taken off, stopping at zero. */
#define GIVE_BACK(counter, n) atomic { if :: counter >= (n) -> counter = counter - (n) :: else -> counter = 0 fi; NEVER_BELOW }

/* --- reserve ------------------------------------------------------------------------------------------------------------- */

#ifdef BREAK_CAS
#define RESERVE(counter, cap, n) \
    granted = (counter + n <= cap); \
    if :: granted -> counter = counter + n :: else fi
#else
#define RESERVE(counter, cap, n) \
    atomic { if :: counter + n <= cap -> counter = counter + n; granted = true :: else -> granted = false fi }
#endif

/* --- reap: who holds the lock of a living slot's byte knows that its owner is gone --------------------------------------- */

#ifdef BREAK_LOCK
#define TRY_LOCK(i, me) got = true
#define UNLOCK(i) skip
#else
#define TRY_LOCK(i, me) atomic { if :: lock_of[i] == NOBODY -> lock_of[i] = me; got = true :: else -> got = false fi }
#define UNLOCK(i) lock_of[i] = NOBODY
#endif

/* Reaping moves bytes as an operation does, and is one of the slot that it reaps: between the exchange and the counters the
 * sum of the slots is no measure of either. It ends what the dead had begun, too: a free slot has nothing under way. */
#ifdef BREAK_MARK
#define REAP_BEGINS(i) skip
#else
#define REAP_BEGINS(i) slot_begin[i] = slot_begin[i] + 1
#endif
#ifdef BREAK_END
#define REAP_ENDS(i) skip
#else
#define REAP_ENDS(i) slot_end[i] = slot_begin[i]
#endif

#define REAP_ONE(i, me, flight) \
    if \
    :: i != own && slot_state[i] == LIVE -> \
        TRY_LOCK(i, me); \
        if \
        :: got && slot_state[i] == LIVE -> \
            REAP_BEGINS(i); \
            atomic { taken = slot_used[i]; slot_used[i] = 0; flight = taken } \
            GIVE_BACK(device_used, taken); \
            TOTAL_ONLY(GIVE_BACK(total_used, taken)); \
            atomic { flight = 0; taken = 0; REAP_ENDS(i) } \
            slot_state[i] = FREE; \
            atomic { got = false; UNLOCK(i) } \
        :: got && slot_state[i] != LIVE -> atomic { got = false; UNLOCK(i) } \
        :: !got \
        fi \
    :: i == own || slot_state[i] != LIVE \
    fi

/* --- settle: a counter above the sum of the slots, while no operation is under way ------------------------------------------ */

/* What has begun is counted over all slots, and a new owner goes on where the last one stopped: the count never goes back,
 * so an equal count means that nothing began. `end` is read first: it is never above `begin`, so equal means that nothing
 * was under way in between. */
#ifdef BREAK_RESET
#define STARTED(i) slot_begin[i] = 0; slot_end[i] = 0
#else
#define STARTED(i) skip
#endif

#define LOOK(i) \
    last = slot_end[i]; \
    atomic { quiet = quiet && slot_begin[i] == last; count = count + slot_begin[i]; last = 0 }

/* The counter is read while it is known that nothing is under way. Read before, it may hold an operation that ends, and
 * the swap would take the next one's equal bytes for it. */
#ifdef BREAK_ABA
#define EARLY(counter) counted = counter
#define LATE(counter) skip
#else
#define EARLY(counter) skip
#define LATE(counter) counted = counter
#endif
#ifdef BREAK_SETTLE
#define GO_ON true
#define QUIET true
#else
#define GO_ON quiet
#define QUIET (quiet && before == count)
#endif

/* One at a time: a second one would not see that the first has moved the counter. */
#ifdef BREAK_SETTLERS
#define SETTLE_ALONE(me, statements) statements
#else
#define SETTLE_ALONE(me, statements) \
    if \
    :: atomic { settle_lock == NOBODY -> settle_lock = me } \
        statements; \
        settle_lock = NOBODY \
    :: settle_lock != NOBODY \
    fi
#endif

#define SETTLE(counter) \
    EARLY(counter); \
    atomic { quiet = true; count = 0 } \
    LOOK(0); \
    if :: GO_ON -> LOOK(1) :: !GO_ON fi; \
    if \
    :: GO_ON -> \
        atomic { before = count; count = 0 } \
        LATE(counter); \
        if \
        :: counted > 0 -> \
            sum = slot_used[0]; \
            sum = sum + slot_used[1]; \
            if \
            :: counted > sum -> \
                LOOK(0); \
                if :: GO_ON -> LOOK(1) :: !GO_ON fi; \
                atomic { if :: QUIET && counter == counted -> counter = sum :: else fi; NEVER_BELOW } \
            :: counted <= sum \
            fi \
        :: counted == 0 \
        fi \
    :: !GO_ON \
    fi; \
    atomic { counted = 0; before = 0; count = 0; sum = 0; quiet = false }

/* --- a process --------------------------------------------------------------------------------------------------------------- */

inline claim(i) {
    if
    :: own == NONE && slot_state[i] == FREE ->
        atomic { if :: lock_of[i] == NOBODY -> lock_of[i] = me + 1; got = true :: else -> got = false fi }
        if
        :: got ->
            atomic { if :: slot_state[i] == FREE -> slot_state[i] = LIVE :: else -> lock_of[i] = NOBODY; got = false fi }
            if
            :: got ->
                STARTED(i);
                atomic { own = i; got = false }
            :: !got
            fi
        :: !got
        fi
    :: own != NONE || slot_state[i] != FREE
    fi
}

inline undo_slot() { slot_used[own] = slot_used[own] - n }

/* The total first, then the device, then the slot; the driver last. Back in the other direction. */
inline allocate() {
    atomic { slot_begin[own] = slot_begin[own] + 1; in_flight[me] = n; granted = true }
#ifdef TOTAL
    cap = total_limit;
    RESERVE(total_used, cap, n);
#endif
    if
    :: granted ->
        atomic { cap = limit; ceiling[me] = limit } /* one read */
#ifdef BREAK_ORDER
        atomic { slot_used[own] = slot_used[own] + n; NEVER_BELOW }
#endif
        RESERVE(device_used, cap, n);
        if
        :: granted ->
#ifndef BREAK_ORDER
            atomic { slot_used[own] = slot_used[own] + n; NEVER_BELOW }
#endif
            if
            :: atomic { /* the driver gives */
                driver[me] = driver[me] + n;
                given = true;
                assert(DRIVER_SUM <= ceiling[me]);
                TOTAL_ONLY(assert(DRIVER_SUM <= total_limit));
                COVERED(me, own)
               }
#ifndef NEVER_REFUSES
            :: undo_slot(); /* the driver refuses */
               GIVE_BACK(device_used, n);
               TOTAL_ONLY(GIVE_BACK(total_used, n))
#endif
            fi
        :: !granted ->
#ifdef BREAK_ORDER
            undo_slot();
#endif
            TOTAL_ONLY(GIVE_BACK(total_used, n))
        fi
    :: !granted
    fi;
    atomic { in_flight[me] = 0; ceiling[me] = 0; cap = 0; granted = false; slot_end[own] = slot_end[own] + 1 }
}

inline release() {
    atomic { slot_begin[own] = slot_begin[own] + 1; in_flight[me] = n }
#ifndef BREAK_FREE
    driver[me] = driver[me] - n;
#endif
    atomic { undo_slot(); COVERED(me, own) }
    GIVE_BACK(device_used, n);
    TOTAL_ONLY(GIVE_BACK(total_used, n));
#ifdef BREAK_FREE
    driver[me] = driver[me] - n;
#endif
    atomic { in_flight[me] = 0; slot_end[own] = slot_end[own] + 1 }
}

/* Before a request is denied: what the dead hold is taken back. Without an agent also what their kills left. */
inline reap_and_settle() {
    REAP_ONE(0, me + 1, in_flight[me]);
    REAP_ONE(1, me + 1, in_flight[me]);
#ifdef STANDALONE
    SETTLE_ALONE(me + 1, SETTLE(device_used); TOTAL_ONLY(SETTLE(total_used)))
#endif
}

inline one_operation() {
    if
    :: driver[me] < BLOCKS * n ->
        allocate();
        if
        :: !given && !reaped ->
            reap_and_settle();
            reaped = true;
            allocate()
        :: given || reaped
        fi;
        given = false
    :: driver[me] > 0 -> release()
    fi
}

/* The driver's descriptor closes before the segment's (it has the lower number): its memory goes first. */
inline die() {
    atomic { driver[me] = 0; owed = owed + in_flight[me]; in_flight[me] = 0; ceiling[me] = 0 }
    atomic {
        if :: lock_of[0] == me + 1 -> lock_of[0] = NOBODY :: else fi;
        if :: lock_of[1] == me + 1 -> lock_of[1] = NOBODY :: else fi;
        if :: settle_lock == me + 1 -> settle_lock = NOBODY :: else fi;
        own = NONE; got = false; granted = false; given = false; reaped = false; taken = 0; cap = 0; operations = 0;
#ifdef STANDALONE
        counted = 0; before = 0; count = 0; sum = 0; last = 0; quiet = false;
#endif
        kill_wanted[me] = false; lives++
    }
}

proctype process(byte me; byte n; byte most) {
    byte own = NONE, taken, cap, operations, lives;
    bool got, granted, given, reaped;
#ifdef STANDALONE
    byte counted, before, count, sum, last;
    bool quiet;
#endif
again:
    {
        claim(0);
        claim(1);
        do
        :: own != NONE && operations < most -> operations++; one_operation()
        :: own == NONE || operations == most -> break
        :: own != NONE && driver[me] == 0 -> /* a clean end gives the slot back */
            slot_state[own] = FREE;
            atomic { lock_of[own] = NOBODY; own = NONE }
            break
        od
    } unless { kill_wanted[me] }
    if
    :: kill_wanted[me] -> die(); if :: lives < LIVES -> goto again :: lives >= LIVES fi
    :: !kill_wanted[me]
    fi;
    done[me] = true
}

/* Before any step of a process. One that is over is killed no more: it lives on, with what it holds. */
#ifndef KILLS
#define KILLS 2
#endif
proctype killer() {
    byte kills;
    do
    :: kills < KILLS -> kills++;
        if
        :: atomic { !done[0] -> kill_wanted[0] = true }
#ifndef KILLS_ONLY_FIRST
        :: atomic { !done[1] -> kill_wanted[1] = true }
#endif
        :: true -> break
        fi
    :: kills == KILLS -> break
    od
}

/* --- the agent ------------------------------------------------------------------------------------------------------------------- */

/* Lowers below what may be in use, then raises. A reservation that read the limit before stands under the higher of both. */
inline change(value) {
    atomic {
        limit = value;
        if :: ceiling[0] && ceiling[0] < value -> ceiling[0] = value :: else fi;
        if :: ceiling[1] && ceiling[1] < value -> ceiling[1] = value :: else fi
    }
}

proctype quota() {
#ifdef QUOTA_CHANGES
    change(1);
    change(3);
#endif
    quota_done = true
}

proctype agent() {
    byte own = NONE, taken, flight, counted, before, count, sum, last;
    bool got, quiet;
#ifdef AGENT_REAPS /* one pass, at any time; what it does does not depend on what passes before it did */
    REAP_ONE(0, AGENT, flight);
    REAP_ONE(1, AGENT, flight);
#endif
#ifdef AGENT_SETTLES
    SETTLE(device_used);
    TOTAL_ONLY(SETTLE(total_used));
#endif
    (done[0] && done[1] && quota_done); /* and one when nobody moves; without an agent the next process that asks does it */
    REAP_ONE(0, AGENT, flight);
    REAP_ONE(1, AGENT, flight);
    /* All that the dead held is back but for what was under way; and that comes back now. */
    assert(SLOTS_SUM == DRIVER_SUM && device_used <= DRIVER_SUM + owed);
    TOTAL_ONLY(assert(total_used <= DRIVER_SUM + owed));
    SETTLE(device_used);
    TOTAL_ONLY(SETTLE(total_used));
    assert(device_used == DRIVER_SUM);
    TOTAL_ONLY(assert(total_used == DRIVER_SUM))
}

init {
    atomic {
        run process(0, 1, OPERATIONS_OF_FIRST);
        run process(1, BYTES, OPERATIONS);
        run killer();
        run quota();
        run agent()
    }
}
