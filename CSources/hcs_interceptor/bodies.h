/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of the hooks: HCS_HOOK(name, kind, layer, (parameters), (arguments), ...), with columns of each kind's own.
 * A body is: guard, look up the real function, reserve, call, account. A call inside another hook of this thread, and every
 * call without a quota, is the vendor's alone.
 *
 *   ALLOCATE  ordinal, bytes, class, number, undo   bytes are reserved before the call and kept under the number after it
 *   RESIZED   ordinal, bytes, actual, number, undo  the same; `actual` is known after the call (a pitch)
 *   ASYNC     ordinal, bytes, pool, number, undo    a pointer out of a memory pool; pool 0: the device's current one
 *   RELEASE   class, number
 *   RELEASE_LATER                                   the same, when the stream comes to it
 *   RESET     gone                                  it may have freed what a device or a context holds: the driver is asked
 *   SYNC      trims                                 may make pools let go of what they kept
 *   CREATE    ordinal, bytes, number, undo          memory that lives by handles and mappings
 *   RETAIN    number                                one more handle: after a retain or an import, if it is one of ours
 *   DROP      number                                one handle less
 *   MAP       address, bytes, number
 *   UNMAP     address, bytes
 *   POOL      ordinal, number                       notes where a pool's memory lies; unless it is noted already
 *   POOL_END  number
 *   INFO      condition, ordinal                    parameters free_bytes and total_bytes; size_t
 *   ANSWER    condition, statement                  after a success the statement narrows the answer
 *   DOOR      symbol, result, per_thread            *result is a function's address
 *   NODE      ordinal, bytes                        a graph's node that will allocate: denied where it could never
 *   LAUNCH                                          a graph's memory is asked for and booked afterwards
 */
#ifndef HCS_BODIES_H
#define HCS_BODIES_H

#include "hook.h"

#define HCS_REAL(name) ((__typeof__(name) *)hcs_real(HCS_INDEX_##name, __builtin_return_address(0)))
#define HCS_UNDO(name, arguments) (HCS_REAL(name) ? HCS_REAL(name) arguments : -1)

