/* SPDX-License-Identifier: Apache-2.0 */
#define FAKE_BASE UINT64_C(0x720000000000)
#include "fake_memory.h"

#include <string.h>

#include "hip_abi.h"

#define DEVICE host_index("HIP_VISIBLE_DEVICES", current_ordinal)

int hipSetDevice(int ordinal) {
    current_ordinal = ordinal;
    return HCS_HIP_SUCCESS;
}

int hipGetDevice(int *ordinal) {
    *ordinal = current_ordinal;
    return HCS_HIP_SUCCESS;
}

int hipDeviceGetUuid(struct hcs_hip_uuid *uuid, int device) {
    memcpy(uuid->bytes, "00000000deadbee0", 16);
    uuid->bytes[15] = (char)('0' + host_index("HIP_VISIBLE_DEVICES", device));
    return HCS_HIP_SUCCESS;
}

int hipMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    if (!pointer)
        return HCS_HIP_INVALID_VALUE;
    if (bytes != 0 && fake_allocate(DEVICE, bytes, &address))
        return HCS_HIP_OUT_OF_MEMORY;
    *pointer = (void *)(uintptr_t)address;
    return HCS_HIP_SUCCESS;
}

int hipFree(void *pointer) {
    return pointer && fake_free((uintptr_t)pointer) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS;
}

int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_HIP_SUCCESS;
}
