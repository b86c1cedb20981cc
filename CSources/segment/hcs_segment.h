/* SPDX-License-Identifier: Apache-2.0
 *
 * The segment: the contract between the preload library (in the workload) and the agent.
 * One file per workload and host, mapped shared. Fixed-width integers only: no pointers, no locks, no pthread types.
 * Every field has one kind of writer, named beside it. All values are bytes unless the name says otherwise.
 *
 * Order of updates (what keeps a kill at any instant harmless: the device counter never counts less than its slots):
 *   allocate: begin += 1; total_used += n; device.used += n (both bounded); slot.used += n; driver call;
 *             on failure: slot.used -= n; device.used -= n; total_used -= n;  end += 1
 *   free:     begin += 1; driver call; on success: slot.used -= n; device.used -= n; total_used -= n;  end += 1
 *   reap:     begin += 1; for each device: n = exchange(slot.used, 0); device.used -= n; total_used -= n;
 *             end = begin; then state = FREE. A new owner goes on with begin and end where the last one stopped.
 *   settle:   (what a kill within an operation left in a counter; one process at a time) only while no slot, free or
 *             not, has begin != end: sum the slots, read the counter, sum again; where nothing has begun meanwhile,
 *             compare-and-swap the counter to the sum
 *
 * Liveness of a slot: its owner holds an exclusive POSIX byte-range lock (fcntl F_SETLK) on the byte at the slot's own
 * file offset for life; the kernel drops it on any death, in any pid namespace. POSIX record locks are used, and not
 * open-file-description locks, because a forked child must not keep its parent's lock alive and because kernel 3.10
 * (the companion of glibc 2.17) lacks the latter. A program that closes every descriptor also drops the lock, so a
 * reaper in the owner's pid namespace believes the lock only when pid and start time say the same.
 */
#ifndef HCS_SEGMENT_H
#define HCS_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#define HCS_SEGMENT_MAGIC 0x314745535F534348ull /* "HCS_SEG1", little endian */
#define HCS_SEGMENT_VERSION_MAJOR 1u                    /* another major: do not touch */
#define HCS_SEGMENT_VERSION_MINOR 0u                    /* a higher minor only fills reserved fields */
#define HCS_SEGMENT_DEVICES 16u
#define HCS_SEGMENT_SLOTS 1024u
#define HCS_UUID_BYTES 64u
#define HCS_UNLIMITED UINT64_MAX /* total_limit only: no cap over all devices */

enum hcs_vendor {
    HCS_VENDOR_NONE = 0,
    HCS_VENDOR_NVIDIA = 1,
    HCS_VENDOR_ASCEND = 2,
    HCS_VENDOR_HYGON = 3,
    HCS_VENDOR_CAMBRICON = 4,
};

enum hcs_segment_origin {
    HCS_ORIGIN_AGENT = 1,      /* created by an agent; its limits rule */
    HCS_ORIGIN_STANDALONE = 2, /* created by the first process that had HCS_VRAM_QUOTA and no HCS_SEGMENT */
};

enum hcs_device_state {
    HCS_DEVICE_EMPTY = 0,   /* entry free */
    HCS_DEVICE_CLAIMED = 1, /* being filled (standalone only) */
    HCS_DEVICE_READY = 2,   /* vendor, uuid and limit are valid */
};

enum hcs_slot_state {
    HCS_SLOT_FREE = 0,
    HCS_SLOT_LIVE = 1,
};

/* A device of the workload. Entries are found by vendor and uuid, never by position. 256 bytes. */
struct hcs_segment_device {
    uint32_t state;               /*   0 creator; standalone: compare-and-swap by the process that meets the device */
    uint32_t vendor;              /*   4 creator: enum hcs_vendor */
    uint32_t host_index;          /*   8 creator: the index that the vendor's visibility variable uses on this host */
    uint32_t reserved0;           /*  12 */
    uint64_t physical;            /*  16 creator: device memory in bytes, 0 = not known */
    char uuid[HCS_UUID_BYTES];    /*  24 creator: NUL-terminated */
    uint8_t reserved1[40];        /*  88 */
    uint64_t limit;               /* 128 agent (standalone: creator): quota on this device */
    uint64_t used;                /* 136 any process of the workload, reaper */
    uint64_t peak;                /* 144 any process of the workload */
    uint64_t denied;              /* 152 any process: count of denied requests */
    uint64_t denied_bytes;        /* 160 any process: size of the last denied request */
    uint8_t reserved2[88];        /* 168 */
};

