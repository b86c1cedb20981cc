/* SPDX-License-Identifier: Apache-2.0
 *
 * A mutex without libpthread: 0 free, 1 held, 2 held and somebody sleeps. pthread mutexes cannot be re-initialised
 * safely in a forked child, and this one can.
 */
#include <linux/futex.h>

#include "hook.h"
#include "sys.h"

#define SPINS 100
#define GUARD_SPINS 40
#define GUARD_YIELDS 20

static inline void pause_cpu(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void hcs_lock_slow(uint32_t *lock) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t free = 0;
        if (__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        pause_cpu();
    }
    int saved = errno;
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
        (void)hcs_sys(SYS_futex, lock, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0);
    errno = saved;
}

void hcs_unlock_slow(uint32_t *lock) {
    int saved = errno;
    (void)hcs_sys(SYS_futex, lock, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
    errno = saved;
}

/* --- guard -------------------------------------------------------------------------------------------------------------- */

#ifndef SYS_membarrier
#if defined(__x86_64__)
#define SYS_membarrier 324
#elif defined(__aarch64__)
#define SYS_membarrier 283
#endif
#endif
enum { PRIVATE_EXPEDITED = 1 << 3, REGISTER_PRIVATE_EXPEDITED = 1 << 4 }; /* linux/membarrier.h, Linux 4.14 */

struct hcs_guard hcs_guard_state = {.shared = 1};
static int prepared;

/* Called before the first use. Registering is cheap only while the process has one thread (Linux waits for a grace period
 * otherwise), and where it has more, the guard would not stay one thread's for long. */
void hcs_guard_prepare(int single_threaded) {
    if (prepared)
        return;
    prepared = 1;
    if (single_threaded && hcs_sys(SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
        __atomic_store_n(&hcs_guard_state.shared, 0, __ATOMIC_RELEASE);
}

void hcs_guard_after_fork(void) {
    hcs_guard_state = (struct hcs_guard){.shared = 1};
    prepared = 0;
}

/* A section is a few nanoseconds long: who does not get in soon waits for one that is not running. Giving up the processor lets
 * it run, where priorities allow; sleeping always does. The holder has nobody to wake and leaves with a plain store. */
static void wait_for_lock(struct hcs_guard *g) {
    for (int i = 0;; i++) {
        uint32_t free = 0;
        if (__atomic_load_n(&g->lock, __ATOMIC_RELAXED) == 0 &&
            __atomic_compare_exchange_n(&g->lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        if (i < GUARD_SPINS)
            pause_cpu();
        else if (i < GUARD_SPINS + GUARD_YIELDS)
            (void)hcs_sys(SYS_sched_yield);
        else
            hcs_sleep_us(50);
    }
}

/* The lock is held: nobody else withdraws it now. */
static void withdraw(struct hcs_guard *g) {
    __atomic_store_n(&g->shared, 1, __ATOMIC_SEQ_CST);
    if (hcs_sys(SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) < 0)
        hcs_sleep_us(1000); /* cannot be, once registered; a switch of context is a barrier too */
    while (__atomic_load_n(&g->busy, __ATOMIC_ACQUIRE))
        (void)hcs_sys(SYS_sched_yield);
    __atomic_store_n(&g->owner, NULL, __ATOMIC_RELEASE);
}

void hcs_guard_slow(void) {
    struct hcs_guard *g = &hcs_guard_state;
    int saved = errno;
    const void *nobody = NULL;
    if (!__atomic_load_n(&g->shared, __ATOMIC_ACQUIRE) &&
        __atomic_compare_exchange_n(&g->owner, &nobody, (const void *)&hcs_depth, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        errno = saved;
        hcs_guard();
        return;
    }
    wait_for_lock(g);
    if (!__atomic_load_n(&g->shared, __ATOMIC_ACQUIRE))
        withdraw(g);
    errno = saved;
}
