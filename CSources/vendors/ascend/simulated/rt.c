/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libruntime.so: devices and memory of CANN's runtime, which AscendCL stands on in every generation. Its
 * codes are those that AscendCL passes on. Signatures: mem.h and rt_error_codes.h of the open runtime. Truth keeps the
 * bytes that were asked for; the real library adds 32 to some.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define API HCS_SIM_EXPORT rtError_t

typedef int32_t rtError_t;
enum {
    RT_OK = 0,
    RT_PARAM_INVALID = 107000,
    RT_INVALID_DEVICEID = 107001,
    RT_CONTEXT_NULL = 107002,
    RT_MEMORY_ALLOCATION = 207001,
    RT_NO_DEVICE = 207004,
    RT_LOST_HEARTBEAT = 507010,
};

/* rtDrvMemProp_t, 32 bytes. */
struct rt_physical_properties {
    uint32_t side; /* 0 host, 1 device */
    uint32_t device;
    uint32_t module, page_type, memory_type;
    uint64_t reserved;
};
_Static_assert(sizeof(struct rt_physical_properties) == 32, "rtDrvMemProp_t");

static _Thread_local bool selected;

static rtError_t translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return RT_OK;
    case HCS_SIM_OUT_OF_MEMORY:
        return RT_MEMORY_ALLOCATION;
    case HCS_SIM_INVALID:
        return RT_PARAM_INVALID;
    case HCS_SIM_LOST:
        return RT_LOST_HEARTBEAT;
    default:
        return RT_NO_DEVICE;
    }
}

static rtError_t ready(void) {
    return translate(hcs_sim_runtime_init(HCS_VENDOR_ASCEND, "ASCEND_RT_VISIBLE_DEVICES", NULL));
}

static rtError_t on_device(void) {
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    return selected ? RT_OK : RT_CONTEXT_NULL;
}

/* Devices */

API rtGetDeviceCount(int32_t *count) {
    if (count == NULL)
        return RT_PARAM_INVALID;
    *count = 0;
    rtError_t result = ready();
    if (result == RT_OK)
        *count = (int32_t)hcs_sim_runtime_count();
    return result;
}

API rtSetDevice(int32_t device) {
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    enum hcs_sim_result outcome = hcs_sim_runtime_select(device);
    if (outcome == HCS_SIM_INVALID)
        return RT_INVALID_DEVICEID;
    selected = selected || outcome == HCS_SIM_OK;
    return translate(outcome);
}

API rtGetDevice(int32_t *device) {
    rtError_t result = on_device();
    if (result != RT_OK)
        return result;
    if (device == NULL)
        return RT_PARAM_INVALID;
    *device = hcs_sim_runtime_current();
    return RT_OK;
}

API rtDeviceReset(int32_t device) {
    struct hcs_sim_view view;
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    if (!hcs_sim_runtime_device(device, &view))
        return RT_INVALID_DEVICEID;
    if (device == hcs_sim_runtime_current())
        selected = false;
    return RT_OK;
}

API rtDeviceSynchronize(void) {
    return on_device();
}

/* "Ascend910B3" */
API rtGetSocVersion(char *text, uint32_t capacity) {
    struct hcs_sim_view view;
    char name[sizeof view.device->name];
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    if (text == NULL || capacity == 0 || !hcs_sim_runtime_device(0, &view))
        return RT_PARAM_INVALID;
    hcs_sim_name(view.device, name, sizeof name);
    const char *chip = strncasecmp(name, "ascend", 6) == 0 ? name + 6 : name;
    snprintf(text, capacity, "Ascend%s", chip + strspn(chip, " -"));
    return RT_OK;
}

/* AscendCL's aclFinalize ends here; no real function has this name. */
HCS_SIM_EXPORT void hcs_sim_runtime_end(void) {
    hcs_sim_runtime_reset();
}

/* Memory */

static rtError_t allocate(enum hcs_sim_kind kind, void **pointer, uint64_t bytes) {
    hcs_sim_count_call();
    if (pointer == NULL || bytes == 0)
        return RT_PARAM_INVALID;
    rtError_t result = on_device();
    return result == RT_OK ? translate(hcs_sim_allocate(kind, HCS_SIM_CURRENT, bytes, pointer)) : result;
}

API rtMalloc(void **pointer, uint64_t bytes, uint32_t type, uint16_t module) {
    (void)type, (void)module;
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}
API rtMallocCached(void **pointer, uint64_t bytes, uint32_t type, uint16_t module) {
    (void)type, (void)module;
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}
API rtMemAlloc(void **pointer, uint64_t bytes, uint32_t policy, uint32_t advise, void *config) {
    (void)policy, (void)advise, (void)config;
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}
API rtDvppMalloc(void **pointer, uint64_t bytes, uint16_t module) {
    (void)module;
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}
API rtDvppMallocWithFlag(void **pointer, uint64_t bytes, uint32_t flag, uint16_t module) {
    (void)flag, (void)module;
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}
API rtMemAllocManaged(void **pointer, uint64_t bytes, uint32_t flag, uint16_t module) {
    (void)flag, (void)module;
    return allocate(HCS_SIM_MANAGED, pointer, bytes);
}

