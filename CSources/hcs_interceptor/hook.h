/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the preload library know of each other. A hook is: guard, look up the real function, reserve, call,
 * account. The bodies are generated here from the vendors' hooks.def; a vendor's hooks.c adds only its layers.
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

/* A function that is not hooked, taken from the object that holds `near`, else from wherever a hook would find it. */
void *hcs_query(enum hcs_index index, const void *near);
/* The same, from a library that may be loaded, by soname. */
void *hcs_query_in(enum hcs_index index, const char *soname);

/* --- layers -------------------------------------------------------------------------------------------------------- */

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

/* --- ledger: the process's own pointer -> (bytes, device entry) --------------------------------------------------------- */

#define HCS_LEDGER_MAX_BYTES ((UINT64_C(1) << 58) - 1)
struct hcs_holding {
    uint64_t bytes;
    uint32_t device; /* index of the segment's entry */
};
/* 0; 1 with *ret_replaced when the key was known, so the driver freed it behind our back; -ENOMEM: nothing changed. */
int hcs_ledger_insert(uint64_t key, struct hcs_holding holding, struct hcs_holding *ret_replaced);
/* Marks the key as being freed; a second claim does not find it. 0 or -ENOENT. */
int hcs_ledger_claim(uint64_t key, struct hcs_holding *ret_holding);
void hcs_ledger_remove_claimed(uint64_t key);
void hcs_ledger_unclaim(uint64_t key);
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

/* Entry of the layer's device with this visible ordinal: index, or -1 (said once why). */
int hcs_device_entry(const struct hcs_layer *layer, const void *real, int ordinal);
void hcs_device_forget_all(void);

/* --- engine ------------------------------------------------------------------------------------------------------------ */

struct hcs_charge {
    struct hcs_segment_slot *slot;
    uint64_t bytes; /* 0: nothing is charged */
    uint32_t device;
    uint32_t vendor;
    int charged_total;
};

extern __thread int hcs_depth __attribute__((tls_model("initial-exec")));

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
int hcs_charge_begin(const struct hcs_layer *layer, const void *real, uint64_t bytes, struct hcs_charge *ret_charge);
/* Keeps the charge under the key: 0; -ENOMEM: the ledger is full, undo the driver call and hcs_charge_drop. */
int hcs_charge_keep(struct hcs_charge *charge, uint64_t key);
/* Ends an operation that left nothing allocated (given = 1: the bytes go back) or that could not be undone (0). */
void hcs_charge_drop(struct hcs_charge *charge, int given);
int hcs_denied(const struct hcs_layer *layer);

struct hcs_release {
    struct hcs_segment_slot *slot; /* NULL: the pointer is not ours */
    uint64_t key;
    struct hcs_holding holding;
};
void hcs_release_begin(const struct hcs_layer *layer, uint64_t key, struct hcs_release *ret_release);
void hcs_release_end(struct hcs_release *release, int freed);

/* Narrows what the driver said to what the quota leaves. Either pointer may be NULL. */
void hcs_info_narrow(const struct hcs_layer *layer, const void *real, size_t *free_bytes, size_t *total_bytes);

/* --- bodies: HCS_HOOK(name, kind, layer, (parameters), (arguments), size, key, undo) ------------------------------------- */

#define HCS_REAL(name) ((__typeof__(name) *)hcs_real(HCS_INDEX_##name, __builtin_return_address(0)))

/* The hook itself is hidden, so that its address is ours whoever else exports the name; the name is an alias of it. */
#define HCS_HOOK_HEAD(name, parameters)                                                                                \
    int hcs_hook_##name parameters;                                                                                    \
    extern __typeof__(name) name __attribute__((alias("hcs_hook_" #name), visibility("default")));                     \
    int hcs_hook_##name parameters

#define HCS_DEFINE_ALLOCATE(name, layer, parameters, arguments, size, key, undo)                                       \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        if (!hcs_enter())                                                                                              \
            return real arguments;                                                                                     \
        struct hcs_charge charge;                                                                                      \
        int status = hcs_charge_begin(&layer, (const void *)real, (uint64_t)(size), &charge);                          \
        if (status == layer.success) {                                                                                 \
            status = real arguments;                                                                                   \
            if (status != layer.success) {                                                                             \
                hcs_charge_drop(&charge, 1);                                                                           \
            } else if (hcs_charge_keep(&charge, (uint64_t)(key)) < 0) {                                                \
                hcs_charge_drop(&charge, (undo) == layer.success);                                                     \
                status = hcs_denied(&layer);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
        hcs_leave();                                                                                                   \
        return status;                                                                                                 \
    }

#define HCS_DEFINE_RELEASE(name, layer, parameters, arguments, size, key, undo)                                        \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        if (!hcs_enter())                                                                                              \
            return real arguments;                                                                                     \
        struct hcs_release release;                                                                                    \
        hcs_release_begin(&layer, (uint64_t)(key), &release);                                                          \
        int status = real arguments;                                                                                   \
        hcs_release_end(&release, status == layer.success);                                                            \
        hcs_leave();                                                                                                   \
        return status;                                                                                                 \
    }

/* `size` is the condition under which the question is about memory that the quota limits; the parameters are named
 * free_bytes and total_bytes. */
#define HCS_DEFINE_INFO(name, layer, parameters, arguments, size, key, undo)                                           \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        if (!(size) || !hcs_enter())                                                                                   \
            return real arguments;                                                                                     \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            hcs_info_narrow(&layer, (const void *)real, free_bytes, total_bytes);                                      \
        hcs_leave();                                                                                                   \
        return status;                                                                                                 \
    }

#endif
