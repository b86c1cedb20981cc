/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a runtime that all four vendors have: which devices the process sees, the current device of a thread, and
 * allocations. Device memory is address space without pages behind it, so that 80 GiB cost nothing and a program that
 * touches a device pointer on the host faults, as it would with the real thing.
 */
#include "hcs_sim_library.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS 4096u

struct allocation {
    struct allocation *next;
    uintptr_t address;
    size_t bytes;
    size_t mapped;
    uint64_t charged;
    uint32_t position;
};

static struct {
    pthread_mutex_t mutex;
    pid_t owner; /* 0 = not initialised; another pid = inherited by fork, starts afresh */
    uint32_t vendor;
    uint32_t visible[HCS_SIM_DEVICES]; /* vendor indices */
    uint32_t visible_count;
    struct allocation *buckets[BUCKETS];
} runtime = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int current;

/* Lock order: this mutex, then that of hcs_sim.c. Prepare handlers run last registered first, and this file is linked
 * after hcs_sim.c. */
static void fork_prepare(void) {
    pthread_mutex_lock(&runtime.mutex);
}
static void fork_done(void) {
    pthread_mutex_unlock(&runtime.mutex);
}

__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(fork_prepare, fork_done, fork_done);
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

static bool match_uuid(const char *text, size_t length, hcs_sim_uuid_printer uuid, uint32_t *ret) {
    char full[64];
    uint32_t matches = 0;
    if (uuid == NULL || length <= strlen("GPU-"))
        return false;
    for (uint32_t i = 0; i < hcs_sim_count(runtime.vendor); i++) {
        struct hcs_sim_view view;
        if (!hcs_sim_find(runtime.vendor, i, &view))
            continue;
        uuid(view.device, full, sizeof full);
        if (strncasecmp(full, text, length) != 0)
            continue;
        *ret = i;
        matches++;
    }
    return matches == 1;
}

/* An entry that names no device, or one named before, ends the list: the rule of CUDA_VISIBLE_DEVICES. */
static void read_visibility(const char *variable, hcs_sim_uuid_printer uuid) {
    uint32_t total = hcs_sim_count(runtime.vendor);
    const char *text = variable == NULL ? NULL : getenv(variable);
    runtime.visible_count = 0;
    if (text == NULL) {
        for (uint32_t i = 0; i < total && i < HCS_SIM_DEVICES; i++)
            runtime.visible[runtime.visible_count++] = i;
        return;
    }
    while (*text != '\0' && runtime.visible_count < HCS_SIM_DEVICES) {
        uint32_t index;
        text += strspn(text, " ");
        size_t length = strcspn(text, ", ");
        if (!parse_index(text, length, &index) && !match_uuid(text, length, uuid, &index))
            return;
        if (index >= total)
            return;
        for (uint32_t i = 0; i < runtime.visible_count; i++) {
            if (runtime.visible[i] == index)
                return;
        }
        runtime.visible[runtime.visible_count++] = index;
        text += length;
        text += strspn(text, " ");
        if (*text != ',')
            return;
        text++;
    }
}

/* Allocations */

static struct allocation **bucket_of(uintptr_t address) {
    return &runtime.buckets[(address >> 12) % BUCKETS];
}

/* Only of this process: after fork() the table is the parent's, whose memory the child does not hold. */
static void drop_table_locked(bool discharge) {
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (runtime.buckets[i] != NULL) {
            struct allocation *a = runtime.buckets[i];
            runtime.buckets[i] = a->next;
            munmap((void *)a->address, a->mapped);
            if (discharge)
                hcs_sim_discharge(a->position, a->bytes, a->charged);
            free(a);
        }
    }
}

enum hcs_sim_result hcs_sim_runtime_init(uint32_t vendor, const char *variable, hcs_sim_uuid_printer uuid) {
    enum hcs_sim_result result = HCS_SIM_OK;
    pthread_mutex_lock(&runtime.mutex);
    if (runtime.owner != getpid()) {
        if (!hcs_sim_driver_present(vendor)) {
            result = HCS_SIM_NO_DRIVER;
        } else {
            if (runtime.owner != 0)
                drop_table_locked(false);
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
    drop_table_locked(runtime.owner == getpid());
    pthread_mutex_unlock(&runtime.mutex);
}

uint32_t hcs_sim_runtime_count(void) {
    return runtime.visible_count;
}

bool hcs_sim_runtime_device(int ordinal, struct hcs_sim_view *ret) {
    if (ordinal < 0 || (uint32_t)ordinal >= runtime.visible_count)
        return false;
    return hcs_sim_find(runtime.vendor, runtime.visible[ordinal], ret);
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

enum hcs_sim_result hcs_sim_runtime_allocate(size_t bytes, void **ret) {
    struct hcs_sim_view view;
    uint64_t charged = 0;
    if (!hcs_sim_runtime_device(current, &view))
        return HCS_SIM_NO_DEVICE;
    enum hcs_sim_result result = hcs_sim_charge(view.position, bytes, &charged);
    if (result != HCS_SIM_OK)
        return result;

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = (charged + page - 1) / page * page; /* charged is at most the device's memory */
    struct allocation *a = malloc(sizeof *a);
    void *address = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a == NULL || address == MAP_FAILED) {
        if (address != MAP_FAILED)
            munmap(address, mapped);
        free(a);
        hcs_sim_discharge(view.position, bytes, charged);
        return HCS_SIM_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&runtime.mutex);
    struct allocation **bucket = bucket_of((uintptr_t)address);
    *a = (struct allocation){*bucket, (uintptr_t)address, bytes, mapped, charged, view.position};
    *bucket = a;
    pthread_mutex_unlock(&runtime.mutex);
    *ret = address;
    return HCS_SIM_OK;
}

enum hcs_sim_result hcs_sim_runtime_free(void *pointer) {
    struct allocation *found = NULL;
    pthread_mutex_lock(&runtime.mutex);
    for (struct allocation **link = bucket_of((uintptr_t)pointer); *link != NULL; link = &(*link)->next) {
        if ((*link)->address != (uintptr_t)pointer)
            continue;
        found = *link;
        *link = found->next;
        break;
    }
    pthread_mutex_unlock(&runtime.mutex);
    if (found == NULL)
        return HCS_SIM_INVALID;
    munmap(pointer, found->mapped);
    hcs_sim_discharge(found->position, found->bytes, found->charged);
    free(found);
    return HCS_SIM_OK;
}

enum hcs_sim_result hcs_sim_runtime_memory(size_t *ret_free, size_t *ret_total) {
    struct hcs_sim_view view;
    if (!hcs_sim_runtime_device(current, &view))
        return HCS_SIM_NO_DEVICE;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return HCS_SIM_LOST;
    size_t total = view.device->memory, used = hcs_sim_used(view.position);
    *ret_total = total;
    *ret_free = used < total ? total - used : 0;
    return HCS_SIM_OK;
}

bool hcs_sim_runtime_owns(const void *pointer, size_t bytes) {
    uintptr_t p = (uintptr_t)pointer;
    bool owns = false;
    pthread_mutex_lock(&runtime.mutex);
    for (uint32_t i = 0; !owns && i < BUCKETS; i++) {
        for (const struct allocation *a = runtime.buckets[i]; a != NULL; a = a->next) {
            if (p < a->address || p - a->address > a->bytes || bytes > a->bytes - (p - a->address))
                continue;
            owns = true;
            break;
        }
    }
    pthread_mutex_unlock(&runtime.mutex);
    return owns;
}
