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

#define HCS_SIM_MAGIC 0x314D49535F534348ull /* "HCS_SIM1", little endian */
#define HCS_SIM_VERSION 1u
#define HCS_SIM_DEVICES 64u
#define HCS_SIM_PROCESSES 1024u
#define HCS_SIM_ENV "HCS_SIM_STATE"

/* Faults of a device (bit set in hcs_sim_device.faults). */
#define HCS_SIM_FAULT_LOST (1ull << 0)      /* fallen off the bus: management calls answer "lost", runtime calls fail */
#define HCS_SIM_FAULT_CRITICAL (1ull << 1)  /* the vendor's own health call answers critical */

/* Faults of a whole vendor library (bit set in hcs_sim_host.library_faults[vendor]). */
#define HCS_SIM_LIBRARY_INIT_FAILS (1ull << 0) /* init answers the vendor's "driver not loaded" */
#define HCS_SIM_LIBRARY_HANGS (1ull << 1)      /* every management call but init sleeps until the bit is cleared */
#define HCS_SIM_LIBRARY_CRASHES (1ull << 2)    /* every management call but init raises SIGSEGV */

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
    uint8_t reserved[304];
};

/* A process that holds simulated device memory. Dead ones (pid and start time) are dropped by whoever looks, under the
 * file lock, as a kernel driver drops a dead client's memory. 48 + 64 * 24 = 1584 bytes. */
struct hcs_sim_usage {
    uint64_t requested; /* bytes asked for by live allocations */
    uint64_t charged;   /* the same, rounded up to the device's granularity */
    uint64_t count;     /* live allocations */
};
struct hcs_sim_process {
    uint32_t pid; /* 0 = free; host pid namespace of the writer */
    uint32_t reserved0;
    uint64_t start_time; /* field 22 of /proc/pid/stat */
    uint8_t reserved[32];
    struct hcs_sim_usage usage[HCS_SIM_DEVICES]; /* by position in hcs_sim_host.devices */
};

struct hcs_sim_host {
    uint64_t magic;              /*  0 written last */
    uint32_t version;            /*  8 */
    uint32_t device_count;       /* 12 */
    uint64_t total_size;         /* 16 sizeof(struct hcs_sim_host) */
    uint64_t revision;           /* 24 +1 at each change by hcs-agent simulate */
    uint64_t library_faults[8];  /* 32 by enum hcs_vendor */
    uint8_t reserved[416];       /* 96 */
    struct hcs_sim_device devices[HCS_SIM_DEVICES];        /* 512 */
    struct hcs_sim_process processes[HCS_SIM_PROCESSES];   /* 33280 */
};

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
HCS_SIM_INLINE uint64_t hcs_sim_library_faults(const struct hcs_sim_host *h, uint32_t vendor) {
    return hcs_sim_load(&h->library_faults[vendor & 7]);
}
HCS_SIM_INLINE void hcs_sim_set_library_faults(struct hcs_sim_host *h, uint32_t vendor, uint64_t bits) {
    hcs_sim_store(&h->library_faults[vendor & 7], bits);
}

#endif