/* A process of the workload. Slots never move. 384 bytes. */
struct hcs_segment_slot {
    uint32_t state;               /*   0 owner FREE to LIVE, reaper LIVE to FREE: enum hcs_slot_state */
    uint32_t pid;                 /*   4 owner: pid in the owner's own pid namespace */
    uint64_t start_time;          /*   8 owner: field 22 of /proc/self/stat, clock ticks since boot */
    uint64_t pid_namespace;       /*  16 owner: inode of /proc/self/ns/pid */
    uint64_t generation;          /*  24 owner: +1 at each claim */
    uint64_t begin;               /*  32 owner, reaper: operations begun, never goes back */
    uint64_t end;                 /*  40 owner, reaper: operations ended */
    uint64_t used[HCS_SEGMENT_DEVICES];           /*  48 owner, reaper */
    uint64_t overhead_bytes[HCS_SEGMENT_DEVICES]; /* 176 owner: context and module memory, not charged; 0 = not measured */
    uint8_t reserved[80];         /* 304 */
};

struct hcs_segment {
    uint64_t magic;               /*   0 creator, written last */
    uint32_t version_major;       /*   8 creator */
    uint32_t version_minor;       /*  12 creator */
    uint64_t total_size;          /*  16 creator: sizeof(struct hcs_segment) */
    uint32_t device_capacity;     /*  24 creator: HCS_SEGMENT_DEVICES */
    uint32_t slot_capacity;       /*  28 creator: HCS_SEGMENT_SLOTS */
    uint32_t device_size;         /*  32 creator: sizeof(struct hcs_segment_device) */
    uint32_t slot_size;           /*  36 creator: sizeof(struct hcs_segment_slot) */
    uint32_t origin;              /*  40 creator: enum hcs_segment_origin */
    uint32_t reserved0;           /*  44 */
    char workload[HCS_UUID_BYTES];/*  48 creator: workload UUID, or the standalone name */
    char quota[144];              /* 112 creator: standalone: the quota string, NUL-terminated; else empty */
    uint64_t total_limit;         /* 256 agent (standalone: creator): cap over all devices or HCS_UNLIMITED */
    uint64_t total_used;          /* 264 any process, reaper; kept only when total_limit is not HCS_UNLIMITED */
    uint64_t total_peak;          /* 272 any process */
    uint8_t reserved1[232];       /* 280 */
    struct hcs_segment_device devices[HCS_SEGMENT_DEVICES]; /* 512 */
    struct hcs_segment_slot slots[HCS_SEGMENT_SLOTS];       /* 4608 */
};

_Static_assert(sizeof(struct hcs_segment_device) == 256, "device entry size");
_Static_assert(offsetof(struct hcs_segment_device, limit) == 128, "device limit offset");
_Static_assert(sizeof(struct hcs_segment_slot) == 384, "slot size");
_Static_assert(offsetof(struct hcs_segment_slot, overhead_bytes) == 176, "slot overhead offset");
_Static_assert(offsetof(struct hcs_segment, total_limit) == 256, "total_limit offset");
_Static_assert(offsetof(struct hcs_segment, devices) == 512, "devices offset");
_Static_assert(offsetof(struct hcs_segment, slots) == 4608, "slots offset");
_Static_assert(sizeof(struct hcs_segment) == 4608 + 1024 * 384, "segment size");

#define HCS_INLINE static inline __attribute__((always_inline, unused))

