/* SPDX-License-Identifier: Apache-2.0
 *
 * State of one simulated host: a memory-mapped file shared by every simulated vendor library and by `hcs simulate`.
 * HCS_SIM_STATE names the file. Without it a simulated library behaves as the vendor's does on a host without a
 * driver (NVML 9, DCMI -8005..., rsmi 8, CNDEV 1; runtimes: no device).
 *
 * Writers: the device descriptions belong to `hcs-agent simulate` (Swift, HCSSimulation); the process table belongs to
 * the runtime libraries, which change it under an exclusive flock() on the file, held for the change only. Scalars that
 * change while running (temperature, faults) are single aligned words, read with __atomic_load_n.
 */
#ifndef HCS_SIM_H
#define HCS_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "hcs_sim_figures.h"

#define HCS_SIM_MAGIC 0x314D49535F534348ull /* "HCS_SIM1", little endian */
#define HCS_SIM_VERSION 2u
#define HCS_SIM_DEVICES 64u
#define HCS_SIM_PROCESSES 1024u
#define HCS_SIM_ENV "HCS_SIM_STATE"

/* Faults of a device (bit set in hcs_sim_device.faults). */
#define HCS_SIM_FAULT_LOST (1ull << 0)      /* fallen off the bus: management calls answer "lost", runtime calls fail */
#define HCS_SIM_FAULT_CRITICAL (1ull << 1)  /* the vendor's own health call answers critical */

/* Faults of a whole vendor library (bit set in hcs_sim_host.library_faults[vendor]). */
#define HCS_SIM_LIBRARY_INIT_FAILS (1ull << 0) /* init answers "driver not loaded", an open DCMI or CNDEV "gone" */
#define HCS_SIM_LIBRARY_HANGS (1ull << 1)      /* every management call but init sleeps until the bit is cleared */
#define HCS_SIM_LIBRARY_CRASHES (1ull << 2)    /* every management call but init raises SIGSEGV */

/* Flags of a process (hcs_sim_process.flags). */
#define HCS_SIM_PROCESS_MPS (1u << 0) /* CUDA_MPS_PIPE_DIRECTORY was set: an MPS client, whose memory stays its own */

/* A MIG instance: a part of a card with a UUID, a memory and an accounting position of its own. What it holds is counted
 * at its position and at its card's, so the card's figure is always the whole. 40 bytes. */
#define HCS_SIM_MIGS 7u
struct hcs_sim_mig {
    uint8_t uuid[16];          /*  0 */
    uint64_t memory;           /* 16 bytes */
    uint32_t gpu_instance;     /* 24 */
    uint32_t compute_instance; /* 28 */
    uint32_t slices;           /* 32 of 7 */
    uint32_t position;         /* 36 its index in hcs_sim_process.usage, beyond those of the devices */
};

/* A device. `vendor` is enum hcs_vendor of hcs_segment.h. 512 bytes. */
struct hcs_sim_device {
    uint32_t vendor;          /*   0 */
    uint32_t index;           /*   4 index within the vendor, 0-based, dense */
    uint32_t numa_node;       /*   8 UINT32_MAX = none */
    uint32_t pci_domain;      /*  12 */
    uint32_t pci_bus;         /*  16 */
    uint32_t pci_device;      /*  20 */
    uint32_t pci_function;    /*  24 */
    uint32_t pci_ids;         /*  28 device id << 16 | vendor id */
    char name[96];            /*  32 as the vendor's library reports it */
    uint8_t uuid[16];         /* 128 16 raw bytes; each library prints or packs it as its vendor does */
    uint64_t memory;          /* 144 bytes in all */
    uint64_t granularity;     /* 152 the driver rounds each allocation up to this many bytes; 0 = 1 */
    uint32_t cores;           /* 160 */
    uint32_t reserved0;       /* 164 */
    uint64_t faults;          /* 168 HCS_SIM_FAULT_*, changes while running */
    uint64_t temperature_c;   /* 176 degrees Celsius, changes while running */
    uint64_t power_mw;        /* 184 milliwatts, changes while running */
    uint64_t utilization;     /* 192 percent, changes while running */
    uint64_t used_elsewhere;  /* 200 bytes used by nobody in the process table, changes while running */
    uint32_t mig_mode;        /* 208 1 = MIG is on: CUDA sees the instances, not the card */
    uint32_t mig_count;       /* 212 */
    struct hcs_sim_mig migs[HCS_SIM_MIGS]; /* 216 */
    uint8_t reserved[16];     /* 496 */
};

/* A process that holds simulated device memory. Dead ones are dropped by whoever looks, under the file lock, as a kernel
 * driver drops a dead client's memory. Within one pid namespace pid, start time and image say who is dead; across
 * namespaces the POSIX record lock does that each owner holds on the first byte of its row (see hcs_segment.h: the kernel
 * drops it on any death). 48 + 64 * 24 = 1584 bytes. */
struct hcs_sim_usage {
    uint64_t requested; /* bytes asked for by live allocations */
    uint64_t charged;   /* what they take of the device: rounded up, and what memory pools keep for later */
    uint64_t count;     /* live allocations */
};
struct hcs_sim_process {
    uint32_t pid;           /*  0 0 = free; in the owner's own pid namespace */
    uint32_t flags;         /*  4 HCS_SIM_PROCESS_* */
    uint64_t start_time;    /*  8 field 22 of /proc/pid/stat */
    uint64_t pid_namespace; /* 16 inode of /proc/self/ns/pid */
    uint64_t image;         /* 24 field 28 of /proc/pid/stat, the start of the stack: another one after exec(); 0 = not known */
    uint8_t reserved[16];   /* 32 */
    struct hcs_sim_usage usage[HCS_SIM_DEVICES]; /* by position in hcs_sim_host.devices */
};

