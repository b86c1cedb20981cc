/* SPDX-License-Identifier: Apache-2.0
 *
 * The segment's protocol (CSources/segment/hcs_segment.h): two processes on one device, killed at any step, with other
 * lives after; the agent that changes the quota, reaps and settles; or no agent, and processes that settle. check.sh says
 * which searches there are, and which BREAK_ variants must fail.
 *
 * One step (a statement, or an atomic block) is one access to shared memory, one lock call or one driver call; beside each
 * stands the C function, or the Swift one, that does it. A compare-and-swap loop is one step: it takes effect where it
 * succeeds. What is folded into a step is local, or nobody else's view of it can differ:
 *   - a slot's state is looked at together with taking its lock: it only changes under that lock;
 *   - slot.used and end, which a claim writes too, have their values then already: asserted.
 * Left out, since it can only make a request be denied or a settle give up: a lock held in vain, the slot's generation,
 * a denial from a counter read a moment ago. Threads of one process take turns at its slot (hcs_guard).
 * Bytes are 1 and 2, limits 1 to 3: the protocol only adds, subtracts and compares them.
 */

#define SLOTS 2
#define NOBODY 0
#define AGENT 3 /* holder of a lock; a process is its number + 1 */
#define FREE 0
#define LIVE 1
#define NONE 255

/* Bounds of a search. */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef LIVES
#define LIVES 1 /* of each process */
#endif
#ifndef OPERATIONS
#define OPERATIONS 1 /* of one life: each an allocation or a release */
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

/* The segment. */
byte limit = 2, device_used;
#ifdef TOTAL
byte total_limit = 2, total_used;
#endif
byte slot_state[SLOTS], slot_used[SLOTS], slot_begin[SLOTS], slot_end[SLOTS];

/* The kernel: who holds the lock on a slot's byte and on HCS_SETTLE_BYTE. The driver: what each process has. */
byte lock_of[SLOTS], settle_lock;
byte driver[2];

/* The run, and what the promises are about. */
bool killed[2], done[2], quota_done;
byte ceiling[2];   /* highest limit in force since the process read it for its operation */
byte in_flight[2]; /* bytes that a kill now may leave counted */
byte owed;         /* bytes that kills have left counted, at most */

#define SLOTS_SUM (slot_used[0] + slot_used[1])
#define DRIVER_SUM (driver[0] + driver[1])

/* The promises. What a process has is covered by its slot, what the slots hold by the counters; a grant keeps the quota.
 * And, at the end of agent(): all that kills left comes back. */
#define COVERED assert(driver[me] <= slot_used[own])
#define WITHIN_QUOTA assert(DRIVER_SUM <= ceiling[me]); TOTAL_ONLY(assert(DRIVER_SUM <= total_limit))
#ifdef TOTAL
#define NEVER_BELOW assert(SLOTS_SUM <= device_used && SLOTS_SUM <= total_used)
#define TOTAL_ONLY(statement) statement
#else
#define NEVER_BELOW assert(SLOTS_SUM <= device_used)
#define TOTAL_ONLY(statement) skip
#endif

/* hcs_give_back: stops at zero */
#define GIVE_BACK(counter, n) atomic { counter = (counter >= (n) -> counter - (n) : 0); NEVER_BELOW }
#ifdef TOTAL
#define GIVE_BACK_TOTAL(n) GIVE_BACK(total_used, n)
#else
#define GIVE_BACK_TOTAL(n)
#endif

/* --- reap: reap_slot and take_back; SegmentFile.reap and takeBack ------------------------------------------------------ */

#ifdef BREAK_LOCK
#define MAY_REAP(i) true
#define LOCK(i, me)
#define UNLOCK(i) skip
#else
#define MAY_REAP(i) lock_of[i] == NOBODY
#define LOCK(i, me) lock_of[i] = me
#define UNLOCK(i) lock_of[i] = NOBODY
#endif

