/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the preload library know of each other. A hook is: guard, look up the real function, reserve, call,
 * account. The bodies (bodies.h) are generated from the vendors' hooks.def; a vendor's hooks.c adds only its layers.
 */
#ifndef HCS_HOOK_H
#define HCS_HOOK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "hcs_segment.h"

#define HCS_LIKELY(x) __builtin_expect(!!(x), 1)
#define HCS_EXPORT __attribute__((visibility("default")))
#define HCS_ORDINALS 64 /* visible ordinals that the entry cache knows */

/* --- symbols: one index for each hooked or queried name ------------------------------------------------------------ */

#define HCS_HOOK(name, ...) HCS_INDEX_##name,
#define HCS_QUERY(name) HCS_INDEX_##name,
enum hcs_index {
#include "vendors.def"
    HCS_INDEX_COUNT
};
#undef HCS_HOOK
#undef HCS_QUERY

/* The vendor's own function: NULL where no loaded library defines it. `caller` is an address in the calling object; a
 * library loaded RTLD_LOCAL is found through it. */
void *hcs_real_slow(enum hcs_index index, const void *caller);
extern void *hcs_reals[HCS_INDEX_COUNT];
static inline void *hcs_real(enum hcs_index index, const void *caller) {
    void *real = __atomic_load_n(&hcs_reals[index], __ATOMIC_ACQUIRE);
    return HCS_LIKELY(real) ? real : hcs_real_slow(index, caller);
}

void hcs_names_after_fork(void);

/* A function that is not hooked, taken from the object that holds `near`, else from wherever a hook would find it. */
void *hcs_query(enum hcs_index index, const void *near);
/* The same, from a library that may be loaded, by soname; that it lacks the function is remembered. */
void *hcs_query_in(enum hcs_index index, const char *soname);

/* --- layers -------------------------------------------------------------------------------------------------------- */

/* What a driver says of its memory pools; vendor status. `near` is a function of the library that is asked. */
struct hcs_pool_questions {
    int success;
    int sets_error; /* a question is a call like any other for the thread's last error: none after a call that failed */
    int (*current)(const void *near, int ordinal, uint64_t *ret_pool); /* where an asynchronous request without a pool goes */
    int (*reserved)(const void *near, uint64_t pool, uint64_t *ret_bytes);
    int (*trim)(const void *near, uint64_t pool);
};

/* An API layer of a vendor, as far as charging is concerned. `real` is the hooked function that is running: questions
 * to the driver are put to the library that holds it. */
struct hcs_layer {
    uint32_t vendor;
    int success;
    int out_of_memory;                                   /* denied; see also `denied` */
    int missing;                                         /* no loaded library defines the function */
    int (*denied)(void);                                 /* out-of-memory code where it depends on the library, or NULL */
    int (*current_device)(const void *real, int *ret_ordinal); /* vendor status */
    int (*device_uuid)(const void *real, int ordinal, char *ret_uuid); /* 0 or -errno; NULL: the runtime has no UUID */
    int (*graph_reserved)(const void *real, int ordinal, uint64_t *ret_bytes); /* vendor status; NULL: graphs hold nothing */
    const struct hcs_pool_questions *pools;              /* NULL: what a pool keeps cannot be asked for */
    int (*knows_pointer)(const void *real, uint64_t number); /* 1, 0, or -1: no answer; NULL: cannot be asked */
    int reset_ends_pools;                                /* those of the current device, and their handles with them */
    void (*refuse)(void); /* makes the library refuse a request, for the thread's last error; NULL: it keeps none */
    const char *visibility[2]; /* where there is no UUID: variables that list host indices, first set one rules */
};

/* --- init, fork ---------------------------------------------------------------------------------------------------- */

enum hcs_mode {
    HCS_MODE_OFF = 1,  /* no quota: everything passes through, nothing is counted */
    HCS_MODE_ON = 2,   /* a segment is mapped */
    HCS_MODE_DENY = 3, /* a quota was asked for and cannot be kept: nothing is granted */
};

