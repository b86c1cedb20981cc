/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libgalaxyhip.so.5 of Hygon's DTK. Its symbols carry no version nodes. HIP_VISIBLE_DEVICES rules; without it
 * HIP reads CUDA_VISIBLE_DEVICES.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int hipError_t;
enum {
    hipSuccess = 0,
    hipErrorInvalidValue = 1,
    hipErrorOutOfMemory = 2,
    hipErrorNoDevice = 100,
    hipErrorInvalidDevice = 101,
    hipErrorUnknown = 999,
};
enum { hipMemcpyHostToHost, hipMemcpyHostToDevice, hipMemcpyDeviceToHost, hipMemcpyDeviceToDevice };

static _Thread_local hipError_t last;

static void digits_of(const struct hcs_sim_device *device, char out[17]) {
    for (int i = 0; i < 8; i++)
        snprintf(out + 2 * i, 3, "%02x", device->uuid[i]);
}

static void uuid_of(const struct hcs_sim_device *device, char *out, size_t size) {
    char digits[17];
    digits_of(device, digits);
    snprintf(out, size, "GPU-%s", digits);
}

static hipError_t translate(enum hcs_sim_result result) {
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

static hipError_t note(hipError_t result) {
    if (result != hipSuccess)
        last = result;
    return result;
}

static hipError_t ready(void) {
    const char *variable = getenv("HIP_VISIBLE_DEVICES") != NULL ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES";
    return translate(hcs_sim_runtime_init(HCS_VENDOR_HYGON, variable, uuid_of));
}

static hipError_t device_at(int ordinal, const void *out, struct hcs_sim_view *view) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result);
    if (out == NULL)
        return note(hipErrorInvalidValue);
    return note(hcs_sim_runtime_device(ordinal, view) ? hipSuccess : hipErrorInvalidDevice);
}

HCS_SIM_EXPORT hipError_t hipInit(unsigned flags) {
    return note(flags != 0 ? hipErrorInvalidValue : ready());
}

HCS_SIM_EXPORT hipError_t hipRuntimeGetVersion(int *version) {
    if (version == NULL)
        return note(hipErrorInvalidValue);
    *version = 50700000;
    return hipSuccess;
}

HCS_SIM_EXPORT hipError_t hipDriverGetVersion(int *version) {
    return hipRuntimeGetVersion(version);
}

HCS_SIM_EXPORT hipError_t hipGetDeviceCount(int *count) {
    if (count == NULL)
        return note(hipErrorInvalidValue);
    *count = 0;
    hipError_t result = ready();
    if (result == hipSuccess)
        *count = (int)hcs_sim_runtime_count();
    return note(result);
}

HCS_SIM_EXPORT hipError_t hipSetDevice(int device) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result);
    enum hcs_sim_result outcome = hcs_sim_runtime_select(device);
    return note(outcome == HCS_SIM_INVALID ? hipErrorInvalidDevice : translate(outcome));
}

HCS_SIM_EXPORT hipError_t hipGetDevice(int *device) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result);
    if (device == NULL)
        return note(hipErrorInvalidValue);
    *device = hcs_sim_runtime_current();
    return hipSuccess;
}

HCS_SIM_EXPORT hipError_t hipDeviceGet(int *device, int ordinal) {
    struct hcs_sim_view view;
    hipError_t result = device_at(ordinal, device, &view);
    if (result == hipSuccess)
        *device = ordinal;
    return result;
}

HCS_SIM_EXPORT hipError_t hipDeviceGetName(char *name, int length, int device) {
    struct hcs_sim_view view;
    hipError_t result = device_at(device, name, &view);
    if (result == hipSuccess)
        hcs_sim_name(view.device, name, length > 0 ? (size_t)length : 0);
    return result;
}

/* hipUUID is 16 bytes; the runtime fills it with the unique id's hexadecimal digits, not with raw bytes. */
HCS_SIM_EXPORT hipError_t hipDeviceGetUuid(void *uuid, int device) {
    struct hcs_sim_view view;
    char digits[17];
    hipError_t result = device_at(device, uuid, &view);
    if (result != hipSuccess)
        return result;
    digits_of(view.device, digits);
    memcpy(uuid, digits, 16);
    return hipSuccess;
}

HCS_SIM_EXPORT hipError_t hipDeviceGetPCIBusId(char *text, int length, int device) {
    struct hcs_sim_view view;
    hipError_t result = device_at(device, text, &view);
    if (result != hipSuccess)
        return result;
    const struct hcs_sim_device *d = view.device;
    int n = snprintf(text, length > 0 ? (size_t)length : 0, "%04x:%02x:%02x.%x", d->pci_domain, d->pci_bus,
                     d->pci_device, d->pci_function);
    return n < length ? hipSuccess : note(hipErrorInvalidValue);
}