static rtError_t release(void *pointer) {
    hcs_sim_count_call();
    if (pointer == NULL)
        return RT_PARAM_INVALID;
    rtError_t result = ready();
    return result == RT_OK ? translate(hcs_sim_release(HCS_SIM_POINTERS, pointer)) : result;
}

API rtFree(void *pointer) {
    return release(pointer);
}
API rtFreeWithDevSync(void *pointer) {
    return release(pointer);
}
API rtDvppFree(void *pointer) {
    return release(pointer);
}
API rtMemFreeManaged(void *pointer) {
    return release(pointer);
}

API rtMallocHost(void **pointer, uint64_t bytes, uint16_t module) {
    (void)module;
    if (pointer == NULL || bytes == 0)
        return RT_PARAM_INVALID;
    *pointer = malloc(bytes);
    return *pointer != NULL ? RT_OK : RT_MEMORY_ALLOCATION;
}

API rtFreeHost(void *pointer) {
    free(pointer);
    return RT_OK;
}

/* Types 0..17 as in aclrtMemAttr: 0, 2, 3, 6 and 7 are the host's memory, which has 8 GiB of 16 left. */
API rtMemGetInfoEx(uint32_t type, size_t *free_bytes, size_t *total) {
    if (free_bytes == NULL || total == NULL || type > 17)
        return RT_PARAM_INVALID;
    rtError_t result = on_device();
    if (result != RT_OK)
        return result;
    if (type == 0 || type == 2 || type == 3 || type == 6 || type == 7) {
        *free_bytes = (size_t)8 << 30;
        *total = (size_t)16 << 30;
        return RT_OK;
    }
    return translate(hcs_sim_runtime_memory(HCS_SIM_CURRENT, free_bytes, total));
}

API rtMemGetInfo(size_t *free_bytes, size_t *total) {
    return rtMemGetInfoEx(1, free_bytes, total);
}

API rtMemset(void *pointer, uint64_t capacity, uint32_t value, uint64_t bytes) {
    (void)value;
    rtError_t result = on_device();
    if (result != RT_OK)
        return result;
    return bytes <= capacity && hcs_sim_owns(pointer, bytes) ? RT_OK : RT_PARAM_INVALID;
}

/* Virtual memory */

API rtReserveMemAddress(void **pointer, size_t bytes, size_t alignment, void *hint, uint64_t flags) {
    (void)alignment;
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    if (pointer == NULL || bytes == 0 || flags > 1)
        return RT_PARAM_INVALID;
    return translate(hcs_sim_address_reserve(bytes, hint, pointer));
}

API rtReleaseMemAddress(void *pointer) {
    rtError_t result = ready();
    return result == RT_OK ? translate(hcs_sim_address_free(pointer, 0)) : result;
}

API rtMallocPhysical(void **handle, size_t bytes, const struct rt_physical_properties *properties, uint64_t flags) {
    struct hcs_sim_physical *physical = NULL;
    hcs_sim_count_call();
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    if (handle == NULL || bytes == 0 || properties == NULL || properties->side > 1 || flags != 0)
        return RT_PARAM_INVALID;
    enum hcs_sim_location location = properties->side == 1 ? HCS_SIM_ON_DEVICE : HCS_SIM_ON_HOST;
    result = translate(hcs_sim_physical_create(location, (int)properties->device, bytes, &physical));
    if (result == RT_OK)
        *handle = physical;
    return result;
}

API rtFreePhysical(void *handle) {
    hcs_sim_count_call();
    rtError_t result = ready();
    return result == RT_OK ? translate(hcs_sim_physical_release(handle)) : result;
}

API rtMapMem(void *pointer, size_t bytes, size_t offset, void *handle, uint64_t flags) {
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    return flags != 0 ? RT_PARAM_INVALID : translate(hcs_sim_map(pointer, bytes, offset, handle));
}

API rtUnmapMem(void *pointer) {
    rtError_t result = ready();
    return result == RT_OK ? translate(hcs_sim_unmap(pointer, 0)) : result;
}

API rtMemExportToShareableHandle(void *handle, uint32_t type, uint64_t flags, uint64_t *shareable) {
    int fd = -1;
    (void)type;
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    if (shareable == NULL || flags > 1)
        return RT_PARAM_INVALID;
    result = translate(hcs_sim_physical_export(handle, &fd));
    if (result == RT_OK)
        *shareable = (uint64_t)fd;
    return result;
}

API rtMemImportFromShareableHandle(uint64_t shareable, int32_t device, void **handle) {
    struct hcs_sim_physical *physical = NULL;
    (void)device;
    hcs_sim_count_call();
    rtError_t result = ready();
    if (result != RT_OK)
        return result;
    result = handle == NULL ? RT_PARAM_INVALID : translate(hcs_sim_physical_import((int)shareable, &physical));
    if (result == RT_OK)
        *handle = physical;
    return result;
}
