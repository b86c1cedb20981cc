/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libnvidia-ml.so.1: events. Each growth of a device's `event-count` is one Xid with the code `event`, for
 * every set that the device was registered with before.
 */
#include "nvml_private.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct nvmlEventSet_st {
    unsigned count;
    struct {
        nvmlDevice_t device;
        uint64_t seen;
    } members[HCS_SIM_DEVICES];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

API nvmlEventSetCreate(nvmlEventSet_t *set) {
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (set == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *set = calloc(1, sizeof **set);
    return *set == NULL ? NVML_ERROR_MEMORY : NVML_SUCCESS;
}

API nvmlEventSetFree(nvmlEventSet_t set) {
    nvmlReturn_t result = nvml_enter();
    if (result == NVML_SUCCESS)
        free(set);
    return result;
}

API nvmlDeviceGetSupportedEventTypes(nvmlDevice_t handle, uint64_t *types) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, types, &view);
    if (result == NVML_SUCCESS)
        *types = nvml_figure(&view, HCS_SIM_FIGURE_EVENT_COUNT) == HCS_SIM_UNSET ? 0 : NVML_EVENT_XID;
    return result;
}

API nvmlDeviceRegisterEvents(nvmlDevice_t handle, uint64_t types, nvmlEventSet_t set) {
    struct hcs_sim_view view;
    uint64_t supported;
    nvmlReturn_t result = nvml_card(handle, set, &view);
    if (result == NVML_SUCCESS)
        result = nvmlDeviceGetSupportedEventTypes(handle, &supported);
    if (result != NVML_SUCCESS)
        return result;
    if ((types & ~supported) != 0)
        return NVML_ERROR_NOT_SUPPORTED;
    pthread_mutex_lock(&mutex);
    if (types != 0 && set->count < HCS_SIM_DEVICES) {
        set->members[set->count].device = handle;
        set->members[set->count].seen = nvml_figure(&view, HCS_SIM_FIGURE_EVENT_COUNT);
        set->count++;
    }
    pthread_mutex_unlock(&mutex);
    return NVML_SUCCESS;
}

static bool take(nvmlEventSet_t set, nvmlDevice_t *device, uint64_t *code) {
    struct hcs_sim_host *host = hcs_sim_attach();
    bool found = false;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; !found && host != NULL && i < set->count; i++) {
        size_t position = (size_t)((const struct hcs_sim_device *)(const void *)set->members[i].device - host->devices);
        if (hcs_sim_figure(host, (uint32_t)position, HCS_SIM_FIGURE_EVENT_COUNT) <= set->members[i].seen)
            continue;
        set->members[i].seen++;
        *device = set->members[i].device;
        *code = hcs_sim_figure(host, (uint32_t)position, HCS_SIM_FIGURE_EVENT);
        found = true;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

static nvmlReturn_t wait_for(nvmlEventSet_t set, nvmlEventData_t *event, unsigned milliseconds) {
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (set == NULL || event == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned waited = 0;; waited += 10) {
        if (take(set, &event->device, &event->eventData)) {
            event->eventType = NVML_EVENT_XID;
            return NVML_SUCCESS;
        }
        if (waited >= milliseconds)
            return NVML_ERROR_TIMEOUT;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}

API nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *event, unsigned milliseconds) {
    nvmlReturn_t result = wait_for(set, event, milliseconds);
    if (result == NVML_SUCCESS)
        event->gpuInstanceId = event->computeInstanceId = NVML_NO_INSTANCE;
    return result;
}

/* The first version's record ends before the instances. */
API nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *event, unsigned milliseconds) {
    return wait_for(set, event, milliseconds);
}