HCS_SIM_EXPORT hipError_t hipDeviceTotalMem(size_t *bytes, int device) {
    struct hcs_sim_view view;
    hipError_t result = device_at(device, bytes, &view);
    if (result == hipSuccess)
        *bytes = view.device->memory;
    return result;
}

HCS_SIM_EXPORT hipError_t hipDeviceSynchronize(void) {
    return note(ready());
}

/* Without a device the real hipMalloc answers 101, hipGetDeviceCount 100 (libamdhip64-5 of Debian). */
HCS_SIM_EXPORT hipError_t hipMalloc(void **pointer, size_t bytes) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result == hipErrorNoDevice ? hipErrorInvalidDevice : result);
    if (pointer == NULL)
        return note(hipErrorInvalidValue);
    if (bytes == 0) {
        *pointer = NULL;
        return hipSuccess;
    }
    return note(translate(hcs_sim_runtime_allocate(bytes, pointer)));
}

HCS_SIM_EXPORT hipError_t hipExtMallocWithFlags(void **pointer, size_t bytes, unsigned flags) {
    (void)flags;
    return hipMalloc(pointer, bytes);
}

HCS_SIM_EXPORT hipError_t hipMallocAsync(void **pointer, size_t bytes, void *stream) {
    (void)stream;
    return hipMalloc(pointer, bytes);
}

HCS_SIM_EXPORT hipError_t hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    size_t row, bytes;
    if (pitch == NULL || __builtin_add_overflow(width, 127, &row))
        return note(hipErrorInvalidValue);
    row = row / 128 * 128;
    if (__builtin_mul_overflow(row, height, &bytes))
        return note(hipErrorOutOfMemory);
    hipError_t result = hipMalloc(pointer, bytes);
    if (result == hipSuccess)
        *pitch = row;
    return result;
}

HCS_SIM_EXPORT hipError_t hipFree(void *pointer) {
    hipError_t result = ready();
    if (result != hipSuccess || pointer == NULL)
        return note(result);
    return note(translate(hcs_sim_runtime_free(pointer)));
}

HCS_SIM_EXPORT hipError_t hipFreeAsync(void *pointer, void *stream) {
    (void)stream;
    return hipFree(pointer);
}

HCS_SIM_EXPORT hipError_t hipMemGetInfo(size_t *free_bytes, size_t *total) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result);
    if (free_bytes == NULL || total == NULL)
        return note(hipErrorInvalidValue);
    return note(translate(hcs_sim_runtime_memory(free_bytes, total)));
}

static hipError_t touches(const void *pointer, size_t bytes) {
    hipError_t result = ready();
    if (result != hipSuccess)
        return note(result);
    return note(hcs_sim_runtime_owns(pointer, bytes) ? hipSuccess : hipErrorInvalidValue);
}

HCS_SIM_EXPORT hipError_t hipMemset(void *pointer, int value, size_t bytes) {
    (void)value;
    return touches(pointer, bytes);
}

HCS_SIM_EXPORT hipError_t hipMemcpy(void *to, const void *from, size_t bytes, int kind) {
    hipError_t result = hipSuccess;
    if (kind == hipMemcpyHostToDevice || kind == hipMemcpyDeviceToDevice)
        result = touches(to, bytes);
    if (result == hipSuccess && (kind == hipMemcpyDeviceToHost || kind == hipMemcpyDeviceToDevice)) {
        result = touches(from, bytes);
    }
    if (result == hipSuccess && kind == hipMemcpyDeviceToHost && to != NULL)
        memset(to, 0, bytes);
    return kind < hipMemcpyHostToHost || kind > hipMemcpyDeviceToDevice ? note(hipErrorInvalidValue) : result;
}

HCS_SIM_EXPORT hipError_t hipGetLastError(void) {
    hipError_t result = last;
    last = hipSuccess;
    return result;
}

#define ERRORS(X)                                                                                                      \
    X(hipSuccess, "no error")                                                                                          \
    X(hipErrorInvalidValue, "invalid argument")                                                                        \
    X(hipErrorOutOfMemory, "out of memory")                                                                            \
    X(hipErrorNoDevice, "no ROCm-capable device is detected")                                                          \
    X(hipErrorInvalidDevice, "invalid device ordinal")

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
