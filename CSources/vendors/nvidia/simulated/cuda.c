/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1 (driver API 12.4), by the names that a real one exports. A forked child starts afresh, where
 * the real driver answers 3: tests fork.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DRIVER_VERSION 12040
#define CONTEXTS 16 /* depth of a thread's context stack */

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct context *CUcontext;
enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_SUPPORTED = 801,
};

struct context {
    int ordinal;
};
static struct context contexts[HCS_SIM_DEVICES];
static _Thread_local CUcontext stack[CONTEXTS];
static _Thread_local int depth;
static int initialised;

static void uuid_of(const struct hcs_sim_device *device, char *out, size_t size) {
    char text[HCS_SIM_UUID_TEXT];
    hcs_sim_uuid_text(device, text);
    snprintf(out, size, "GPU-%s", text);
}

static CUresult translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return CUDA_SUCCESS;
    case HCS_SIM_OUT_OF_MEMORY:
        return CUDA_ERROR_OUT_OF_MEMORY;
    case HCS_SIM_INVALID:
        return CUDA_ERROR_INVALID_VALUE;
    case HCS_SIM_LOST:
        return CUDA_ERROR_DEVICE_UNAVAILABLE;
    default:
        return CUDA_ERROR_NO_DEVICE;
    }
}

static CUresult ready(void) {
    if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE))
        return CUDA_ERROR_NOT_INITIALIZED;
    return translate(hcs_sim_runtime_init(HCS_VENDOR_NVIDIA, "CUDA_VISIBLE_DEVICES", uuid_of));
}

static CUresult device_at(CUdevice ordinal, const void *out, struct hcs_sim_view *view) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (out == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    return hcs_sim_runtime_device(ordinal, view) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult in_context(void) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (depth == 0 || stack[depth - 1] == NULL)
        return CUDA_ERROR_INVALID_CONTEXT;
    return translate(hcs_sim_runtime_select(stack[depth - 1]->ordinal));
}

/* Init and devices */

HCS_SIM_EXPORT CUresult cuInit(unsigned flags) {
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    enum hcs_sim_result result = hcs_sim_runtime_init(HCS_VENDOR_NVIDIA, "CUDA_VISIBLE_DEVICES", uuid_of);
    if (result == HCS_SIM_OK)
        __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return translate(result);
}

HCS_SIM_EXPORT CUresult cuDriverGetVersion(int *version) {
    if (version == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuDeviceGetCount(int *count) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (count == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *count = (int)hcs_sim_runtime_count();
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    struct hcs_sim_view view;
    CUresult result = device_at(ordinal, device, &view);
    if (result == CUDA_SUCCESS)
        *device = ordinal;
    return result;
}

HCS_SIM_EXPORT CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, name, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (length <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    hcs_sim_name(view.device, name, (size_t)length);
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuDeviceGetUuid_v2(void *uuid, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, uuid, &view);
    if (result == CUDA_SUCCESS)
        memcpy(uuid, view.device->uuid, sizeof view.device->uuid);
    return result;
}

HCS_SIM_EXPORT CUresult cuDeviceGetUuid(void *uuid, CUdevice device) {
    return cuDeviceGetUuid_v2(uuid, device);
}

HCS_SIM_EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, bytes, &view);
    if (result == CUDA_SUCCESS)
        *bytes = view.device->memory;
    return result;
}

HCS_SIM_EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, value, &view);
    if (result != CUDA_SUCCESS)
        return result;
    switch (attribute) {
    case 16:
        *value = 132;
        break; /* MULTIPROCESSOR_COUNT */
    case 33:
        *value = (int)view.device->pci_bus;
        break; /* PCI_BUS_ID */
    case 34:
        *value = (int)view.device->pci_device;
        break; /* PCI_DEVICE_ID */
    case 50:
        *value = (int)view.device->pci_domain;
        break; /* PCI_DOMAIN_ID */
    case 75:
        *value = 9;
        break; /* COMPUTE_CAPABILITY_MAJOR */
    default:
        *value = 0;
    }
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuDeviceGetPCIBusId(char *text, int length, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, text, &view);
    if (result != CUDA_SUCCESS)
        return result;
    const struct hcs_sim_device *d = view.device;
    int n = snprintf(text, length > 0 ? (size_t)length : 0, "%04x:%02x:%02x.%x", d->pci_domain, d->pci_bus,
                     d->pci_device, d->pci_function);
    return n < length ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Contexts: one per device, which primary and created ones share. */

