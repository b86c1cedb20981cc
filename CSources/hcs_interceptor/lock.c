/* SPDX-License-Identifier: Apache-2.0
 *
 * A mutex without libpthread: 0 free, 1 held, 2 held and somebody sleeps. pthread mutexes cannot be re-initialised
 * safely in a forked child, and this one can.
 */
#include <linux/futex.h>

#include "hook.h"
#include "sys.h"

#define SPINS 100

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