extern uint32_t hcs_mode_word; /* 0 until initialised */
extern uint32_t hcs_init_lock;
extern uint32_t *hcs_fork_mark; /* 1 in the process that initialised or was reset after fork; the kernel wipes it in a child */
enum hcs_mode hcs_mode_slow(void);
static inline enum hcs_mode hcs_mode(void) {
    uint32_t mode = __atomic_load_n(&hcs_mode_word, __ATOMIC_ACQUIRE);
    if (HCS_LIKELY(mode != 0 && __atomic_load_n(hcs_fork_mark, __ATOMIC_ACQUIRE) == 1))
        return (enum hcs_mode)mode;
    return hcs_mode_slow();
}
void hcs_say_denial_reason(void);
void hcs_fork_prepare_mark(void);
void hcs_fork_check(void);

/* --- log ----------------------------------------------------------------------------------------------------------- */

enum hcs_log_level { HCS_LOG_ERROR = 0, HCS_LOG_WARN = 1, HCS_LOG_INFO = 2, HCS_LOG_DEBUG = 3 };
void hcs_log_configure(const char *level);
/* Joins the strings up to the closing NULL into one line on descriptor 2. *once (may be NULL) is set and respected. */
void hcs_say(enum hcs_log_level level, uint32_t *once, ...) __attribute__((sentinel));
/* Decimal text of a number, for hcs_say. */
struct hcs_decimal {
    char text[24];
};
const char *hcs_decimal(uint64_t value, struct hcs_decimal *buffer);
const char *hcs_error_name(int negative_errno, struct hcs_decimal *buffer);

/* --- lock: process-local, spins, then sleeps in the kernel; never held across a driver call ----------------------------- */