HCS_INLINE uint64_t hcs_load_u64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
HCS_INLINE void hcs_store_u64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
HCS_INLINE uint64_t hcs_add_u64(uint64_t *p, uint64_t n) { return __atomic_add_fetch(p, n, __ATOMIC_ACQ_REL); }
HCS_INLINE uint64_t hcs_sub_u64(uint64_t *p, uint64_t n) { return __atomic_sub_fetch(p, n, __ATOMIC_ACQ_REL); }
HCS_INLINE uint64_t hcs_exchange_u64(uint64_t *p, uint64_t v) { return __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL); }
HCS_INLINE uint32_t hcs_load_u32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
HCS_INLINE void hcs_store_u32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
HCS_INLINE int hcs_cas_u32(uint32_t *p, uint32_t expected, uint32_t desired) {
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Adds n to *used unless the sum would pass the limit (re-read at every try) or wrap. 1 = reserved, 0 = denied. */
HCS_INLINE int hcs_reserve(uint64_t *used, const uint64_t *limit, uint64_t n) {
    uint64_t now = hcs_load_u64(used);
    for (;;) {
        uint64_t cap = hcs_load_u64(limit);
        if (now > cap || n > cap - now)
            return 0;
        if (__atomic_compare_exchange_n(used, &now, now + n, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return 1;
    }
}

/* Takes n off a counter, stopping at zero: a damaged counter must not wrap to 17 billion GiB. */
HCS_INLINE void hcs_give_back(uint64_t *used, uint64_t n) {
    uint64_t now = hcs_load_u64(used);
    while (!__atomic_compare_exchange_n(used, &now, now > n ? now - n : 0, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

/* Raises *peak to at least v. */
HCS_INLINE void hcs_raise(uint64_t *peak, uint64_t v) {
    uint64_t now = hcs_load_u64(peak);
    while (now < v && !__atomic_compare_exchange_n(peak, &now, v, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

/* Byte offset of a slot in the file: where its liveness lock lies (length 1). */
HCS_INLINE uint64_t hcs_slot_offset(uint32_t slot) {
    return offsetof(struct hcs_segment, slots) + (uint64_t)slot * sizeof(struct hcs_segment_slot);
}

/* Typed access by index, for Swift (fixed arrays import as tuples). */
HCS_INLINE struct hcs_segment_device *hcs_segment_device_at(struct hcs_segment *s, uint32_t i) { return &s->devices[i]; }
HCS_INLINE struct hcs_segment_slot *hcs_segment_slot_at(struct hcs_segment *s, uint32_t i) { return &s->slots[i]; }
HCS_INLINE uint64_t hcs_slot_used(struct hcs_segment_slot *s, uint32_t device) { return hcs_load_u64(&s->used[device]); }
HCS_INLINE uint64_t hcs_slot_overhead(struct hcs_segment_slot *s, uint32_t device) {
    return hcs_load_u64(&s->overhead_bytes[device]);
}
HCS_INLINE uint64_t hcs_slot_take_used(struct hcs_segment_slot *s, uint32_t device) {
    return hcs_exchange_u64(&s->used[device], 0);
}

/* 0 when the first `size` bytes look like a segment this code may use, else what is wrong. */
enum hcs_segment_problem {
    HCS_SEGMENT_OK = 0,
    HCS_SEGMENT_BAD_SIZE = 1,    /* the file is smaller or larger than the layout says */
    HCS_SEGMENT_BAD_MAGIC = 2,   /* not a segment, or not finished */
    HCS_SEGMENT_BAD_VERSION = 3, /* another major version */
    HCS_SEGMENT_BAD_LAYOUT = 4,  /* capacities or sizes differ */
};

HCS_INLINE int hcs_segment_check(const struct hcs_segment *s, uint64_t size) {
    if (size != sizeof(struct hcs_segment))
        return HCS_SEGMENT_BAD_SIZE;
    if (hcs_load_u64(&s->magic) != HCS_SEGMENT_MAGIC)
        return HCS_SEGMENT_BAD_MAGIC;
    if (s->version_major != HCS_SEGMENT_VERSION_MAJOR)
        return HCS_SEGMENT_BAD_VERSION;
    if (s->total_size != sizeof(struct hcs_segment) || s->device_capacity != HCS_SEGMENT_DEVICES ||
        s->slot_capacity != HCS_SEGMENT_SLOTS || s->device_size != sizeof(struct hcs_segment_device) ||
        s->slot_size != sizeof(struct hcs_segment_slot))
        return HCS_SEGMENT_BAD_LAYOUT;
    return HCS_SEGMENT_OK;
}

#endif
