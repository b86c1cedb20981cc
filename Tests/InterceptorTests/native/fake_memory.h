/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory behind every fake driver. Each library that includes this has its own table of pointers, and its own address
 * range (FAKE_BASE). Freed addresses are handed out again at once, to whichever thread asks first.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "truth.h"

#define SLOTS (1u << 18)

static uint64_t sizes[SLOTS];
static uint8_t devices[SLOTS];
static uint32_t free_list[SLOTS], free_count, next_slot;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static __thread int current_ordinal;

static struct truth *truth(void) {
    static struct truth *mapped;
    static struct truth nowhere;
    struct truth *t = __atomic_load_n(&mapped, __ATOMIC_ACQUIRE);
    if (t)
        return t;
    const char *path = getenv("FAKE_TRUTH");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    t = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (t == MAP_FAILED)
        t = &nowhere;
    __atomic_store_n(&mapped, t, __ATOMIC_RELEASE);
    return t;
}

/* The host index of a visible ordinal: FAKE_VISIBLE names a variable that lists host indices. */
static int host_index(const char *variable, int ordinal) {
    const char *list = getenv(variable);
    if (!list)
        return ordinal;
    for (; ordinal > 0 && *list; list++)
        if (*list == ',')
            ordinal--;
    return atoi(list);
}

/* 0, or 1 when the device (or the test) refuses. */
static int fake_allocate(int device, uint64_t bytes, uint64_t *ret_pointer) {
    struct truth *t = truth();
    while (__atomic_load_n(&t->hold, __ATOMIC_ACQUIRE))
        usleep(1000);
    if (__atomic_load_n(&t->fail_allocations, __ATOMIC_ACQUIRE) || bytes > TRUTH_PHYSICAL)
        return 1;
    uint64_t now = __atomic_add_fetch(&t->used[device], bytes, __ATOMIC_ACQ_REL);
    if (now > TRUTH_PHYSICAL) {
        __atomic_sub_fetch(&t->used[device], bytes, __ATOMIC_ACQ_REL);
        return 1;
    }
    uint64_t peak = __atomic_load_n(&t->peak[device], __ATOMIC_ACQUIRE);
    while (peak < now && !__atomic_compare_exchange_n(&t->peak[device], &peak, now, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
    __atomic_add_fetch(&t->allocations, 1, __ATOMIC_ACQ_REL);
    pthread_mutex_lock(&table);
    uint32_t slot = free_count ? free_list[--free_count] : ++next_slot;
    sizes[slot] = bytes;
    devices[slot] = (uint8_t)device;
    pthread_mutex_unlock(&table);
    *ret_pointer = FAKE_BASE + (uint64_t)slot * 512;
    return 0;
}

/* 0, or 1 for a pointer that is not allocated (or when the test refuses). */
static int fake_free(uint64_t pointer) {
    struct truth *t = truth();
    uint64_t slot = (pointer - FAKE_BASE) / 512;
    if (__atomic_load_n(&t->fail_frees, __ATOMIC_ACQUIRE) || pointer < FAKE_BASE || slot >= SLOTS)
        return 1;
    pthread_mutex_lock(&table);
    uint64_t bytes = sizes[slot];
    int device = devices[slot];
    if (bytes) {
        __atomic_sub_fetch(&t->used[device], bytes, __ATOMIC_ACQ_REL);
        __atomic_add_fetch(&t->frees, 1, __ATOMIC_ACQ_REL);
        sizes[slot] = 0;
        free_list[free_count++] = (uint32_t)slot;
    }
    pthread_mutex_unlock(&table);
    return bytes == 0;
}

static void fake_info(int device, size_t *free_bytes, size_t *total_bytes) {
    if (!free_bytes || !total_bytes)
        __atomic_add_fetch(&truth()->null_infos, 1, __ATOMIC_ACQ_REL);
    if (free_bytes)
        *free_bytes = TRUTH_PHYSICAL - __atomic_load_n(&truth()->used[device], __ATOMIC_ACQUIRE);
    if (total_bytes)
        *total_bytes = TRUTH_PHYSICAL;
}
