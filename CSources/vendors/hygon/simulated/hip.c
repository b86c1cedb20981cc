/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated HIP: devices, copies, errors and entry points.
 */
#include "hip_private.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { hipMemcpyHostToHost, hipMemcpyHostToDevice, hipMemcpyDeviceToHost, hipMemcpyDeviceToDevice };

static _Thread_local hipError_t last;

static void digits_of(const struct hcs_sim_device *device, char out[17]) {
    for (int i = 0; i < 8; i++)
        snprintf(out + 2 * i, 3, "%02x", device->uuid[i]);
}

static void uuid_of(const struct hcs_sim_view *view, char *out, size_t size) {
    char digits[17];
    digits_of(view->device, digits);
    snprintf(out, size, "GPU-%s", digits);
}

hipError_t hip_translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return hipSuccess;
    case HCS_SIM_OUT_OF_MEMORY:
        return hipErrorOutOfMemory;
    case HCS_SIM_INVALID:
        return hipErrorInvalidValue;
    case HCS_SIM_LOST:
        return hipErrorUnknown;
    default:
        return hipErrorNoDevice;
    }
}

hipError_t hip_note(hipError_t result) {
    if (result != hipSuccess)
        last = result;
    return result;
}

hipError_t hip_ready(void) {
    const char *variable = getenv("HIP_VISIBLE_DEVICES") != NULL ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES";
    return hip_translate(hcs_sim_runtime_init(HCS_VENDOR_HYGON, variable, uuid_of));
}

hipError_t hip_device_at(int ordinal, const void *out, struct hcs_sim_view *view) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (out == NULL)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hcs_sim_runtime_device(ordinal, view) ? hipSuccess : hipErrorInvalidDevice);
}

API hipInit(unsigned flags) {
    return hip_note(flags != 0 ? hipErrorInvalidValue : hip_ready());
}

API hipRuntimeGetVersion(int *version) {
    if (version == NULL)
        return hip_note(hipErrorInvalidValue);
    *version = HIP_MAJOR >= 6 ? 60200000 : 50700000;
    return hipSuccess;
}

API hipDriverGetVersion(int *version) {
    return hipRuntimeGetVersion(version);
}

API hipGetDeviceCount(int *count) {
    if (count == NULL)
        return hip_note(hipErrorInvalidValue);
    *count = 0;
    hipError_t result = hip_ready();
    if (result == hipSuccess)
        *count = (int)hcs_sim_runtime_count();
    return hip_note(result);
}

API hipSetDevice(int device) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    enum hcs_sim_result outcome = hcs_sim_runtime_select(device);
    return hip_note(outcome == HCS_SIM_INVALID ? hipErrorInvalidDevice : hip_translate(outcome));
}

API hipGetDevice(int *device) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (device == NULL)
        return hip_note(hipErrorInvalidValue);
    *device = hcs_sim_runtime_current();
    return hipSuccess;
}

API hipDeviceGet(int *device, int ordinal) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(ordinal, device, &view);
    if (result == hipSuccess)
        *device = ordinal;
    return result;
}

API hipDeviceGetName(char *name, int length, int device) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, name, &view);
    if (result == hipSuccess)
        hcs_sim_name(view.device, name, length > 0 ? (size_t)length : 0);
    return result;
}

/* hipUUID is 16 bytes; the runtime fills it with the unique id's hexadecimal digits, not with raw bytes. */
API hipDeviceGetUuid(void *uuid, int device) {
    struct hcs_sim_view view;
    char digits[17];
    hipError_t result = hip_device_at(device, uuid, &view);
    if (result != hipSuccess)
        return result;
    digits_of(view.device, digits);
    memcpy(uuid, digits, 16);
    return hipSuccess;
}

API hipDeviceGetPCIBusId(char *text, int length, int device) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, text, &view);
    if (result != hipSuccess)
        return result;
    const struct hcs_sim_device *d = view.device;
    int n = snprintf(text, length > 0 ? (size_t)length : 0, "%04x:%02x:%02x.%x", d->pci_domain, d->pci_bus,
                     d->pci_device, d->pci_function);
    return n < length ? hipSuccess : hip_note(hipErrorInvalidValue);
}

API hipDeviceTotalMem(size_t *bytes, int device) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, bytes, &view);
    if (result == hipSuccess)
        *bytes = view.device->memory;
    return result;
}

static hipError_t synchronise(void) {
    hipError_t result = hip_ready();
    if (result == hipSuccess)
        hcs_sim_pool_synchronise();
    return hip_note(result);
}

API hipDeviceSynchronize(void) {
    return synchronise();
}

API hipStreamSynchronize(void *stream) {
    (void)stream;
    return synchronise();
}

API hipStreamCreate(void **stream) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (stream == NULL)
        return hip_note(hipErrorInvalidValue);
    *stream = malloc(1);
    return hip_note(*stream != NULL ? hipSuccess : hipErrorOutOfMemory);
}