/* The hook itself is hidden, so that its address is ours whoever else exports the name; the name is an alias of it. */
#define HCS_HOOK_HEAD(name, parameters)                                                                                \
    int hcs_hook_##name parameters;                                                                                    \
    extern __typeof__(name) name __attribute__((alias("hcs_hook_" #name), visibility("default")));                     \
    int hcs_hook_##name parameters

/* Opens a body: `real` is found, and this is an outermost call under a quota. */
#define HCS_BODY(name, layer, parameters, arguments, condition)                                                        \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        if (!(condition) || !hcs_enter())                                                                              \
            return real arguments;
#define HCS_BODY_END                                                                                                   \
        hcs_leave();                                                                                                   \
        return status;                                                                                                 \
    }

#define HCS_DEFINE_ALLOCATE(name, layer, parameters, arguments, ordinal, size, class, number, undo)                    \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_charge charge;                                                                                      \
        int status = hcs_charge_begin(&layer, (const void *)real, ordinal, (uint64_t)(size), &charge);                 \
        if (HCS_LIKELY(status == layer.success)) {                                                                     \
            status = real arguments;                                                                                   \
            if (status != layer.success) {                                                                             \
                hcs_charge_drop(&charge, 1);                                                                           \
            } else if (charge.bytes && hcs_charge_keep(&charge, class, (uint64_t)(number)) < 0) {                      \
                hcs_charge_drop(&charge, (undo) == layer.success);                                                     \
                status = hcs_denied(&layer);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    HCS_BODY_END

#define HCS_DEFINE_RESIZED(name, layer, parameters, arguments, ordinal, size, actual, number, undo)                    \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_charge charge;                                                                                      \
        int status = hcs_charge_begin(&layer, (const void *)real, ordinal, (uint64_t)(size), &charge);                 \
        if (status == layer.success) {                                                                                 \
            status = real arguments;                                                                                   \
            if (status != layer.success) {                                                                             \
                hcs_charge_drop(&charge, 1);                                                                           \
            } else if (charge.bytes && (hcs_charge_adjust(&charge, (uint64_t)(actual)) < 0 ||                          \
                                        hcs_charge_keep(&charge, HCS_POINTER, (uint64_t)(number)) < 0)) {              \
                hcs_charge_drop(&charge, (undo) == layer.success);                                                     \
                status = hcs_denied(&layer);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    HCS_BODY_END

#define HCS_DEFINE_ASYNC(name, layer, parameters, arguments, ordinal, size, pool, number, undo)                        \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_charge charge;                                                                                      \
        int status = hcs_charge_begin_pooled(&layer, (const void *)real, ordinal, (uint64_t)(uintptr_t)(pool),         \
                                             (uint64_t)(size), &charge);                                               \
        if (status == layer.success) {                                                                                 \
            status = real arguments;                                                                                   \
            if (status != layer.success) {                                                                             \
                hcs_charge_drop(&charge, 1);                                                                           \
            } else if (charge.bytes && hcs_charge_keep(&charge, HCS_POINTER, (uint64_t)(number)) < 0) {                \
                hcs_charge_drop(&charge, (undo) == layer.success);                                                     \
                status = hcs_denied(&layer);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    HCS_BODY_END

#define HCS_DEFINE_RESET(name, layer, parameters, arguments, gone)                                                     \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_reset reset;                                                                                        \
        hcs_reset_begin(&layer, (const void *)real, &reset);                                                           \
        int status = real arguments;                                                                                   \
        hcs_reset_end(&reset, &layer, (const void *)real, status == layer.success && (gone));                            \
    HCS_BODY_END

/* May take as long as the device computes, so that nothing is open meanwhile: a signal handler that allocates is charged. */
#define HCS_DEFINE_SYNC(name, layer, parameters, arguments, trims)                                                     \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        int status = real arguments;                                                                                   \
        if (HCS_LIKELY(status == layer.success))                                                                       \
            hcs_pools_look(trims);                                                                                     \
        return status;                                                                                                 \
    }

#define HCS_DEFINE_RELEASE(name, layer, parameters, arguments, class, number)                                          \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_release release;                                                                                    \
        hcs_release_begin(&layer, class, (uint64_t)(number), &release);                                                \
        int status = real arguments;                                                                                   \
        hcs_release_end(&release, status == layer.success);                                                            \
        if (!HCS_LIKELY(!release.slot || release.holding.pool == 0) && status == layer.success)                                                \
            hcs_pools_settle(); /* it waited for the device */                                                         \
    HCS_BODY_END

#define HCS_DEFINE_RELEASE_LATER(name, layer, parameters, arguments, class, number)                                    \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_release release;                                                                                    \
        hcs_release_begin(&layer, class, (uint64_t)(number), &release);                                                \
        int status = real arguments;                                                                                   \
        hcs_release_end(&release, status == layer.success);                                                            \
    HCS_BODY_END

#define HCS_DEFINE_CREATE(name, layer, parameters, arguments, ordinal, size, number, undo)                             \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_charge charge;                                                                                      \
        int status = hcs_charge_begin(&layer, (const void *)real, ordinal, (uint64_t)(size), &charge);                 \
        if (status == layer.success) {                                                                                 \
            status = real arguments;                                                                                   \
            if (status != layer.success) {                                                                             \
                hcs_charge_drop(&charge, 1);                                                                           \
            } else if (hcs_object_keep(&charge, (uint64_t)(number)) < 0) {                                             \
                hcs_charge_drop(&charge, (undo) == layer.success);                                                     \
                status = hcs_denied(&layer);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    HCS_BODY_END

#define HCS_DEFINE_RETAIN(name, layer, parameters, arguments, number)                                                  \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            hcs_object_retain(layer.vendor, (uint64_t)(number));                                                       \
    HCS_BODY_END

#define HCS_DEFINE_DROP(name, layer, parameters, arguments, number)                                                    \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_object_release release;                                                                             \
        hcs_object_release_begin(&release);                                                                            \
        int status = real arguments;                                                                                   \
        hcs_object_drop_end(&release, layer.vendor, (uint64_t)(number), status == layer.success);                      \
    HCS_BODY_END

#define HCS_DEFINE_MAP(name, layer, parameters, arguments, address, size, number)                                      \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            hcs_object_map(layer.vendor, (uint64_t)(address), (uint64_t)(size), (uint64_t)(number));                   \
    HCS_BODY_END

#define HCS_DEFINE_UNMAP(name, layer, parameters, arguments, address, size)                                            \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        struct hcs_object_release release;                                                                             \
        hcs_object_release_begin(&release);                                                                            \
        int status = real arguments;                                                                                   \
        hcs_object_unmap_end(&release, layer.vendor, (uint64_t)(address), (uint64_t)(size), status == layer.success);  \
    HCS_BODY_END

#define HCS_DEFINE_POOL(name, layer, parameters, arguments, ordinal, number)                                           \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            hcs_pool_note(layer.vendor, (uint64_t)(number), ordinal);                                                  \
    HCS_BODY_END

#define HCS_DEFINE_POOL_END(name, layer, parameters, arguments, number)                                                \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        int ordinal = hcs_pool_forget(layer.vendor, (uint64_t)(number));                                               \
        if (number)                                                                                                    \
            hcs_pools_end_begin(layer.vendor, (uint64_t)(number), -1);                                                 \
        int status = real arguments;                                                                                   \
        if (number)                                                                                                    \
            hcs_pools_end(layer.vendor, (uint64_t)(number), -1, status == layer.success);                              \
        if (status != layer.success && ordinal != HCS_CURRENT)                                                         \
            hcs_pool_note(layer.vendor, (uint64_t)(number), ordinal);                                                  \
    HCS_BODY_END

#define HCS_DEFINE_INFO(name, layer, parameters, arguments, condition, ordinal)                                        \
    HCS_BODY(name, layer, parameters, arguments, condition)                                                            \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            hcs_info_narrow(&layer, (const void *)real, ordinal, free_bytes, total_bytes);                             \
    HCS_BODY_END

#define HCS_DEFINE_ANSWER(name, layer, parameters, arguments, condition, statement)                                    \
    HCS_BODY(name, layer, parameters, arguments, condition)                                                            \
        int status = real arguments;                                                                                   \
        if (status == layer.success)                                                                                   \
            statement;                                                                                                 \
    HCS_BODY_END

/* Not an operation of its own: the driver may call it from inside any other, and the answer is ours all the same. */
#define HCS_DEFINE_DOOR(name, layer, parameters, arguments, symbol, result, per_thread)                                \
    HCS_HOOK_HEAD(name, parameters) {                                                                                  \
        __typeof__(name) *real = HCS_REAL(name);                                                                       \
        if (__builtin_expect(!real, 0))                                                                                \
            return hcs_missing(&layer, #name);                                                                         \
        int status = real arguments;                                                                                   \
        if (status == layer.success && (result))                                                                       \
            *(result) = hcs_door(symbol, (void *)(uintptr_t)*(result), per_thread);                                    \
        return status;                                                                                                 \
    }

#define HCS_DEFINE_NODE(name, layer, parameters, arguments, condition, ordinal, size)                                  \
    HCS_BODY(name, layer, parameters, arguments, condition)                                                            \
        int status = hcs_graph_may_add(&layer, (const void *)real, ordinal, (uint64_t)(size));                         \
        if (status == layer.success) {                                                                                 \
            hcs_graph_note(&layer, ordinal);                                                                           \
            status = real arguments;                                                                                   \
        }                                                                                                              \
    HCS_BODY_END

#define HCS_DEFINE_LAUNCH(name, layer, parameters, arguments)                                                          \
    HCS_BODY(name, layer, parameters, arguments, 1)                                                                    \
        int status = real arguments;                                                                                   \
        if (status == layer.success || !layer.pools->sets_error)                                                       \
            hcs_graph_settle(&layer, (const void *)real);                                                                  \
    HCS_BODY_END

#endif