struct hcs_sim_host {
    uint64_t magic;              /*  0 written last */
    uint32_t version;            /*  8 */
    uint32_t device_count;       /* 12 */
    uint64_t total_size;         /* 16 sizeof(struct hcs_sim_host) */
    uint64_t revision;           /* 24 +1 at each change by hcs-agent simulate */
    uint64_t library_faults[8];  /* 32 by enum hcs_vendor */
    uint64_t process_rows;       /* 96 rows that were ever used: the rest is free */
    uint64_t public_calls;       /* 104 calls of public memory functions, inner ones too: what re-entrancy looks like */
    uint64_t pool_misses;        /* 112 questions about a pool that is not there: real drivers follow the handle */
    uint8_t reserved[392];       /* 120 */
    struct hcs_sim_device devices[HCS_SIM_DEVICES];        /* 512 */
    struct hcs_sim_process processes[HCS_SIM_PROCESSES];   /* 33280 */
    struct hcs_sim_telemetry telemetry[HCS_SIM_DEVICES];   /* by position in devices */
};

_Static_assert(sizeof(struct hcs_sim_mig) == 40, "simulated MIG instance size");
_Static_assert(offsetof(struct hcs_sim_device, migs) == 216, "MIG instances offset");
_Static_assert(offsetof(struct hcs_sim_process, usage) == 48, "usage offset");
_Static_assert(sizeof(struct hcs_sim_device) == 512, "simulated device size");
_Static_assert(sizeof(struct hcs_sim_process) == 1584, "simulated process size");
_Static_assert(offsetof(struct hcs_sim_host, devices) == 512, "devices offset");
_Static_assert(offsetof(struct hcs_sim_host, processes) == 33280, "processes offset");

#define HCS_SIM_INLINE static inline __attribute__((always_inline, unused))

HCS_SIM_INLINE struct hcs_sim_device *hcs_sim_device_at(struct hcs_sim_host *h, uint32_t i) { return &h->devices[i]; }
HCS_SIM_INLINE struct hcs_sim_process *hcs_sim_process_at(struct hcs_sim_host *h, uint32_t i) { return &h->processes[i]; }
HCS_SIM_INLINE struct hcs_sim_usage *hcs_sim_usage_at(struct hcs_sim_process *p, uint32_t device) { return &p->usage[device]; }
HCS_SIM_INLINE uint64_t hcs_sim_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
HCS_SIM_INLINE void hcs_sim_store(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
HCS_SIM_INLINE struct hcs_sim_telemetry *hcs_sim_telemetry_at(struct hcs_sim_host *h, uint32_t i) { return &h->telemetry[i]; }
/* Of the device at that position; HCS_SIM_UNSET = not supported. */
HCS_SIM_INLINE uint64_t hcs_sim_figure(const struct hcs_sim_host *h, uint32_t position, enum hcs_sim_figure figure) {
    return hcs_sim_load(&h->telemetry[position].figures[figure]);
}
HCS_SIM_INLINE void hcs_sim_set_figure(struct hcs_sim_host *h, uint32_t position, uint32_t figure, uint64_t value) {
    hcs_sim_store(&h->telemetry[position].figures[figure], value);
}
HCS_SIM_INLINE struct hcs_sim_link *hcs_sim_link_at(struct hcs_sim_host *h, uint32_t position, uint32_t lane) {
    return &h->telemetry[position].links[lane];
}
HCS_SIM_INLINE uint64_t hcs_sim_library_faults(const struct hcs_sim_host *h, uint32_t vendor) {
    return hcs_sim_load(&h->library_faults[vendor & 7]);
}
HCS_SIM_INLINE void hcs_sim_set_library_faults(struct hcs_sim_host *h, uint32_t vendor, uint64_t bits) {
    hcs_sim_store(&h->library_faults[vendor & 7], bits);
}
/* Cuts a MIG instance out of a device, before its first use. Returns it, or NULL where no more fit. */
HCS_SIM_INLINE struct hcs_sim_mig *hcs_sim_add_mig(struct hcs_sim_host *h, uint32_t device, const uint8_t uuid[16],
                                                   uint64_t memory, uint32_t slices) {
    uint32_t total = 0;
    if (device >= h->device_count || h->devices[device].mig_count >= HCS_SIM_MIGS)
        return NULL;
    for (uint32_t i = 0; i < h->device_count; i++)
        total += h->devices[i].mig_count;
    if (h->device_count + total >= HCS_SIM_DEVICES)
        return NULL;
    struct hcs_sim_device *d = &h->devices[device];
    struct hcs_sim_mig *mig = &d->migs[d->mig_count];
    for (int i = 0; i < 16; i++)
        mig->uuid[i] = uuid[i];
    mig->memory = memory;
    mig->gpu_instance = d->mig_count + 1;
    mig->compute_instance = 0;
    mig->slices = slices;
    mig->position = HCS_SIM_DEVICES - 1 - total;
    d->mig_count++;
    d->mig_mode = 1;
    return mig;
}

#endif
