/* SPDX-License-Identifier: Apache-2.0
 *
 * What harness, clients and the fake driver of the stress tests share: one file, mapped by all of them (STRESS_WORLD). The
 * driver writes the truth, so that the quota's own counters are never asked whether they are right.
 *
 * Two ways of keeping the truth. By counters: one atomic word for each device, exact at every instant, for tests in which
 * nobody dies holding memory. By process: a cell for each process, whose memory goes when the process does, as a kernel
 * driver's would: the cell's owner holds a byte lock on this file, and the kernel drops it with the process. The
 * descriptor is a low one, so that at exit it closes before the preload library's: a device driver frees memory in the
 * same way, when its own descriptor closes.
 */
#ifndef WORLD_H
#define WORLD_H

#include <pthread.h>
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1024) * KIB)
#define DEVICES 2
#define CELLS 256
#define WORKERS 64
#define CELL_LOCK(cell) (1048576 + (int64_t)(cell)) /* byte of the file, behind its end */

struct cell {
    uint64_t used[DEVICES];
};

struct worker {
    uint64_t operations; /* of all its threads; never goes back */
    uint64_t longest_ns; /* longest time that one call took, or that a thread waited between two */
    uint32_t quiet;      /* threads that hold still */
    uint32_t failed;     /* source line of the client's first broken expectation */
    uint32_t host_pid;   /* where a wrapper started it in a pid namespace */
    uint32_t reserved;
};

struct world {
    /* the truth */
    uint64_t by_process;
    uint64_t physical;                          /* of each device; the driver refuses above */
    uint64_t limit[DEVICES], limit_total;       /* 0 = not checked */
    uint64_t over;                              /* most bytes ever above a limit */
    uint64_t used[DEVICES], used_total;         /* by counters */
    uint64_t peak[DEVICES], peak_total;
    uint64_t granted, freed;                    /* calls */
    pthread_mutex_t mutex;                      /* by process; robust */
    struct cell cells[CELLS];
    uint32_t cells_end;

    /* orders */
    uint32_t stop, pause, round_kind;
    uint32_t keep_full; /* churn: hold as much as is granted, so that requests are denied all the time */
    pthread_barrier_t barrier;
    uint32_t kind_denied;
    struct worker workers[WORKERS];
};

#endif