API hipStreamDestroy(void *stream) {
    free(stream);
    return hipSuccess;
}

/* Pools go as well, and their handles with them. */
API hipDeviceReset(void) {
    hipError_t result = hip_ready();
    if (result == hipSuccess) {
        hcs_sim_release_all(hcs_sim_runtime_current(), HCS_SIM_POINTERS | HCS_SIM_ARRAY | HCS_SIM_MIPMAP);
        hcs_sim_pools_end(hcs_sim_runtime_current());
    }
    return hip_note(result);
}

/* hipDeviceProp_t: the memory's size follows the name until 5.7; from 6.0 a UUID and a LUID lie between. */

static hipError_t describe(char *properties, int device, size_t memory_at) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, properties, &view);
    if (result != hipSuccess)
        return result;
    memset(properties, 0, 512);
    hcs_sim_name(view.device, properties, 256);
    memcpy(properties + memory_at, &view.device->memory, sizeof view.device->memory);
    return hipSuccess;
}

API hipGetDeviceProperties(void *properties, int device) {
    return describe(properties, device, 256);
}

#if HIP_MAJOR >= 6
API hipGetDevicePropertiesR0600(void *properties, int device) {
    hipError_t result = describe(properties, device, 288);
    if (result == hipSuccess)
        hipDeviceGetUuid((char *)properties + 256, device);
    return result;
}

/* Asks the dynamic linker for its own symbols, as the real one does. */
API hipGetProcAddress(const char *name, void **function, int version, uint64_t flags, int *status) {
    Dl_info self;
    (void)version;
    if (name == NULL || function == NULL || flags > 2)
        return hip_note(hipErrorInvalidValue);
    void *handle = dladdr((void *)hip_ready, &self) != 0 ? dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    *function = handle != NULL ? dlsym(handle, name) : NULL;
    if (handle != NULL)
        dlclose(handle);
    if (status != NULL)
        *status = *function == NULL;
    return hip_note(*function != NULL ? hipSuccess : hipErrorNotFound);
}
#endif

static hipError_t touches(const void *pointer, size_t bytes) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    return hip_note(hcs_sim_owns(pointer, bytes) ? hipSuccess : hipErrorInvalidValue);
}

API hipMemset(void *pointer, int value, size_t bytes) {
    (void)value;
    return touches(pointer, bytes);
}

API hipMemcpy(void *to, const void *from, size_t bytes, int kind) {
    hipError_t result = hipSuccess;
    if (kind == hipMemcpyHostToDevice || kind == hipMemcpyDeviceToDevice)
        result = touches(to, bytes);
    if (result == hipSuccess && (kind == hipMemcpyDeviceToHost || kind == hipMemcpyDeviceToDevice)) {
        result = touches(from, bytes);
    }
    if (result == hipSuccess && kind == hipMemcpyDeviceToHost && to != NULL)
        memset(to, 0, bytes);
    return kind < hipMemcpyHostToHost || kind > hipMemcpyDeviceToDevice ? hip_note(hipErrorInvalidValue) : result;
}

API hipPeekAtLastError(void) {
    return last;
}

/* hipPointer_attribute 2: what kind of memory it is, 2 = a device's. */
API hipPointerGetAttribute(void *value, int attribute, void *pointer) {
    struct hcs_sim_block block;
    hipError_t result = hip_ready();
    if (result == hipSuccess &&
        (value == NULL || attribute != 2 || !hcs_sim_block_of(HCS_SIM_POINTERS | HCS_SIM_SHARED, pointer, &block)))
        result = hipErrorInvalidValue;
    if (result == hipSuccess)
        *(unsigned *)value = 2;
    return hip_note(result);
}

API hipGetLastError(void) {
    hipError_t result = last;
    last = hipSuccess;
    return result;
}

#define ERRORS(X)                                                                                                      \
    X(hipSuccess, "no error")                                                                                          \
    X(hipErrorInvalidValue, "invalid argument")                                                                        \
    X(hipErrorOutOfMemory, "out of memory")                                                                            \
    X(hipErrorNoDevice, "no ROCm-capable device is detected")                                                          \
    X(hipErrorInvalidDevice, "invalid device ordinal")                                                                 \
    X(hipErrorInvalidHandle, "invalid resource handle")                                                                \
    X(hipErrorNotFound, "named symbol not found")

HCS_SIM_EXPORT const char *hipGetErrorString(hipError_t error) {
    switch (error) {
#define X(code, text)                                                                                                  \
    case code:                                                                                                         \
        return text;
        ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

HCS_SIM_EXPORT const char *hipGetErrorName(hipError_t error) {
    switch (error) {
#define X(code, text)                                                                                                  \
    case code:                                                                                                         \
        return #code;
        ERRORS(X)
#undef X
    default:
        return "hipErrorUnknown";
    }
}
