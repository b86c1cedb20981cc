/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libnvidia-ml.so.1. Handles are addresses of device descriptions in the state file's mapping. NVML ignores
 * CUDA_VISIBLE_DEVICES.
 */
#include "nvml_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#if NVML_GENERATION == 450
#define DRIVER_VERSION "450.248.02"
#define NVML_VERSION "11." DRIVER_VERSION
#define CUDA_DRIVER_VERSION 11000
#else
#define DRIVER_VERSION "580.65.06"
#define NVML_VERSION "13." DRIVER_VERSION
#define CUDA_DRIVER_VERSION 13000
#endif

static int references;

nvmlReturn_t nvml_enter(void) {
    hcs_sim_gate(HCS_VENDOR_NVIDIA);
    return __atomic_load_n(&references, __ATOMIC_ACQUIRE) > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

/* A handle is the address of a device's description, or of a MIG instance's within it. */
static nvmlReturn_t known(nvmlDevice_t handle, struct hcs_sim_view *view) {
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    for (uint32_t i = 0; i < hcs_sim_count(HCS_VENDOR_NVIDIA); i++) {
        if (!hcs_sim_find(HCS_VENDOR_NVIDIA, i, view))
            continue;
        if ((const void *)view->device == (const void *)handle)
            return NVML_SUCCESS;
        for (uint32_t k = 0; k < nvml_instances(view); k++) {
            struct hcs_sim_view instance = nvml_instance(view, k);
            if ((const void *)instance.mig != (const void *)handle)
                continue;
            *view = instance;
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvml_reachable(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view) {
    nvmlReturn_t result = known(handle, view);
    if (result != NVML_SUCCESS)
        return result;
    if (out == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

/* What belongs to the card only: the library refuses it for an instance. */
nvmlReturn_t nvml_card(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view) {
    nvmlReturn_t result = nvml_reachable(handle, out, view);
    return result == NVML_SUCCESS && view->mig != NULL ? NVML_ERROR_NOT_SUPPORTED : result;
}

static nvmlReturn_t put_text(char *out, unsigned length, const char *text) {
    if (out == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(out, text, strlen(text) + 1);
    return NVML_SUCCESS;
}

static void uuid_of(const struct hcs_sim_view *view, char *out, size_t size) {
    char text[HCS_SIM_UUID_TEXT];
    hcs_sim_uuid_print(view->mig != NULL ? view->mig->uuid : view->device->uuid, text);
    if (NVML_GENERATION == 450 && view->mig != NULL) {
        /* Before driver 470 an instance was named by its card. */
        hcs_sim_uuid_print(view->device->uuid, text);
        snprintf(out, size, "MIG-GPU-%s/%u/%u", text, view->mig->gpu_instance, view->mig->compute_instance);
        return;
    }
    snprintf(out, size, "%s-%s", view->mig != NULL ? "MIG" : "GPU", text);
}

static nvmlDevice_t handle_of(const struct hcs_sim_view *view) {
    return view->mig != NULL ? (nvmlDevice_t)(uintptr_t)view->mig : (nvmlDevice_t)(uintptr_t)view->device;
}

API nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!hcs_sim_driver_present(HCS_VENDOR_NVIDIA))
        return NVML_ERROR_DRIVER_NOT_LOADED;
    __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return NVML_SUCCESS;
}

API nvmlInit_v2(void) {
    return nvmlInitWithFlags(0);
}

API nvmlShutdown(void) {
    nvmlReturn_t result = nvml_enter();
    if (result == NVML_SUCCESS)
        __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return result;
}

HCS_SIM_EXPORT const char *nvmlErrorString(nvmlReturn_t result) {
    switch ((int)result) {
    case NVML_SUCCESS:
        return "Success";
    case NVML_ERROR_UNINITIALIZED:
        return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT:
        return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED:
        return "Not Supported";
    case NVML_ERROR_NOT_FOUND:
        return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE:
        return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED:
        return "Driver Not Loaded";
    case NVML_ERROR_GPU_IS_LOST:
        return "GPU is lost";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
        return "Argument version mismatch";
    default:
        return "Unknown Error";
    }
}

API nvmlSystemGetDriverVersion(char *version, unsigned length) {
    nvmlReturn_t result = nvml_enter();
    return result == NVML_SUCCESS ? put_text(version, length, DRIVER_VERSION) : result;
}

API nvmlSystemGetNVMLVersion(char *version, unsigned length) {
    nvmlReturn_t result = nvml_enter();
    return result == NVML_SUCCESS ? put_text(version, length, NVML_VERSION) : result;
}

API nvmlSystemGetCudaDriverVersion_v2(int *version) {
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (version == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *version = CUDA_DRIVER_VERSION;
    return NVML_SUCCESS;
}

API nvmlSystemGetCudaDriverVersion(int *version) {
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

API nvmlDeviceGetCount_v2(unsigned *count) {
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *count = hcs_sim_count(HCS_VENDOR_NVIDIA);
    return NVML_SUCCESS;
}

API nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *handle) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (handle == NULL || !hcs_sim_find(HCS_VENDOR_NVIDIA, index, &view))
        return NVML_ERROR_INVALID_ARGUMENT;
    *handle = handle_of(&view);
    return hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST) ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *handle) {
    struct hcs_sim_view view;
    char text[NVML_DEVICE_UUID_BUFFER];
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (uuid == NULL || handle == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (uint32_t i = 0; hcs_sim_find(HCS_VENDOR_NVIDIA, i, &view); i++) {
        uuid_of(&view, text, sizeof text);
        if (strcmp(uuid, text) == 0)
            return nvmlDeviceGetHandleByIndex_v2(i, handle);
        for (uint32_t k = 0; k < nvml_instances(&view); k++) {
            struct hcs_sim_view instance = nvml_instance(&view, k);
            uuid_of(&instance, text, sizeof text);
            if (strcmp(uuid, text) != 0)
                continue;
            *handle = handle_of(&instance);
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

API nvmlDeviceGetHandleByPciBusId_v2(const char *text, nvmlDevice_t *handle) {
    struct hcs_sim_view view;
    unsigned domain, bus, device, function = 0;
    nvmlReturn_t result = nvml_enter();
    if (result != NVML_SUCCESS)
        return result;
    if (text == NULL || handle == NULL || sscanf(text, "%x:%x:%x.%x", &domain, &bus, &device, &function) < 3) {
        return NVML_ERROR_INVALID_ARGUMENT;
    }
    for (uint32_t i = 0; hcs_sim_find(HCS_VENDOR_NVIDIA, i, &view); i++) {
        const struct hcs_sim_device *d = view.device;
        if (d->pci_domain == domain && d->pci_bus == bus && d->pci_device == device)
            return nvmlDeviceGetHandleByIndex_v2(i, handle);
    }
    return NVML_ERROR_NOT_FOUND;
}

API nvmlDeviceGetIndex(nvmlDevice_t handle, unsigned *index) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, index, &view);
    if (result == NVML_SUCCESS)
        *index = view.device->index;
    return result;
}

API nvmlDeviceGetMinorNumber(nvmlDevice_t handle, unsigned *minor) {
    return nvmlDeviceGetIndex(handle, minor);
}

API nvmlDeviceGetName(nvmlDevice_t handle, char *name, unsigned length) {
    struct hcs_sim_view view;
    char text[sizeof view.device->name + 24];
    nvmlReturn_t result = nvml_reachable(handle, name, &view);
    if (result != NVML_SUCCESS)
        return result;
    hcs_sim_name(view.device, text, sizeof view.device->name);
    if (view.mig != NULL)
        snprintf(text + strlen(text), 24, " MIG %ug.%ugb", view.mig->slices, (unsigned)(view.mig->memory >> 30));
    return put_text(name, length, text);
}

API nvmlDeviceGetUUID(nvmlDevice_t handle, char *uuid, unsigned length) {
    struct hcs_sim_view view;
    char text[NVML_DEVICE_UUID_BUFFER];
    nvmlReturn_t result = nvml_reachable(handle, uuid, &view);
    if (result != NVML_SUCCESS)
        return result;
    uuid_of(&view, text, sizeof text);
    return put_text(uuid, length, text);
}

API nvmlDeviceGetPciInfo_v3(nvmlDevice_t handle, nvmlPciInfo_t *info) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, info, &view);
    if (result != NVML_SUCCESS)
        return result;
    const struct hcs_sim_device *d = view.device;
    *info = (nvmlPciInfo_t){.domain = d->pci_domain,
                            .bus = d->pci_bus,
                            .device = d->pci_device,
                            .pciDeviceId = d->pci_ids,
                            .pciSubSystemId = d->pci_ids};
    snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "%04X:%02X:%02X.%X", d->pci_domain & 0xffff,
             d->pci_bus & 0xff, d->pci_device & 0x1f, d->pci_function & 7);
    snprintf(info->busId, sizeof info->busId, "%08X:%02X:%02X.%X", d->pci_domain, d->pci_bus & 0xff,
             d->pci_device & 0x1f, d->pci_function & 7);
    return NVML_SUCCESS;
}

static nvmlReturn_t identity(nvmlDevice_t handle, char *out, unsigned length, const char *format, unsigned value) {
    struct hcs_sim_view view;
    char text[NVML_DEVICE_PART_NUMBER_BUFFER];
    nvmlReturn_t result = nvml_card(handle, out, &view);
    if (result != NVML_SUCCESS)
        return result;
    snprintf(text, sizeof text, format, value == 0 ? view.device->pci_bus : value);
    return put_text(out, length, text);
}

API nvmlDeviceGetSerial(nvmlDevice_t handle, char *serial, unsigned length) {
    return identity(handle, serial, length, "16501230%05u", 0);
}

API nvmlDeviceGetBoardPartNumber(nvmlDevice_t handle, char *number, unsigned length) {
    return identity(handle, number, length, "692-2G520-0200-%03u", 500);
}

API nvmlDeviceGetVbiosVersion(nvmlDevice_t handle, char *version, unsigned length) {
    return identity(handle, version, length, "96.00.30.00.%02u", 1);
}

/* What the driver keeps for itself is the card's, not an instance's. */
static uint64_t nvml_reserved(const struct hcs_sim_view *view) {
    uint64_t reserved = view->mig == NULL ? nvml_figure(view, HCS_SIM_FIGURE_MEMORY_RESERVED) : 0;
    return reserved == HCS_SIM_UNSET ? 0 : reserved;
}

API nvmlDeviceGetMemoryInfo(nvmlDevice_t handle, nvmlMemory_t *memory) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, memory, &view);
    if (result != NVML_SUCCESS)
        return result;
    uint64_t total = hcs_sim_memory(&view), used = hcs_sim_used(view.position) + nvml_reserved(&view);
    *memory = (nvmlMemory_t){.total = total, .free = used < total ? total - used : 0, .used = used};
    return NVML_SUCCESS;
}

API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t handle, nvmlMemory_v2_t *memory) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, memory, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (memory->version != NVML_MEMORY_V2)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    uint64_t total = hcs_sim_memory(&view), used = hcs_sim_used(view.position);
    uint64_t reserved = nvml_reserved(&view);
    memory->total = total;
    memory->reserved = reserved;
    memory->free = used + reserved < total ? total - used - reserved : 0;
    memory->used = used;
    return NVML_SUCCESS;
}