void hcs_lock_slow(uint32_t *lock);
void hcs_unlock_slow(uint32_t *lock);
static inline void hcs_lock(uint32_t *lock) {
    uint32_t free = 0;
    if (!HCS_LIKELY(__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        hcs_lock_slow(lock);
}
static inline void hcs_unlock(uint32_t *lock) {
    if (!HCS_LIKELY(__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 1))
        hcs_unlock_slow(lock);
}

extern __thread int hcs_depth __attribute__((tls_model("initial-exec")));

/* The guard of the ledger and of our own slot's counters: one thread that is alone takes it with a plain store. It belongs to
 * the first thread that asks, until a second one asks: that one withdraws it for good (membarrier makes the first one see
 * it) and from then on it is a lock. A locked instruction costs as much as all the rest of an operation. */
struct hcs_guard {
    const void *owner; /* address of the owner's hcs_depth; NULL: nobody's */
    uint32_t busy;     /* the owner is inside */
    uint32_t shared;   /* 1: it is a lock */
    uint32_t lock;
} __attribute__((aligned(64)));
extern struct hcs_guard hcs_guard_state;
void hcs_guard_slow(void);
void hcs_guard_prepare(int single_threaded);
void hcs_guard_after_fork(void);

static inline void hcs_guard(void) {
    struct hcs_guard *g = &hcs_guard_state;
    if (HCS_LIKELY(__atomic_load_n(&g->owner, __ATOMIC_RELAXED) == (const void *)&hcs_depth)) {
        __atomic_store_n(&g->busy, 1, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (HCS_LIKELY(!__atomic_load_n(&g->shared, __ATOMIC_RELAXED)))
            return;
        __atomic_store_n(&g->busy, 0, __ATOMIC_RELEASE);
    }
    uint32_t free = 0;
    if (!__atomic_load_n(&g->shared, __ATOMIC_ACQUIRE) ||
        !__atomic_compare_exchange_n(&g->lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        hcs_guard_slow();
}
static inline void hcs_unguard(void) {
    struct hcs_guard *g = &hcs_guard_state;
    if (HCS_LIKELY(__atomic_load_n(&g->owner, __ATOMIC_RELAXED) == (const void *)&hcs_depth &&
                   __atomic_load_n(&g->busy, __ATOMIC_RELAXED))) {
        __atomic_store_n(&g->busy, 0, __ATOMIC_RELEASE);
        return;
    }
    __atomic_store_n(&g->lock, 0, __ATOMIC_RELEASE);
}

/* --- ledger: the process's own pointer -> (bytes, device entry); the caller holds the guard ------------------------------- */

#define HCS_LEDGER_MAX_BYTES ((UINT64_C(1) << 52) - 1)
#define HCS_POOL_ACCOUNTS 256 /* the first one is no pool's */
struct hcs_holding {
    uint64_t bytes;
    uint32_t device; /* index of the segment's entry */
    uint32_t pool;   /* account of the pool that it came from; 0: of none */
};
/* 0; 1 with *ret_replaced when the key was known, so the driver freed it behind our back; -ENOMEM: nothing changed. */
int hcs_ledger_insert(uint64_t key, struct hcs_holding holding, struct hcs_holding *ret_replaced);
/* Takes the key out: 0 or -ENOENT. */
int hcs_ledger_take(uint64_t key, struct hcs_holding *ret_holding);
/* Puts back what was taken, into the room that it left; another thread may have used that up: -ENOMEM. */
int hcs_ledger_put_back(uint64_t key, struct hcs_holding holding);
/* Copies entries from *at on, which moves on: how many; 0 = the end. What grows or shrinks meanwhile may be missed. */
struct hcs_ledger_place {
    uint32_t shard;
    uint64_t entry;
};
struct hcs_ledger_copy {
    uint64_t key;
    struct hcs_holding holding;
};
uint32_t hcs_ledger_read(struct hcs_ledger_place *at, struct hcs_ledger_copy *ret_entries, uint32_t capacity);
void hcs_ledger_forget_all(void);

/* --- segment --------------------------------------------------------------------------------------------------------- */

struct hcs_segment_state {
    struct hcs_segment *map;
    struct hcs_segment_slot *slot; /* NULL until the first charge */
    uint32_t slot_index;
    int fd;
    uint32_t pid; /* of the process that filled this */
    int standalone;
    uint64_t device, inode; /* of the file, to notice a closed and re-used descriptor */
    uint64_t start_time, pid_namespace;
    char path[4096];
};
extern struct hcs_segment_state hcs_state;
extern uint32_t hcs_slow_lock; /* guards attach, reap and device entries within the process */

/* Maps an existing segment: 0, or -errno with *ret_what. */
int hcs_segment_map(int fd, const char *path, const char **ret_what);
int hcs_segment_join(const char *path, const char **ret_what);
/* Bytes of the file whose record locks have a meaning; slots' bytes: hcs_slot_offset. */
#define HCS_PRESENCE_BYTE 0     /* standalone: read-locked by every process that uses the file */
#define HCS_DEVICE_TABLE_BYTE 1 /* standalone: write-locked while a device entry is added */
#define HCS_SETTLE_BYTE 2 /* standalone: write-locked while counters are settled */
int hcs_segment_fd(void); /* the descriptor, opened again if the program closed it; the caller holds hcs_slow_lock */
int hcs_segment_raise(int fd);
int hcs_segment_is_at(const char *path, int fd);
int hcs_segment_be_present(int fd, const char *path);
int hcs_segment_reap_locked(int fd);
struct hcs_segment_slot *hcs_segment_attach(void);
/* Takes back what dead processes hold. Returns 1 when something came back. */
int hcs_segment_reap(void);
void hcs_segment_reap_former_self(void);
int hcs_segment_has_live_slots(int except);
int hcs_segment_after_fork(void);
void hcs_segment_leave(void);

int hcs_standalone_open(const char *quota, const char *name, const char **ret_what, const char **ret_detail);
void hcs_standalone_leave(void);
void hcs_standalone_sweep(void);
int hcs_standalone_name(const char *job, char *ret_name, size_t capacity);
int hcs_standalone_path(const char *name, char *ret_path, size_t capacity);
const char *hcs_standalone_name_in(const char *path);

/* --- devices ----------------------------------------------------------------------------------------------------------- */

#define HCS_VENDORS 8
extern uint8_t hcs_devices_known[HCS_VENDORS][HCS_ORDINALS]; /* index of the entry + 1; 0 = not met */
static inline int hcs_device_known(uint32_t vendor, int ordinal) {
    if ((unsigned)ordinal >= HCS_ORDINALS)
        return -1;
    return (int)__atomic_load_n(&hcs_devices_known[vendor][ordinal], __ATOMIC_ACQUIRE) - 1;
}
/* Entry of the layer's device with this visible ordinal: index, or -1 (said once why). */
int hcs_device_entry(const struct hcs_layer *layer, const void *real, int ordinal);
/* Entry of a device that a management library names, by UUID or, where it is NULL, by host index: index, or -1. */
int hcs_device_named(uint32_t vendor, const char *uuid, int host_index);
void hcs_device_forget_all(void);

/* --- engine ------------------------------------------------------------------------------------------------------------ */

/* Instead of a visible ordinal: the calling thread's current device; memory that no device of ours pays for. */
enum { HCS_CURRENT = -1, HCS_NOWHERE = -2 };

/* What a key names. Pointers, arrays, handles may have the same number. */
enum hcs_class { HCS_POINTER = 0, HCS_ARRAY = 1, HCS_HANDLE = 2, HCS_MAPPING = 3, HCS_POOL = 4, HCS_OBJECT = 5 };
static inline uint64_t hcs_key(uint32_t vendor, enum hcs_class class, uint64_t number) {
    return number ^ (uint64_t)vendor << 59 ^ (uint64_t)class << 56;
}

struct hcs_charge {
    uint64_t bytes; /* 0: nothing is charged */
    struct hcs_segment_slot *slot;
    uint32_t device;
    uint32_t vendor;
    uint32_t pool; /* account of the pool that answers; 0: of none */
    int charged_total;
};

/* 1 when this call is the outermost hook of its thread and a quota is in force. Pair with hcs_leave. */
static inline int hcs_enter(void) {
    if (hcs_depth > 0 || hcs_mode() == HCS_MODE_OFF)
        return 0;
    hcs_depth = 1;
    return 1;
}
static inline void hcs_leave(void) { hcs_depth = 0; }

int hcs_missing(const struct hcs_layer *layer, const char *name);
/* layer->success with the bytes reserved, or the status to return. */
int hcs_charge_begin(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t bytes,
                     struct hcs_charge *ret_charge);
/* The same for a request that a memory pool answers; pool 0: the current one of the device. */
int hcs_charge_begin_pooled(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t pool, uint64_t bytes,
                            struct hcs_charge *ret_charge);
/* The driver took another size than was reserved: 0; -EDQUOT: it does not fit, undo the driver call and hcs_charge_drop. */
int hcs_charge_adjust(struct hcs_charge *charge, uint64_t bytes);
/* Keeps the charge under the key: 0; -ENOMEM: the ledger is full, undo the driver call and hcs_charge_drop. */
int hcs_charge_keep(struct hcs_charge *charge, enum hcs_class class, uint64_t number);
/* Books what the driver holds already, over the limit where it must. */
void hcs_charge_set(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t from, uint64_t to);
/* Ends an operation that left nothing allocated (given = 1: the bytes go back) or that could not be undone (0). */
void hcs_charge_drop(struct hcs_charge *charge, int given);
int hcs_denied(const struct hcs_layer *layer);

struct hcs_release {
    struct hcs_segment_slot *slot; /* NULL: the pointer is not ours */
    uint64_t key;
    struct hcs_holding holding;
};
void hcs_release_begin(const struct hcs_layer *layer, enum hcs_class class, uint64_t number,
                       struct hcs_release *ret_release);
void hcs_release_end(struct hcs_release *release, int freed);

/* Around a call that may free what a device or a context holds: 1 from the first, where there is something to look for. */
struct hcs_reset {
    struct hcs_segment_slot *slot;
    int device; /* index of the entry whose pools end; -1: of none */
};
void hcs_reset_begin(const struct hcs_layer *layer, const void *real, struct hcs_reset *ret_reset);
void hcs_reset_end(const struct hcs_reset *reset, const struct hcs_layer *layer, const void *real, int done);

/* The bracket around an operation whose bytes are known only after the driver call. NULL: nothing was ever charged. */
struct hcs_segment_slot *hcs_operation_begin(void);
/* Gives bytes back and ends the operation. */
void hcs_operation_end(struct hcs_segment_slot *slot, const struct hcs_holding *holdings, uint32_t count);

/* Narrows what the driver said to what the quota leaves. Either pointer may be NULL. */
void hcs_info_narrow(const struct hcs_layer *layer, const void *real, int ordinal, size_t *free_bytes,
                     size_t *total_bytes);
/* The same for a management library's device: 1, or 0 with nothing changed where the segment has no entry for it. */
int hcs_report_narrow(uint32_t vendor, const char *uuid, int host_index, uint64_t *free_bytes, uint64_t *total_bytes);

/* Bytes of an array (a height or depth of 0 counts as 1) and of a mipmapped array, rounded to 64 KiB; UINT64_MAX: no number. */
uint64_t hcs_array_bytes(uint64_t width, uint64_t height, uint64_t depth, uint64_t element_bytes);
uint64_t hcs_mipmapped_bytes(uint64_t width, uint64_t height, uint64_t depth, uint64_t element_bytes, unsigned levels,
                             int depth_is_layers);
/* width rounded up to 512, times the rows; UINT64_MAX: no number. */
uint64_t hcs_pitched_bytes(uint64_t width, uint64_t rows, uint64_t slices);

/* --- virtual memory, pools, graphs ------------------------------------------------------------------------------------------ */

/* Takes the charge over into an object that lives until its last handle is released and its last mapping is gone. */
int hcs_object_keep(struct hcs_charge *charge, uint64_t handle);
void hcs_object_retain(uint32_t vendor, uint64_t handle);
void hcs_object_map(uint32_t vendor, uint64_t address, uint64_t bytes, uint64_t handle);
struct hcs_object_release {
    struct hcs_segment_slot *slot;
    uint64_t moment;
};
void hcs_object_release_begin(struct hcs_object_release *ret_release);
void hcs_object_drop_end(const struct hcs_object_release *release, uint32_t vendor, uint64_t handle, int done);
void hcs_object_unmap_end(const struct hcs_object_release *release, uint32_t vendor, uint64_t address, uint64_t bytes,
                          int done);

/* Where a pool's memory lies: an ordinal or HCS_NOWHERE; HCS_CURRENT for a pool that was never seen. */
void hcs_pool_note(uint32_t vendor, uint64_t pool, int ordinal);
int hcs_pool_forget(uint32_t vendor, uint64_t pool); /* what hcs_pool_device would have said */
int hcs_pool_device(uint32_t vendor, uint64_t pool);
void hcs_objects_forget_all(void);

/* What pools keep of freed memory stays charged until the driver has let go of it: an account counts what is live and
 * what is kept, and both together are in the slot. The caller of the first six holds the guard. Whoever finds an account
 * unpins it, 0 too, when the request is counted or denied. */
uint32_t hcs_pool_known(uint32_t vendor, uint64_t pool, uint32_t device); /* 0: not yet */
uint32_t hcs_pool_account(const struct hcs_layer *layer, uint64_t pool, const void *near, uint32_t device); /* 0: no room */
void hcs_pool_unpin(uint32_t account);
uint64_t hcs_pool_take(uint32_t account, uint64_t bytes); /* how many of the bytes are charged already */
void hcs_pool_put(uint32_t account, uint64_t bytes);
void hcs_pool_undo(uint32_t account, uint64_t bytes, uint64_t taken);
extern uint32_t hcs_pools_keep; /* accounts that keep something */
void hcs_pools_settle(void);
void hcs_pools_settle_some(void);
void hcs_pools_settle_failed(uint32_t account); /* after a call of this one's vendor that failed */
void hcs_pools_trim(int device); /* index of the entry; -1: all */
/* Around a call that destroys a pool or, with pool 0, every pool of the device; where it has, `ended` is 1. */
void hcs_pools_end_begin(uint32_t vendor, uint64_t pool, int device);
void hcs_pools_end(uint32_t vendor, uint64_t pool, int device, int ended);
void hcs_pools_forget_all(void);
static inline void hcs_pools_look(int all) {
    if (!HCS_LIKELY(__atomic_load_n(&hcs_pools_keep, __ATOMIC_RELAXED) == 0) && hcs_depth == 0) {
        hcs_depth = 1;
        if (all)
            hcs_pools_settle();
        else
            hcs_pools_settle_some();
        hcs_depth = 0;
    }
}
/* For the accounts of pools: takes bytes off slot and device, as an operation of its own. */
void hcs_uncharge_kept(uint32_t device, uint64_t bytes);

/* A graph's own allocations: how much the driver holds for them is known only after a launch. */
int hcs_graph_may_add(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t bytes);
void hcs_graph_note(const struct hcs_layer *layer, int ordinal);
void hcs_graph_settle(const struct hcs_layer *layer, const void *real);

/* --- doors ---------------------------------------------------------------------------------------------------------------- */

/* A look-up function of the driver was asked for `name` and gave `found`: our hook of that very function, or `found`. */
void *hcs_door(const char *name, void *found, int per_thread_stream);

#endif
