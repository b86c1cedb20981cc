/* SPDX-License-Identifier: Apache-2.0
 * With -DOLD_CNRT: CNRT 4, which has cnrtGetMemInfo (MiB), not cnrtMemGetInfo, knows devices by handles, and numbers its
 * errors otherwise.
 * Else: a runtime that goes through the driver's exported names. */
#include "cnrt_abi.h"

#ifdef OLD_CNRT
#define FAKE_BASE UINT64_C(0x730000000000)
#include "fake_memory.h"
#define DEVICE host_index("MLU_VISIBLE_DEVICES", current_ordinal)
#else
void fake_cn_set_device(int ordinal);
#endif

#ifdef OLD_CNRT
#define INVALID HCS_CNRT4_INVALID
#define NO_MEMORY HCS_CNRT4_NO_MEMORY
#else
#define INVALID HCS_CNRT_ARGS_INVALID
#define NO_MEMORY HCS_CNRT_NO_MEMORY
#endif

#ifdef OLD_CNRT
/* A handle is no ordinal. */
#define FIRST_HANDLE UINT64_C(0x7f1100)
int cnrtGetDeviceHandle(uint64_t *device, int ordinal) {
    *device = FIRST_HANDLE + (uint64_t)ordinal * 64;
    return ordinal < TRUTH_DEVICES ? HCS_CNRT_SUCCESS : HCS_CNRT4_NO_DEVICE;
}
int cnrtSetCurrentDevice(uint64_t device) {
    current_ordinal = (int)((device - FIRST_HANDLE) / 64);
    return HCS_CNRT_SUCCESS;
}
int cnrtGetCurrentDevice(uint64_t *device) { return cnrtGetDeviceHandle(device, current_ordinal); }
#else
int cnrtSetDevice(int ordinal) {
    fake_cn_set_device(ordinal);
    return HCS_CNRT_SUCCESS;
}
int cnrtGetDevice(int *ordinal) { return cnCtxGetDevice(ordinal); }
#endif

#ifdef OLD_CNRT
int cnrtMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    if (!pointer || bytes == 0)
        return INVALID;
    if (fake_allocate(DEVICE, bytes, &address))
        return NO_MEMORY;
    *pointer = (void *)(uintptr_t)address;
    return HCS_CNRT_SUCCESS;
}
int cnrtMallocFrameBuffer(void **pointer, size_t bytes) { return cnrtMalloc(pointer, bytes); }
int cnrtFree(void *pointer) { return fake_free((uintptr_t)pointer) ? INVALID : HCS_CNRT_SUCCESS; }
#else
int cnrtMalloc(void **pointer, size_t bytes) {
    if (!pointer || bytes == 0)
        return INVALID;
    return cnMalloc((uint64_t *)pointer, bytes) ? NO_MEMORY : HCS_CNRT_SUCCESS;
}
int cnrtMallocConstant(void **pointer, size_t bytes) { return cnMallocConstant((uint64_t *)pointer, bytes) ? NO_MEMORY : HCS_CNRT_SUCCESS; }
int cnrtMallocAsync(void **pointer, size_t bytes, void *queue) {
    return cnMemAllocAsync((uint64_t *)pointer, bytes, queue) ? NO_MEMORY : HCS_CNRT_SUCCESS;
}
int cnrtFree(void *pointer) { return cnFree((uintptr_t)pointer) ? INVALID : HCS_CNRT_SUCCESS; }
int cnrtFreeAsync(void *pointer, void *queue) {
    (void)queue;
    return cnrtFree(pointer);
}
#endif

#ifdef OLD_CNRT
int cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel) {
    (void)channel;
    fake_info(DEVICE, free_mib, total_mib);
    *free_mib >>= 20;
    *total_mib >>= 20;
    return HCS_CNRT_SUCCESS;
}
#else
int cnrtMemGetInfo(size_t *free_bytes, size_t *total_bytes) { return cnMemGetInfo(free_bytes, total_bytes); }
#endif