HCS_SIM_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    struct hcs_sim_view view;
    CUresult result = device_at(device, context, &view);
    if (result != CUDA_SUCCESS)
        return result;
    if (hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST))
        return CUDA_ERROR_DEVICE_UNAVAILABLE;
    contexts[device].ordinal = device;
    *context = &contexts[device];
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    struct hcs_sim_view view;
    return device_at(device, "", &view);
}

HCS_SIM_EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (depth == 0)
        depth = 1;
    stack[depth - 1] = context;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxGetCurrent(CUcontext *context) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *context = depth > 0 ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL || depth == CONTEXTS)
        return CUDA_ERROR_INVALID_CONTEXT;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext *context) {
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    depth--;
    if (context != NULL)
        *context = stack[depth];
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    (void)flags;
    CUresult result = cuDevicePrimaryCtxRetain(context, device);
    return result == CUDA_SUCCESS ? cuCtxPushCurrent_v2(*context) : result;
}

HCS_SIM_EXPORT CUresult cuCtxDestroy_v2(CUcontext context) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (context == NULL)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (depth > 0 && stack[depth - 1] == context)
        depth--;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxGetDevice(CUdevice *device) {
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (device == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *device = stack[depth - 1]->ordinal;
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuCtxSynchronize(void) {
    return in_context();
}

/* Memory */

HCS_SIM_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
    void *address = NULL;
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    result = translate(hcs_sim_runtime_allocate(bytes, &address));
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

HCS_SIM_EXPORT CUresult cuMemAllocManaged(CUdeviceptr *pointer, size_t bytes, unsigned flags) {
    (void)flags;
    CUresult result = cuMemAlloc_v2(pointer, bytes);
    if (result == CUDA_SUCCESS)
        mprotect((void *)(uintptr_t)*pointer, bytes, PROT_READ | PROT_WRITE);
    return result;
}

HCS_SIM_EXPORT CUresult cuMemAllocPitch_v2(CUdeviceptr *pointer, size_t *pitch, size_t width, size_t height,
                                           unsigned element) {
    (void)element;
    if (pitch == NULL || width > SIZE_MAX - 511)
        return CUDA_ERROR_INVALID_VALUE;
    size_t row = (width + 511) / 512 * 512, bytes;
    if (__builtin_mul_overflow(row, height, &bytes))
        return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = cuMemAlloc_v2(pointer, bytes);
    if (result == CUDA_SUCCESS)
        *pitch = row;
    return result;
}

HCS_SIM_EXPORT CUresult cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, void *stream) {
    (void)stream;
    return cuMemAlloc_v2(pointer, bytes);
}

HCS_SIM_EXPORT CUresult cuMemAllocAsync_ptsz(CUdeviceptr *pointer, size_t bytes, void *stream) {
    return cuMemAllocAsync(pointer, bytes, stream);
}

HCS_SIM_EXPORT CUresult cuMemFree_v2(CUdeviceptr pointer) {
    CUresult result = ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == 0)
        return CUDA_SUCCESS;
    return translate(hcs_sim_runtime_free((void *)(uintptr_t)pointer));
}

HCS_SIM_EXPORT CUresult cuMemFreeAsync(CUdeviceptr pointer, void *stream) {
    (void)stream;
    return cuMemFree_v2(pointer);
}

HCS_SIM_EXPORT CUresult cuMemFreeAsync_ptsz(CUdeviceptr pointer, void *stream) {
    return cuMemFreeAsync(pointer, stream);
}

/* Physical memory without an address: charged to the current device's position, whatever `prop` says of location. */
HCS_SIM_EXPORT CUresult cuMemCreate(uint64_t *handle, size_t bytes, const void *prop, uint64_t flags) {
    (void)flags;
    return prop == NULL ? CUDA_ERROR_INVALID_VALUE : cuMemAlloc_v2(handle, bytes);
}

HCS_SIM_EXPORT CUresult cuMemRelease(uint64_t handle) {
    return handle == 0 ? CUDA_ERROR_INVALID_VALUE : cuMemFree_v2(handle);
}

