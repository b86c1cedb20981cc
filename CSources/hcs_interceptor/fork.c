/* SPDX-License-Identifier: Apache-2.0
 *
 * A forked child owns nothing: not its parent's slot (POSIX locks are not inherited), not its memory (device contexts do not
 * survive fork). The handler of pthread_atfork sees fork(); a page that the kernel wipes in a child (Linux 4.14) shows
 * the children of a bare clone() as well.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "hook.h"
#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

enum { WIPED = 0, SETTLED = 1, SETTLING = 2 };

static uint32_t plain_mark;
uint32_t *hcs_fork_mark = &plain_mark;

static void forget(void) {
    hcs_init_lock = 0; /* no other thread runs here: whoever held a lock stayed in the parent */
    hcs_names_after_fork();
    hcs_guard_after_fork();
    hcs_ledger_forget_all();
    hcs_objects_forget_all();
    hcs_pools_forget_all();
    hcs_device_forget_all();
    if (hcs_segment_after_fork() < 0)
        /* Only the presence in a standalone file can fail; a first charge looks for the file again. */
        hcs_say(HCS_LOG_WARN, NULL, "after fork: cannot lock the segment ", hcs_state.path, NULL);
}

void hcs_fork_check(void) {
    uint32_t seen = WIPED;
    if (__atomic_compare_exchange_n(hcs_fork_mark, &seen, SETTLING, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        forget();
        __atomic_store_n(hcs_fork_mark, SETTLED, __ATOMIC_RELEASE);
        return;
    }
    while (__atomic_load_n(hcs_fork_mark, __ATOMIC_ACQUIRE) == SETTLING)
        hcs_sleep_us(50);
}

static void in_child(void) {
    int saved = errno;
    __atomic_store_n(hcs_fork_mark, WIPED, __ATOMIC_RELEASE);
    hcs_fork_check();
    errno = saved;
}

void hcs_fork_prepare_mark(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, 4096, MADV_WIPEONFORK) == 0)
        hcs_fork_mark = page;
    else if (page != MAP_FAILED)
        munmap(page, 4096);
    __atomic_store_n(hcs_fork_mark, SETTLED, __ATOMIC_RELEASE);
    pthread_atfork(NULL, NULL, in_child);
}
