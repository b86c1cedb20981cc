/* SPDX-License-Identifier: Apache-2.0
 *
 * libcuda.so.1 of the benchmark: as little driver as there can be, so that what is measured is the preload library. Every
 * allocation gets a new address; nothing is kept. The functions below the first five are there for preload libraries
 * that ask more of a driver than ours does.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static __thread uint64_t next;
static uint64_t threads;

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    if (!pointer || bytes == 0)
        return 1;
    if (next == 0)
        next = UINT64_C(0x100000000000) + (__atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED) << 38);
    *pointer = next += 512;
    return 0;
}
int cuMemFree_v2(uint64_t pointer) { return pointer == 0; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    *free_bytes = *total_bytes = (size_t)64 << 30;
    return 0;
}
int cuCtxGetDevice(int *device) {
    *device = 0;
    return 0;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    memset(uuid, 0, 16);
    uuid[0] = 0xAB;
    uuid[15] = (unsigned char)device;
    return 0;
}

int cuInit(unsigned flags) { return flags != 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
int cuDriverGetVersion(int *version) {
    *version = 12040;
    return 0;
}
int cuDeviceGetCount(int *count) {
    *count = 1;
    return 0;
}
int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal != 0;
}
int cuDeviceGetName(char *name, int capacity, int device) {
    (void)device;
    strncpy(name, "benchmark", (size_t)capacity);
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)64 << 30;
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)attribute, (void)device;
    *value = 1;
    return 0;
}
static int context;
int cuDevicePrimaryCtxRetain(void **ret_context, int device) {
    (void)device;
    *ret_context = &context;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return device != 0; }
int cuCtxCreate_v2(void **ret_context, unsigned flags, int device) {
    (void)flags;
    return cuDevicePrimaryCtxRetain(ret_context, device);
}
int cuCtxSetCurrent(void *ignored) { return ignored == NULL; }
int cuCtxGetCurrent(void **ret_context) { return cuDevicePrimaryCtxRetain(ret_context, 0); }
