/* SPDX-License-Identifier: Apache-2.0
 * With -DOLD_CNRT: CNRT 4, which has cnrtGetMemInfo (MiB), not cnrtMemGetInfo, and numbers its errors otherwise. */
#define FAKE_BASE UINT64_C(0x730000000000)
#include "fake_memory.h"

#include "cnrt_abi.h"

#define DEVICE host_index("MLU_VISIBLE_DEVICES", current_ordinal)

#ifdef OLD_CNRT
#define INVALID HCS_CNRT4_INVALID
#define NO_MEMORY HCS_CNRT4_NO_MEMORY
#else
#define INVALID HCS_CNRT_ARGS_INVALID
#define NO_MEMORY HCS_CNRT_NO_MEMORY
#endif

int cnrtSetDevice(int ordinal) {
    current_ordinal = ordinal;
    return HCS_CNRT_SUCCESS;
}

int cnrtGetDevice(int *ordinal) {
    *ordinal = current_ordinal;
    return HCS_CNRT_SUCCESS;
}

int cnrtMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    if (!pointer || bytes == 0)
        return INVALID;
    if (fake_allocate(DEVICE, bytes, &address))
        return NO_MEMORY;
    *pointer = (void *)(uintptr_t)address;
    return HCS_CNRT_SUCCESS;
}

int cnrtFree(void *pointer) { return fake_free((uintptr_t)pointer) ? INVALID : HCS_CNRT_SUCCESS; }

#ifdef OLD_CNRT
int cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel) {
    (void)channel;
    fake_info(DEVICE, free_mib, total_mib);
    *free_mib >>= 20;
    *total_mib >>= 20;
    return HCS_CNRT_SUCCESS;
}
#else
int cnrtMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_CNRT_SUCCESS;
}
#endif
