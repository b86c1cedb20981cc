/* SPDX-License-Identifier: Apache-2.0 */
#define FAKE_BASE UINT64_C(0x710000000000)
#include "fake_memory.h"

#include "acl_abi.h"

#define DEVICE host_index("ASCEND_RT_VISIBLE_DEVICES", current_ordinal)

int aclrtSetDevice(int32_t ordinal) {
    current_ordinal = ordinal;
    return HCS_ACL_SUCCESS;
}

int aclrtGetDevice(int32_t *ordinal) {
    *ordinal = current_ordinal;
    return HCS_ACL_SUCCESS;
}

int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy) {
    uint64_t address = 0;
    if (!pointer || bytes == 0 || policy > HCS_ACL_NORMAL_ONLY)
        return HCS_ACL_RT_PARAM_INVALID;
    if (fake_allocate(DEVICE, bytes, &address))
        return HCS_ACL_RT_MEMORY_ALLOCATION;
    *pointer = (void *)(uintptr_t)address;
    return HCS_ACL_SUCCESS;
}

int aclrtFree(void *pointer) { return fake_free((uintptr_t)pointer) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS; }

int aclrtGetMemInfo(uint32_t memory, size_t *free_bytes, size_t *total_bytes) {
    (void)memory;
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_ACL_SUCCESS;
}