/* Between the exchange and the counters the sum of the slots is no measure of them: a reap is an operation of the slot. */
#ifdef BREAK_MARK
#define REAP_BEGINS(i)
#else
#define REAP_BEGINS(i) slot_begin[i] = slot_begin[i] + 1;
#endif
/* It ends what the dead had begun, too: a free slot has nothing under way. */
#ifdef BREAK_END
#define REAP_ENDS(i) skip
#else
#define REAP_ENDS(i) slot_end[i] = slot_begin[i]
#endif

inline reap_one(i, holder, flight) {
    if
    :: atomic { i != own && slot_state[i] == LIVE && MAY_REAP(i) -> LOCK(i, holder) };
        REAP_BEGINS(i)
        atomic { taken = slot_used[i]; slot_used[i] = 0; flight = taken };
        GIVE_BACK(device_used, taken);
        GIVE_BACK_TOTAL(taken);
        atomic { flight = 0; taken = 0; REAP_ENDS(i) };
        slot_state[i] = FREE;
        UNLOCK(i)
    :: else
    fi
}

/* --- settle: a counter above the sum of the slots, while no operation is under way ------------------------------------- */

/* `end` is read first: it is never above `begin`, so equal means that nothing was under way in between. What has begun is
 * counted over all slots, and a new owner goes on where the last one stopped: the count never goes back, so an equal
 * count means that nothing began. */
#ifdef BREAK_SETTLE
#define UNDER_WAY(i) false
#define BEGUN_SINCE false
#else
#define UNDER_WAY(i) slot_begin[i] != end
#define BEGUN_SINCE begun != begun_before
#endif

#define FORGET_SETTLE end = 0; begun = 0; begun_before = 0; counted = 0; sum = 0; sum_before = 0

#define LOOK(i) \
    end = slot_end[i]; \
    if \
    :: atomic { UNDER_WAY(i) -> FORGET_SETTLE; break } \
    :: atomic { else -> begun = begun + slot_begin[i]; end = 0 } \
    fi
#define ADD(i) sum = sum + slot_used[i]

/* The C one adds up a slot as it looks at it, and must find the same sum again; the Swift one adds up once, after the
 * counter. Both read the counter while it is known that nothing is under way: read before, it may hold an operation that
 * ends, and the swap would take the next one's equal bytes for it. */
#ifdef BREAK_ABA
#define EARLY(counter) counted = counter;
#define LATE(counter)
#else
#define EARLY(counter)
#define LATE(counter) counted = counter;
#endif

/* sum_slots and settle */
#define SETTLE_IN_C(counter) \
    do \
    :: EARLY(counter) \
        LOOK(0); ADD(0); LOOK(1); ADD(1); \
        atomic { LATE(counter) begun_before = begun; sum_before = sum; begun = 0; sum = 0 }; \
        LOOK(0); ADD(0); LOOK(1); ADD(1); \
        atomic { \
            if \
            :: counted > sum && sum == sum_before && !(BEGUN_SINCE) && counter == counted -> counter = sum; NEVER_BELOW \
            :: else \
            fi; \
            FORGET_SETTLE; \
            break \
        } \
    od

/* settle and operationsWhenQuiet */
#define SETTLE_IN_SWIFT(counter) \
    do \
    :: EARLY(counter) \
        LOOK(0); LOOK(1); \
        atomic { LATE(counter) begun_before = begun; begun = 0 }; \
        ADD(0); \
        atomic { ADD(1); if :: counted <= sum -> FORGET_SETTLE; break :: else fi }; \
        LOOK(0); LOOK(1); \
        atomic { \
            if \
            :: !(BEGUN_SINCE) && counter == counted -> counter = sum; NEVER_BELOW \
            :: else \
            fi; \
            FORGET_SETTLE; \
            break \
        } \
    od


/* --- a process ---------------------------------------------------------------------------------------------------------- */

/* A new owner's counts go on where the last one's stopped. */
#ifdef BREAK_RESET
#define COUNTS_START(i) slot_begin[i] = 0; slot_end[i] = 0
#else
#define COUNTS_START(i) assert(slot_begin[i] == slot_end[i] && slot_used[i] == 0)
#endif

