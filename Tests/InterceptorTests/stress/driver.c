/* SPDX-License-Identifier: Apache-2.0
 *
 * libcuda.so.1 of the stress tests. A pointer says everything about itself: bytes in KiB, device, owner's cell, serial
 * number; so the driver keeps no table, and truth is only what world.h says.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cuda_abi.h"
#include "world.h"

static struct world *world;
static int world_fd = -1;
static uint32_t own_cell, owner; /* owner: pid of the process that claimed own_cell */
static uint64_t serial;
static pthread_mutex_t claiming = PTHREAD_MUTEX_INITIALIZER;
static __thread int current_device;
static __thread unsigned dice = 1;

__attribute__((constructor)) static void open_world(void) {
    const char *path = getenv("STRESS_WORLD");
    world_fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = world_fd < 0 ? MAP_FAILED
                             : mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED, world_fd, 0);
    world = map == MAP_FAILED ? NULL : map;
}

static int lock_cell(int command, short type, uint32_t cell, short *ret_type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = CELL_LOCK(cell), .l_len = 1};
    int r = fcntl(world_fd, command, &lock);
    if (ret_type)
        *ret_type = lock.l_type;
    return r;
}

static void take_mutex(void) {
    if (pthread_mutex_lock(&world->mutex) == EOWNERDEAD)
        pthread_mutex_consistent(&world->mutex); /* every change under it is one store */
}

/* The memory of processes that are gone is nobody's. Under the mutex. */
static void drop_dead_cells(void) {
    for (uint32_t i = 1; i < world->cells_end; i++) {
        short type = F_WRLCK;
        if (i == own_cell || (world->cells[i].used[0] | world->cells[i].used[1]) == 0)
            continue;
        if (lock_cell(F_GETLK, F_WRLCK, i, &type) == 0 && type == F_UNLCK)
            memset(&world->cells[i], 0, sizeof world->cells[i]);
    }
}

static uint64_t live_on(int device) {
    uint64_t sum = 0;
    for (uint32_t i = 1; i < world->cells_end; i++)
        sum += world->cells[i].used[device];
    return sum;
}

/* A forked child comes here with its parent's cell and claims one of its own. */
static int have_cell(void) {
    uint32_t pid = (uint32_t)syscall(SYS_getpid);
    if (__atomic_load_n(&owner, __ATOMIC_ACQUIRE) == pid)
        return 1;
    pthread_mutex_lock(&claiming);
    take_mutex(); /* nobody may see a cell locked that still has its last owner's bytes */
    for (uint32_t i = 1; owner != pid && i < CELLS; i++) {
        if (lock_cell(F_SETLK, F_WRLCK, i, NULL) < 0)
            continue;
        own_cell = i;
        memset(&world->cells[i], 0, sizeof world->cells[i]);
        if (world->cells_end <= i)
            world->cells_end = i + 1;
        __atomic_store_n(&owner, pid, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&world->mutex);
    pthread_mutex_unlock(&claiming);
    return owner == pid;
}

/* A bare clone leaves no trace in libc: its child may come with the mutex as another thread of the parent held it. */
static void reset_claiming(void) { pthread_mutex_init(&claiming, NULL); }
__attribute__((constructor)) static void watch_fork(void) { pthread_atfork(NULL, NULL, reset_claiming); }

static void raise_to(uint64_t *most, uint64_t value) {
    uint64_t now = __atomic_load_n(most, __ATOMIC_ACQUIRE);
    while (now < value && !__atomic_compare_exchange_n(most, &now, value, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

static void note_over(uint64_t now, uint64_t limit) {
    if (limit && now > limit)
        raise_to(&world->over, now - limit);
}

static int take_by_counters(int device, uint64_t bytes) {
    uint64_t total = __atomic_add_fetch(&world->used_total, bytes, __ATOMIC_ACQ_REL);
    uint64_t now = __atomic_add_fetch(&world->used[device], bytes, __ATOMIC_ACQ_REL);
    raise_to(&world->peak_total, total);
    raise_to(&world->peak[device], now);
    note_over(total, world->limit_total);
    note_over(now, world->limit[device]);
    return 1;
}

static int take_by_process(int device, uint64_t bytes) {
    if (!have_cell())
        return 0;
    take_mutex();
    uint64_t limit = world->limit[device] ? world->limit[device] : UINT64_MAX;
    uint64_t total = world->limit_total ? world->limit_total : UINT64_MAX;
    if (live_on(device) + bytes > limit || live_on(0) + live_on(1) + bytes > total)
        drop_dead_cells();
    world->cells[own_cell].used[device] += bytes;
    note_over(live_on(device), world->limit[device]);
    note_over(live_on(0) + live_on(1), world->limit_total);
    pthread_mutex_unlock(&world->mutex);
    return 1;
}

/* Now and then another thread runs inside the call: a check that is not one step with the charge lets it through. */
static void be_slow_sometimes(void) {
    dice = dice * 1103515245u + 12345u;
    if ((dice >> 16) % 8 == 0)
        sched_yield();
}

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    if (!pointer || bytes == 0 || bytes % KIB || !world)
        return HCS_CU_INVALID_VALUE;
    be_slow_sometimes();
    if (!(world->by_process ? take_by_process : take_by_counters)(current_device, bytes))
        return HCS_CU_OUT_OF_MEMORY;
    __atomic_add_fetch(&world->granted, 1, __ATOMIC_RELAXED);
    uint64_t number = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    uint64_t cell = world->by_process ? own_cell : 0;
    *pointer = (number & 0x1fffffff) << 34 | cell << 25 | (uint64_t)current_device << 24 | bytes / KIB;
    return HCS_CU_SUCCESS;
}

int cuMemFree_v2(uint64_t pointer) {
    uint64_t bytes = (pointer & 0xffffff) * KIB, cell = pointer >> 25 & 511;
    int device = (int)(pointer >> 24 & 1);
    if (bytes == 0 || !world)
        return HCS_CU_INVALID_VALUE;
    be_slow_sometimes();
    if (world->by_process) {
        if (!have_cell() || cell != own_cell)
            return HCS_CU_INVALID_VALUE; /* of another process: contexts do not survive fork */
        take_mutex();
        int known = world->cells[own_cell].used[device] >= bytes;
        if (known)
            world->cells[own_cell].used[device] -= bytes;
        pthread_mutex_unlock(&world->mutex);
        if (!known)
            return HCS_CU_INVALID_VALUE;
    } else {
        __atomic_sub_fetch(&world->used[device], bytes, __ATOMIC_ACQ_REL);
        __atomic_sub_fetch(&world->used_total, bytes, __ATOMIC_ACQ_REL);
    }
    __atomic_add_fetch(&world->freed, 1, __ATOMIC_RELAXED);
    return HCS_CU_SUCCESS;
}

int cuInit(unsigned flags) { return flags ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }

int cuCtxGetDevice(int *device) {
    *device = current_device;
    return HCS_CU_SUCCESS;
}

void stress_set_device(int device);
void stress_set_device(int device) { current_device = device; }

int cuDeviceGetUuid_v2(struct hcs_cuda_uuid *uuid, int device) {
    *uuid = (struct hcs_cuda_uuid){{0xAB, 0xCD}};
    uuid->bytes[15] = (uint8_t)device;
    return HCS_CU_SUCCESS;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    if (free_bytes)
        *free_bytes = world ? world->physical : 0;
    if (total_bytes)
        *total_bytes = world ? world->physical : 0;
    return HCS_CU_SUCCESS;
}
