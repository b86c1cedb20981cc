/* SPDX-License-Identifier: Apache-2.0
 *
 * AscendCL runtime (libascendcl.so, in newer CANN libacl_rt.so): the part HCS calls, hooks or simulates.
 * Source: "AscendCL Application Development Guide (C&C++)", CANN 8.0, sections Runtime Management and aclError, and the
 * public acl_rt.h of the open runtime. aclError is a 4-byte int; aclrtMemMallocPolicy and aclrtMemAttr are 4-byte enums.
 */
#ifndef HCS_ACL_ABI_H
#define HCS_ACL_ABI_H

#include <stddef.h>
#include <stdint.h>

/* aclError */
enum hcs_acl_status {
    HCS_ACL_SUCCESS = 0,
    HCS_ACL_INVALID_PARAM = 100000,
    HCS_ACL_UNINITIALIZE = 100001,
    HCS_ACL_REPEAT_INITIALIZE = 100002,
    HCS_ACL_RT_PARAM_INVALID = 107000, /* never an out-of-memory: torch_npu frees its caches on 207001 only */
    HCS_ACL_RT_INVALID_DEVICEID = 107001,
    HCS_ACL_RT_CONTEXT_NULL = 107002,
    HCS_ACL_BAD_ALLOC = 200000, /* host memory */
    HCS_ACL_RT_FEATURE_NOT_SUPPORT = 207000,
    HCS_ACL_RT_MEMORY_ALLOCATION = 207001, /* device memory */
    HCS_ACL_RT_MEMORY_FREE = 207002,
    HCS_ACL_RT_NO_DEVICE = 207004,
    HCS_ACL_INTERNAL_ERROR = 500000,
    HCS_ACL_RT_INTERNAL_ERROR = 507000,
};

/* aclrtMemMallocPolicy */
enum hcs_acl_policy {
    HCS_ACL_HUGE_FIRST = 0,
    HCS_ACL_HUGE_ONLY = 1,
    HCS_ACL_NORMAL_ONLY = 2,
};

/* aclrtMemAttr: which memory aclrtGetMemInfo is asked about. */
enum hcs_acl_memory {
    HCS_ACL_DDR_MEM = 0,
    HCS_ACL_HBM_MEM = 1,
    HCS_ACL_DDR_MEM_HUGE = 2,
    HCS_ACL_DDR_MEM_NORMAL = 3,
    HCS_ACL_HBM_MEM_HUGE = 4,
    HCS_ACL_HBM_MEM_NORMAL = 5,
    HCS_ACL_DDR_MEM_P2P_HUGE = 6,
    HCS_ACL_DDR_MEM_P2P_NORMAL = 7,
    HCS_ACL_HBM_MEM_P2P_HUGE = 8,
    HCS_ACL_HBM_MEM_P2P_NORMAL = 9,
    HCS_ACL_HBM_MEM_HUGE1G = 10,
    HCS_ACL_HBM_MEM_P2P_HUGE1G = 11,
    HCS_ACL_MEM_NORMAL = 12,
    HCS_ACL_MEM_HUGE = 13,
    HCS_ACL_MEM_HUGE1G = 14,
    HCS_ACL_MEM_P2P_NORMAL = 15,
    HCS_ACL_MEM_P2P_HUGE = 16,
    HCS_ACL_MEM_P2P_HUGE1G = 17,
};

int aclInit(const char *configuration_path);
int aclFinalize(void);
int aclrtGetDeviceCount(uint32_t *count);
int aclrtSetDevice(int32_t ordinal);
int aclrtGetDevice(int32_t *ordinal);
int aclrtResetDevice(int32_t ordinal);
int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy);
int aclrtFree(void *pointer);
int aclrtGetMemInfo(uint32_t memory, size_t *free_bytes, size_t *total_bytes);
const char *aclrtGetSocName(void);

#endif