/* claim */
inline claim(i) {
    if
    :: atomic { own == NONE && slot_state[i] == FREE && lock_of[i] == NOBODY -> lock_of[i] = me + 1 };
        slot_state[i] = LIVE;
        atomic { COUNTS_START(i); own = i }
    :: else
    fi
}

/* hcs_segment_reap_locked. Without an agent the process settles, too; one at a time: a second one would not see that the
 * first has moved the counter. */
#ifdef BREAK_SETTLERS
#define MAY_SETTLE true
#else
#define MAY_SETTLE settle_lock == NOBODY
#endif
inline reap() {
    reap_one(0, me + 1, in_flight[me]);
    reap_one(1, me + 1, in_flight[me]);
#ifdef STANDALONE
    if
    :: atomic { MAY_SETTLE -> settle_lock = me + 1 };
        SETTLE_IN_C(device_used);
        TOTAL_ONLY(SETTLE_IN_C(total_used));
        settle_lock = NOBODY
    :: else
    fi
#endif
}

/* hcs_segment_attach */
inline attach() {
    claim(0);
    claim(1);
    if
    :: own == NONE -> reap(); claim(0); claim(1)
    :: else
    fi
}

inline begin_operation() { atomic { slot_begin[own] = slot_begin[own] + 1; in_flight[me] = n } }
inline end_operation() { atomic { slot_end[own] = slot_end[own] + 1; in_flight[me] = 0; ceiling[me] = 0; cap = 0 } }

inline charge_slot() { atomic { slot_used[own] = slot_used[own] + n; NEVER_BELOW } }
inline uncharge_slot() { atomic { slot_used[own] = slot_used[own] - n; COVERED } }

/* hcs_reserve: the limit is read, then compared and the counter raised in one. */
#ifdef BREAK_CAS
#define RESERVE(counter) atomic { counter + n <= cap -> skip }; counter = counter + n
#else
#define RESERVE(counter) atomic { counter + n <= cap -> counter = counter + n }
#endif

inline reserve_on_device() {
    atomic { cap = limit; ceiling[me] = limit };
#ifdef BREAK_ORDER
    charge_slot();
#endif
    if
    :: RESERVE(device_used);
#ifdef BREAK_ORDER
        granted = true
#else
        atomic { slot_used[own] = slot_used[own] + n; granted = true; NEVER_BELOW }
#endif
    :: else ->
#ifdef BREAK_ORDER
        uncharge_slot()
#else
        skip
#endif
    fi
}

/* reserve: the total first, then the device, then the slot. Sets `granted`. */
inline reserve() {
#ifdef TOTAL
    cap = total_limit;
    if
    :: RESERVE(total_used); reserve_on_device(); if :: !granted -> GIVE_BACK_TOTAL(n) :: else fi
    :: else
    fi
#else
    reserve_on_device()
#endif
}

/* uncharge: uncharge_slot, then the counters, in the other direction. */
inline uncharge_counters() {
    GIVE_BACK(device_used, n);
    GIVE_BACK_TOTAL(n)
}

/* hcs_charge_begin, the driver, hcs_charge_keep or hcs_charge_drop. Before it is denied, the dead are reaped, once. */
inline allocate() {
    do
    :: reserve();
        if
        :: atomic { granted -> driver[me] = driver[me] + n; granted = false; WITHIN_QUOTA; COVERED };
            atomic { end_operation(); reaped = false; operations++; break }
#ifndef NEVER_REFUSES
        :: atomic { granted -> granted = false; uncharge_slot() };
            uncharge_counters();
            atomic { end_operation(); reaped = false; operations++; break }
#endif
        :: atomic { !granted -> end_operation(); if :: reaped -> reaped = false; operations++; break :: else -> reaped = true fi };
            reap();
            begin_operation()
        fi
    od
}

/* hcs_release_begin, the driver, hcs_release_end */
inline release() {
#ifdef BREAK_FREE
    uncharge_slot();
    uncharge_counters();
    driver[me] = driver[me] - n;
#else
    driver[me] = driver[me] - n;
    uncharge_slot();
    uncharge_counters();
#endif
    atomic { end_operation(); operations++ }
}