HCS_SIM_EXPORT CUresult cuMemAllocHost_v2(void **pointer, size_t bytes) {
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *pointer = malloc(bytes);
    return *pointer != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

HCS_SIM_EXPORT CUresult cuMemFreeHost(void *pointer) {
    free(pointer);
    return CUDA_SUCCESS;
}

HCS_SIM_EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (free_bytes == NULL || total == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    return translate(hcs_sim_runtime_memory(free_bytes, total));
}

static CUresult touches(CUdeviceptr pointer, size_t bytes) {
    CUresult result = in_context();
    if (result != CUDA_SUCCESS)
        return result;
    return hcs_sim_runtime_owns((void *)(uintptr_t)pointer, bytes) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

HCS_SIM_EXPORT CUresult cuMemsetD8_v2(CUdeviceptr pointer, unsigned char value, size_t bytes) {
    (void)value;
    return touches(pointer, bytes);
}

HCS_SIM_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    return from == NULL ? CUDA_ERROR_INVALID_VALUE : touches(to, bytes);
}

/* Nothing is stored behind a device pointer: what comes back is zeros. */
HCS_SIM_EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    CUresult result = to == NULL ? CUDA_ERROR_INVALID_VALUE : touches(from, bytes);
    if (result == CUDA_SUCCESS)
        memset(to, 0, bytes);
    return result;
}

HCS_SIM_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    CUresult result = touches(to, bytes);
    return result == CUDA_SUCCESS ? touches(from, bytes) : result;
}

/* Errors and lookup */

#define ERRORS(X)                                                                                                      \
    X(CUDA_SUCCESS, "no error")                                                                                        \
    X(CUDA_ERROR_INVALID_VALUE, "invalid argument")                                                                    \
    X(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")                                                                       \
    X(CUDA_ERROR_NOT_INITIALIZED, "initialization error")                                                              \
    X(CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable")                              \
    X(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")                                                      \
    X(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal")                                                             \
    X(CUDA_ERROR_INVALID_CONTEXT, "invalid device context")                                                            \
    X(CUDA_ERROR_NOT_FOUND, "named symbol not found")                                                                  \
    X(CUDA_ERROR_NOT_SUPPORTED, "operation not supported")

static CUresult describe(CUresult error, bool name, const char **text) {
    static const struct {
        CUresult code;
        const char *name, *text;
    } known[] = {
#define X(code, text) {code, #code, text},
        ERRORS(X)
#undef X
    };
    if (text == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *text = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == error)
            *text = name ? known[i].name : known[i].text;
    }
    return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

HCS_SIM_EXPORT CUresult cuGetErrorString(CUresult error, const char **text) {
    return describe(error, false, text);
}
HCS_SIM_EXPORT CUresult cuGetErrorName(CUresult error, const char **text) {
    return describe(error, true, text);
}

HCS_SIM_EXPORT CUresult cuGetExportTable(const void **table, const void *id) {
    (void)id;
    if (table != NULL)
        *table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}

HCS_SIM_EXPORT CUresult cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                                            int *status);
HCS_SIM_EXPORT CUresult cuGetProcAddress(const char *name, void **function, int version, uint64_t flags);

