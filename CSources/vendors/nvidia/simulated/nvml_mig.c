/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libnvidia-ml.so.1: MIG instances and process lists. A process that was started with CUDA_MPS_PIPE_DIRECTORY
 * is an MPS client: drivers since 12.4 show its memory under its own pid, so it is in the compute list as any other,
 * and in the list of MPS clients besides. The server holds nothing here.
 */
#include "nvml_private.h"

/* A card without instances cannot do MIG, as far as this library is concerned. */
static nvmlReturn_t card_of(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view) {
    nvmlReturn_t result = nvml_reachable(handle, out, view);
    if (result != NVML_SUCCESS)
        return result;
    if (view->mig != NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return view->device->mig_count == 0 ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static nvmlReturn_t instance_of(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view) {
    nvmlReturn_t result = nvml_reachable(handle, out, view);
    return result == NVML_SUCCESS && view->mig == NULL ? NVML_ERROR_INVALID_ARGUMENT : result;
}

API nvmlDeviceGetMigMode(nvmlDevice_t handle, unsigned *current, unsigned *pending) {
    struct hcs_sim_view view;
    nvmlReturn_t result = card_of(handle, current, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (pending == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *current = *pending = view.device->mig_mode != 0;
    return NVML_SUCCESS;
}

API nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t handle, unsigned *count) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, count, &view);
    if (result == NVML_SUCCESS)
        *count = view.mig == NULL && view.device->mig_count != 0 ? HCS_SIM_MIGS : 0;
    return result;
}

API nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t handle, unsigned index, nvmlDevice_t *instance) {
    struct hcs_sim_view view;
    nvmlReturn_t result = card_of(handle, instance, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (index >= HCS_SIM_MIGS)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (index >= nvml_instances(&view))
        return NVML_ERROR_NOT_FOUND;
    *instance = (nvmlDevice_t)(uintptr_t)&view.device->migs[index];
    return NVML_SUCCESS;
}

API nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t instance, nvmlDevice_t *handle) {
    struct hcs_sim_view view;
    nvmlReturn_t result = instance_of(instance, handle, &view);
    if (result == NVML_SUCCESS)
        *handle = (nvmlDevice_t)(uintptr_t)view.device;
    return result;
}

API nvmlDeviceIsMigDeviceHandle(nvmlDevice_t handle, unsigned *is_instance) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, is_instance, &view);
    if (result == NVML_SUCCESS)
        *is_instance = view.mig != NULL;
    return result;
}

API nvmlDeviceGetGpuInstanceId(nvmlDevice_t instance, unsigned *id) {
    struct hcs_sim_view view;
    nvmlReturn_t result = instance_of(instance, id, &view);
    if (result == NVML_SUCCESS)
        *id = view.mig->gpu_instance;
    return result;
}

API nvmlDeviceGetComputeInstanceId(nvmlDevice_t instance, unsigned *id) {
    struct hcs_sim_view view;
    nvmlReturn_t result = instance_of(instance, id, &view);
    if (result == NVML_SUCCESS)
        *id = view.mig->compute_instance;
    return result;
}

API nvmlDeviceGetAttributes_v2(nvmlDevice_t instance, nvmlDeviceAttributes_t *attributes) {
    struct hcs_sim_view view;
    nvmlReturn_t result = instance_of(instance, attributes, &view);
    if (result != NVML_SUCCESS)
        return result;
    *attributes = (nvmlDeviceAttributes_t){.multiprocessorCount = view.mig->slices * 14,
                                           .sharedCopyEngineCount = view.mig->slices,
                                           .gpuInstanceSliceCount = view.mig->slices,
                                           .computeInstanceSliceCount = view.mig->slices,
                                           .memorySizeMB = view.mig->memory >> 20};
    return NVML_SUCCESS;
}

/* Process lists */

static nvmlReturn_t list(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out, uint32_t flags) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view card;
    unsigned found = 0;
    nvmlReturn_t result = nvml_reachable(handle, count, &card);
    if (result != NVML_SUCCESS)
        return result;
    uint32_t parts = card.mig == NULL ? nvml_instances(&card) : 0;
    for (uint32_t part = 0; part == 0 || part < parts; part++) {
        struct hcs_sim_view view = parts == 0 ? card : nvml_instance(&card, part);
        uint32_t held = hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
        for (uint32_t i = 0; i < held && i < HCS_SIM_PROCESSES; i++) {
            if ((holders[i].flags & flags) != flags)
                continue;
            if (out != NULL && found < *count)
                out[found] = (nvmlProcessInfo_t){holders[i].pid, holders[i].charged,
                                                 view.mig != NULL ? view.mig->gpu_instance : UINT32_MAX,
                                                 view.mig != NULL ? view.mig->compute_instance : UINT32_MAX};
            found++;
        }
    }
    unsigned capacity = *count;
    *count = found;
    if (found > capacity)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    return found > 0 && out == NULL ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

API nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out) {
    return list(handle, count, out, 0);
}

API nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out) {
    return list(handle, count, out, HCS_SIM_PROCESS_MPS);
}

API nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out) {
    struct hcs_sim_view view;
    (void)out;
    nvmlReturn_t result = nvml_reachable(handle, count, &view);
    if (result == NVML_SUCCESS)
        *count = 0;
    return result;
}

API nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out) {
    return list(handle, count, out, 0);
}

API nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_t *out) {
    return nvmlDeviceGetGraphicsRunningProcesses_v3(handle, count, out);
}

/* The names without suffix keep the records of the first version. */
API nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_v1_t *out) {
    static _Thread_local nvmlProcessInfo_t entries[HCS_SIM_PROCESSES];
    if (count != NULL && *count > HCS_SIM_PROCESSES)
        *count = HCS_SIM_PROCESSES;
    nvmlReturn_t result = list(handle, count, out == NULL ? NULL : entries, 0);
    for (unsigned i = 0; result == NVML_SUCCESS && i < *count; i++)
        out[i] = (nvmlProcessInfo_v1_t){entries[i].pid, entries[i].usedGpuMemory};
    return result;
}

API nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t handle, unsigned *count, nvmlProcessInfo_v1_t *out) {
    return nvmlDeviceGetGraphicsRunningProcesses_v3(handle, count, (nvmlProcessInfo_t *)(void *)out);
}