proctype process(byte me; byte n; byte most) {
    byte own = NONE, lives = 1, operations, taken, cap;
    bool granted, reaped;
#ifdef STANDALONE
    byte end, begun, begun_before, counted, sum, sum_before;
#endif
life:
    {
        attach();
        do
        :: atomic { own != NONE && operations < most && driver[me] < BLOCKS * n -> begin_operation() }; allocate()
        :: atomic { own != NONE && operations < most && driver[me] > 0 -> begin_operation() }; release()
        :: atomic { own == NONE || operations == most -> done[me] = true; break } /* lives on with what it holds */
        :: atomic { own != NONE && driver[me] == 0 -> slot_state[own] = FREE }; /* hcs_segment_leave */
            atomic { lock_of[own] = NOBODY; own = NONE; done[me] = true; break }
        od
    } unless {
        /* The driver's descriptor is closed before the segment's (it has the lower number): killer(), then the locks. */
        atomic {
            killed[me];
            if :: lock_of[0] == me + 1 -> lock_of[0] = NOBODY :: else fi;
            if :: lock_of[1] == me + 1 -> lock_of[1] = NOBODY :: else fi;
            if :: settle_lock == me + 1 -> settle_lock = NOBODY :: else fi;
            own = NONE; operations = 0; taken = 0; cap = 0; granted = false; reaped = false;
#ifdef STANDALONE
            FORGET_SETTLE;
#endif
            killed[me] = false;
            if
            :: lives < LIVES -> lives++; goto life
            :: else -> done[me] = true
            fi
        }
    }
}

inline kill(p) {
    killed[p] = true;
    driver[p] = 0;
    owed = owed + in_flight[p];
    in_flight[p] = 0;
    ceiling[p] = 0
}

/* At any step, but for a process that is over: that it is killed then is the same as killed just before. */
proctype killer() {
    byte kills;
end:
    do
    :: atomic { kills < KILLS && !done[0] && !killed[0] -> kills++; kill(0) }
    :: atomic { kills < KILLS && !done[1] && !killed[1] -> kills++; kill(1) }
    od
}

/* --- the agent ---------------------------------------------------------------------------------------------------------- */

/* SegmentFile.setLimit. A reservation that read the limit before stands under the higher of both. */
inline change(value) {
    atomic {
        limit = value;
        if :: ceiling[0] && ceiling[0] < value -> ceiling[0] = value :: else fi;
        if :: ceiling[1] && ceiling[1] < value -> ceiling[1] = value :: else fi
    }
}

/* Below what may be in use, then above what it was. */
proctype quota() {
#ifdef QUOTA_CHANGES
    change(1);
    change(3);
#endif
    quota_done = true
}

/* SegmentFile.reap: one pass at any time, since what a pass does does not depend on those before; and one when nobody
 * moves any more. An agent killed in it leaves what a process killed in its reap leaves. */
proctype agent() {
    byte own = NONE, taken, flight, end, begun, begun_before, counted, sum, sum_before;
#ifdef AGENT_REAPS
    reap_one(0, AGENT, flight);
    reap_one(1, AGENT, flight);
#endif
#ifdef AGENT_SETTLES
    SETTLE_IN_SWIFT(device_used);
    TOTAL_ONLY(SETTLE_IN_SWIFT(total_used));
#endif
    atomic {
        done[0] && done[1] && quota_done;
        reap_one(0, AGENT, flight);
        reap_one(1, AGENT, flight);
        /* All that the dead held is back but for what was under way; and that comes back now. */
        assert(SLOTS_SUM == DRIVER_SUM && device_used <= DRIVER_SUM + owed);
        TOTAL_ONLY(assert(total_used <= DRIVER_SUM + owed));
        SETTLE_IN_SWIFT(device_used);
        TOTAL_ONLY(SETTLE_IN_SWIFT(total_used));
        assert(device_used == DRIVER_SUM);
        TOTAL_ONLY(assert(total_used == DRIVER_SUM))
    }
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