/* Base name, since which CUDA version, the exported function, its per-thread-stream variant. Newest first. */
#define ENTRY_POINTS(X)                                                                                                \
    X(cuInit, 2000, cuInit, cuInit)                                                                                    \
    X(cuDriverGetVersion, 2020, cuDriverGetVersion, cuDriverGetVersion)                                                \
    X(cuDeviceGetCount, 2000, cuDeviceGetCount, cuDeviceGetCount)                                                      \
    X(cuDeviceGet, 2000, cuDeviceGet, cuDeviceGet)                                                                     \
    X(cuDeviceGetName, 2000, cuDeviceGetName, cuDeviceGetName)                                                         \
    X(cuDeviceGetUuid, 11040, cuDeviceGetUuid_v2, cuDeviceGetUuid_v2)                                                  \
    X(cuDeviceGetUuid, 9020, cuDeviceGetUuid, cuDeviceGetUuid)                                                         \
    X(cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2, cuDeviceTotalMem_v2)                                                \
    X(cuDeviceGetAttribute, 2000, cuDeviceGetAttribute, cuDeviceGetAttribute)                                          \
    X(cuDeviceGetPCIBusId, 4010, cuDeviceGetPCIBusId, cuDeviceGetPCIBusId)                                             \
    X(cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain)                              \
    X(cuDevicePrimaryCtxRelease, 11000, cuDevicePrimaryCtxRelease_v2, cuDevicePrimaryCtxRelease_v2)                    \
    X(cuCtxCreate, 3020, cuCtxCreate_v2, cuCtxCreate_v2)                                                               \
    X(cuCtxDestroy, 4000, cuCtxDestroy_v2, cuCtxDestroy_v2)                                                            \
    X(cuCtxSetCurrent, 4000, cuCtxSetCurrent, cuCtxSetCurrent)                                                         \
    X(cuCtxGetCurrent, 4000, cuCtxGetCurrent, cuCtxGetCurrent)                                                         \
    X(cuCtxPushCurrent, 4000, cuCtxPushCurrent_v2, cuCtxPushCurrent_v2)                                                \
    X(cuCtxPopCurrent, 4000, cuCtxPopCurrent_v2, cuCtxPopCurrent_v2)                                                   \
    X(cuCtxGetDevice, 2000, cuCtxGetDevice, cuCtxGetDevice)                                                            \
    X(cuCtxSynchronize, 2000, cuCtxSynchronize, cuCtxSynchronize)                                                      \
    X(cuMemAlloc, 3020, cuMemAlloc_v2, cuMemAlloc_v2)                                                                  \
    X(cuMemAllocManaged, 6000, cuMemAllocManaged, cuMemAllocManaged)                                                   \
    X(cuMemAllocPitch, 3020, cuMemAllocPitch_v2, cuMemAllocPitch_v2)                                                   \
    X(cuMemAllocAsync, 11020, cuMemAllocAsync, cuMemAllocAsync_ptsz)                                                   \
    X(cuMemFree, 3020, cuMemFree_v2, cuMemFree_v2)                                                                     \
    X(cuMemFreeAsync, 11020, cuMemFreeAsync, cuMemFreeAsync_ptsz)                                                      \
    X(cuMemCreate, 10020, cuMemCreate, cuMemCreate)                                                                    \
    X(cuMemRelease, 10020, cuMemRelease, cuMemRelease)                                                                 \
    X(cuMemAllocHost, 3020, cuMemAllocHost_v2, cuMemAllocHost_v2)                                                      \
    X(cuMemFreeHost, 2000, cuMemFreeHost, cuMemFreeHost)                                                               \
    X(cuMemGetInfo, 3020, cuMemGetInfo_v2, cuMemGetInfo_v2)                                                            \
    X(cuMemsetD8, 3020, cuMemsetD8_v2, cuMemsetD8_v2)                                                                  \
    X(cuMemcpyHtoD, 3020, cuMemcpyHtoD_v2, cuMemcpyHtoD_v2)                                                            \
    X(cuMemcpyDtoH, 3020, cuMemcpyDtoH_v2, cuMemcpyDtoH_v2)                                                            \
    X(cuMemcpyDtoD, 3020, cuMemcpyDtoD_v2, cuMemcpyDtoD_v2)                                                            \
    X(cuGetErrorString, 6000, cuGetErrorString, cuGetErrorString)                                                      \
    X(cuGetErrorName, 6000, cuGetErrorName, cuGetErrorName)                                                            \
    X(cuGetExportTable, 3000, cuGetExportTable, cuGetExportTable)                                                      \
    X(cuGetProcAddress, 12000, cuGetProcAddress_v2, cuGetProcAddress_v2)                                               \
    X(cuGetProcAddress, 11030, cuGetProcAddress, cuGetProcAddress)

CUresult cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    static const struct {
        const char *name;
        int since;
        void *function, *per_thread;
    } entries[] = {
#define X(name, since, function, per_thread) {#name, since, (void *)function, (void *)per_thread},
        ENTRY_POINTS(X)
#undef X
    };
    int found = 1; /* 0 found, 1 no such symbol, 2 version too low */
    if (name == NULL || function == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *function = NULL;
    for (size_t i = 0; found != 0 && i < sizeof entries / sizeof *entries; i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        found = version >= entries[i].since ? 0 : 2;
        if (found == 0)
            *function = (flags & 2) != 0 ? entries[i].per_thread : entries[i].function;
    }
    if (status != NULL)
        *status = found;
    return found == 0 ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
