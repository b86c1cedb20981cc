/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a runtime that all four vendors have: which devices the process sees, and the current one of a thread.
 */
#include "hcs_sim_objects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_GRANULARITY (2ull << 20) /* of pools and physical memory, where the device names none */

static struct {
    pthread_mutex_t mutex;
    pid_t owner; /* 0 = not initialised; another pid = inherited by fork, starts afresh */
    uint32_t vendor;
    struct hcs_sim_view visible[HCS_SIM_DEVICES];
    uint32_t visible_count;
} runtime = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int current;

/* Lock order: this mutex, then that of hcs_sim.c. Prepare handlers run last registered first, and this file is linked
 * after hcs_sim.c. */
void hcs_sim_objects_lock(void) {
    pthread_mutex_lock(&runtime.mutex);
}
void hcs_sim_objects_unlock(void) {
    pthread_mutex_unlock(&runtime.mutex);
}

__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(hcs_sim_objects_lock, hcs_sim_objects_unlock, hcs_sim_objects_unlock);
}

/* Visibility */

static bool parse_index(const char *text, size_t length, uint32_t *ret) {
    uint32_t value = 0;
    if (length == 0 || length > 4)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *ret = value;
    return true;
}

static bool starts(const struct hcs_sim_view *view, hcs_sim_uuid_printer uuid, const char *text, size_t length) {
    char full[64];
    uuid(view, full, sizeof full);
    return strncasecmp(full, text, length) == 0;
}

static struct hcs_sim_view instance_of(const struct hcs_sim_view *card, uint32_t i) {
    return (struct hcs_sim_view){card->device, &card->device->migs[i], card->device->migs[i].position};
}

static uint32_t instances(const struct hcs_sim_view *card) {
    uint32_t count = card->device->mig_mode != 0 ? card->device->mig_count : 0;
    return count < HCS_SIM_MIGS ? count : HCS_SIM_MIGS;
}

/* A card or one of its instances, by any beginning of its UUID that only it has. */
static bool match_uuid(const char *text, size_t length, hcs_sim_uuid_printer uuid, struct hcs_sim_view *ret) {
    uint32_t matches = 0;
    if (uuid == NULL || length <= strlen("GPU-"))
        return false;
    for (uint32_t i = 0; i < hcs_sim_count(runtime.vendor); i++) {
        struct hcs_sim_view card;
        if (!hcs_sim_find(runtime.vendor, i, &card))
            continue;
        if (starts(&card, uuid, text, length)) {
            *ret = card;
            matches++;
        }
        for (uint32_t k = 0; k < instances(&card); k++) {
            struct hcs_sim_view instance = instance_of(&card, k);
            if (!starts(&instance, uuid, text, length))
                continue;
            *ret = instance;
            matches++;
        }
    }
    return matches == 1;
}

static bool same(const struct hcs_sim_view *a, const struct hcs_sim_view *b) {
    return a->position == b->position;
}

/* A card with MIG on stands for its first instance. CUDA gives a process one instance and nothing beside it. */
static void show(struct hcs_sim_view view) {
    if (view.mig == NULL && view.device->mig_mode != 0) {
        if (instances(&view) == 0)
            return;
        view = instance_of(&view, 0);
    }
    if (runtime.visible_count > 0 && runtime.visible[0].mig != NULL)
        return;
    if (view.mig != NULL)
        runtime.visible_count = 0;
    runtime.visible[runtime.visible_count++] = view;
}

