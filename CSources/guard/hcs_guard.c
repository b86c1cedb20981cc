/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "hcs_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACES 8192 /* more than the workloads a host can run */

struct place {
    _Atomic uintptr_t start; /* 0 = free */
    _Atomic size_t size;     /* 0 until the place is filled */
    _Atomic int hit;
};

static struct place places[PLACES];
static struct sigaction previous;
static uintptr_t page_mask;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Only calls that POSIX allows in a handler, and mmap, which is a bare system call on Linux. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    int saved = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < PLACES; i++) {
        uintptr_t start = atomic_load_explicit(&places[i].start, memory_order_acquire);
        size_t size = atomic_load_explicit(&places[i].size, memory_order_acquire);
        if (start == 0 || address < start || address - start >= size)
            continue;
        void *page = (void *)(address & page_mask);
        if (mmap(page, ~page_mask + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
            atomic_store(&places[i].hit, 1);
            errno = saved;
            return;
        }
    }
    sigaction(number, &previous, NULL); /* the instruction runs again and meets who was there before */
    errno = saved;
}

static void install(void) {
    page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}

int hcs_guard_add(void *start, size_t size) {
    pthread_once(&once, install);
    for (int i = 0; i < PLACES; i++) {
        uintptr_t expected = 0;
        if (!atomic_compare_exchange_strong(&places[i].start, &expected, (uintptr_t)start))
            continue;
        atomic_store(&places[i].hit, 0);
        atomic_store(&places[i].size, size);
        return i;
    }
    return -ENOSPC;
}

int hcs_guard_was_hit(int number) { return atomic_load(&places[number].hit); }

void hcs_guard_remove(int number) {
    atomic_store(&places[number].size, 0);
    atomic_store(&places[number].start, 0);
}