/* An entry that names no device, or one named before, ends the list: the rule of CUDA_VISIBLE_DEVICES. */
static void read_visibility(const char *variable, hcs_sim_uuid_printer uuid) {
    uint32_t total = hcs_sim_count(runtime.vendor), named_count = 0;
    struct hcs_sim_view view, named[HCS_SIM_DEVICES];
    const char *text = variable == NULL ? NULL : getenv(variable);
    runtime.visible_count = 0;
    for (uint32_t i = 0; text == NULL && i < total && i < HCS_SIM_DEVICES; i++) {
        if (hcs_sim_find(runtime.vendor, i, &view))
            show(view);
    }
    while (text != NULL && *text != '\0' && named_count < HCS_SIM_DEVICES) {
        uint32_t index;
        text += strspn(text, " ");
        size_t length = strcspn(text, ", ");
        bool found = parse_index(text, length, &index) ? hcs_sim_find(runtime.vendor, index, &view)
                                                       : match_uuid(text, length, uuid, &view);
        for (uint32_t i = 0; found && i < named_count; i++)
            found = !same(&named[i], &view);
        if (!found)
            return;
        named[named_count++] = view;
        show(view);
        text += length;
        text += strspn(text, " ");
        if (*text != ',')
            return;
        text++;
    }
}

/* Life */

static void drop_locked(bool give) {
    hcs_sim_blocks_drop(give);
    hcs_sim_pools_drop(give);
    hcs_sim_vmm_drop(give);
}

/* After fork() the tables are the parent's, whose memory the child does not hold. */
enum hcs_sim_result hcs_sim_runtime_init(uint32_t vendor, const char *variable, hcs_sim_uuid_printer uuid) {
    enum hcs_sim_result result = HCS_SIM_OK;
    pthread_mutex_lock(&runtime.mutex);
    if (runtime.owner != getpid()) {
        if (!hcs_sim_driver_present(vendor)) {
            result = HCS_SIM_NO_DRIVER;
        } else {
            if (runtime.owner != 0)
                drop_locked(false);
            runtime.vendor = vendor;
            read_visibility(variable, uuid);
            runtime.owner = getpid();
        }
    }
    if (result == HCS_SIM_OK && runtime.visible_count == 0)
        result = HCS_SIM_NO_DEVICE;
    pthread_mutex_unlock(&runtime.mutex);
    return result;
}

void hcs_sim_runtime_reset(void) {
    pthread_mutex_lock(&runtime.mutex);
    drop_locked(runtime.owner == getpid());
    pthread_mutex_unlock(&runtime.mutex);
}

uint32_t hcs_sim_runtime_count(void) {
    return runtime.visible_count;
}

bool hcs_sim_runtime_device(int ordinal, struct hcs_sim_view *ret) {
    if (ordinal < 0 || (uint32_t)ordinal >= runtime.visible_count)
        return false;
    *ret = runtime.visible[ordinal];
    return true;
}

int hcs_sim_runtime_current(void) {
    return current;
}

enum hcs_sim_result hcs_sim_runtime_select(int ordinal) {
    struct hcs_sim_view view;
    if (!hcs_sim_runtime_device(ordinal, &view))
        return HCS_SIM_INVALID;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return HCS_SIM_LOST;
    current = ordinal;
    return HCS_SIM_OK;
}

enum hcs_sim_result hcs_sim_runtime_memory(int ordinal, size_t *ret_free, size_t *ret_total) {
    struct hcs_sim_view view;
    if (!hcs_sim_runtime_device(ordinal == HCS_SIM_CURRENT ? current : ordinal, &view))
        return HCS_SIM_NO_DEVICE;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return HCS_SIM_LOST;
    size_t total = hcs_sim_memory(&view), used = hcs_sim_used(view.position);
    *ret_total = total;
    *ret_free = used < total ? total - used : 0;
    return HCS_SIM_OK;
}

uint64_t hcs_sim_granularity(const struct hcs_sim_view *view) {
    return view->device->granularity > 1 ? view->device->granularity : DEFAULT_GRANULARITY;
}

bool hcs_sim_round_up(uint64_t bytes, uint64_t granularity, uint64_t *ret) {
    uint64_t rest = granularity > 1 ? bytes % granularity : 0;
    return !__builtin_add_overflow(bytes, rest == 0 ? 0 : granularity - rest, ret);
}
