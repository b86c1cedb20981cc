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

/* aclrtPhysicalMemProp */
enum { HCS_ACL_LOCATION_HOST = 0, HCS_ACL_LOCATION_DEVICE = 1 };
struct hcs_acl_physical {
    uint32_t handle_type;
    uint32_t allocation_type;
    uint32_t memory; /* enum hcs_acl_memory, or a newer attribute */
    uint32_t id;
    uint32_t location; /* HCS_ACL_LOCATION_DEVICE */
    uint64_t reserve;
};
/* rtDrvMemProp_t of the runtime below */
enum { HCS_RT_SIDE_HOST = 0, HCS_RT_SIDE_DEVICE = 1 };
struct hcs_rt_physical {
    uint32_t side; /* HCS_RT_SIDE_DEVICE */
    uint32_t device;
    uint32_t module;
    uint32_t page_type;
    uint32_t memory_type;
    uint64_t reserve;
};
#define HCS_ACL_DEVICE_TOTAL_MEMORY 301u /* aclrtDevAttr ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE, bytes */

_Static_assert(sizeof(struct hcs_acl_physical) == 32, "aclrtPhysicalMemProp");

int aclInit(const char *configuration_path);
int aclFinalize(void);
int aclrtGetDeviceCount(uint32_t *count);
int aclrtSetDevice(int32_t ordinal);
int aclrtGetDevice(int32_t *ordinal);
int aclrtResetDevice(int32_t ordinal);
int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocAlign32(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocCached(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocWithCfg(void **pointer, size_t bytes, uint32_t policy, void *configuration);
int aclrtMallocForTaskScheduler(void **pointer, size_t bytes, uint32_t policy, void *configuration);
int aclrtMemAllocManaged(void **pointer, uint64_t bytes, uint32_t flags);
int aclrtFree(void *pointer);
int aclrtFreeWithDevSync(void *pointer);
int aclrtMallocPhysical(void **handle, size_t bytes, const struct hcs_acl_physical *properties, uint64_t flags);
int aclrtFreePhysical(void *handle);
int aclrtMapMem(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags);
int aclrtUnmapMem(void *address);
int aclrtMemRetainAllocationHandle(void *address, void **handle);
int aclrtMemImportFromShareableHandle(uint64_t shareable, int32_t device, void **handle);
int aclrtMemPoolMallocAsync(void **pointer, size_t bytes, void *pool, void *stream);
int aclrtMemPoolFreeAsync(void *pointer, void *stream);
int aclrtGetDeviceInfo(uint32_t device, uint32_t attribute, int64_t *value);
int aclrtGetMemInfo(uint32_t memory, size_t *free_bytes, size_t *total_bytes);
const char *aclrtGetSocName(void);

/* Newer CANN: libascendcl's names are a façade over libacl_rt_impl's, with the same arguments. */
int aclrtMallocImpl(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocAlign32Impl(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocCachedImpl(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocWithCfgImpl(void **pointer, size_t bytes, uint32_t policy, void *configuration);
int aclrtMallocForTaskSchedulerImpl(void **pointer, size_t bytes, uint32_t policy, void *configuration);
int aclrtMemAllocManagedImpl(void **pointer, uint64_t bytes, uint32_t flags);
int aclrtFreeImpl(void *pointer);
int aclrtFreeWithDevSyncImpl(void *pointer);
int aclrtMallocPhysicalImpl(void **handle, size_t bytes, const struct hcs_acl_physical *properties, uint64_t flags);
int aclrtFreePhysicalImpl(void *handle);
int aclrtMapMemImpl(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags);
int aclrtUnmapMemImpl(void *address);
int aclrtMemRetainAllocationHandleImpl(void *address, void **handle);
int aclrtMemImportFromShareableHandleImpl(uint64_t shareable, int32_t device, void **handle);
int aclrtMemPoolMallocAsyncImpl(void **pointer, size_t bytes, void *pool, void *stream);
int aclrtMemPoolFreeAsyncImpl(void *pointer, void *stream);
int aclrtGetMemInfoImpl(uint32_t memory, size_t *free_bytes, size_t *total_bytes);
int aclrtGetDeviceInfoImpl(uint32_t device, uint32_t attribute, int64_t *value);
int aclrtGetDeviceImpl(int32_t *ordinal);

/* libruntime.so, the layer below; it returns the same numbers. Older releases have rtMalloc without the module: the
 * fourth register is then not read. */
int rtMalloc(void **pointer, uint64_t bytes, uint32_t type, uint16_t module);
int rtMallocCached(void **pointer, uint64_t bytes, uint32_t type, uint16_t module);
int rtMemAllocManaged(void **pointer, uint64_t bytes, uint32_t flags, uint16_t module);
int rtMallocPhysical(void **handle, size_t bytes, struct hcs_rt_physical *properties, uint64_t flags);
int rtFree(void *pointer);
int rtFreeWithDevSync(void *pointer);
int rtFreePhysical(void *handle);
int rtMapMem(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags);
int rtUnmapMem(void *address);
int rtMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int rtMemGetInfoEx(uint32_t memory, size_t *free_bytes, size_t *total_bytes); /* enum hcs_acl_memory */
int rtGetDevice(int32_t *ordinal);

/* libdcmi.so: only what is answered with the quota, the head of each structure, in MB; the rest is in dcmi_abi.h. */
#define HCS_DCMI_NOT_SUPPORTED (-8255)
struct hcs_dcmi_hbm {
    uint64_t size;
    uint32_t megahertz;
    uint64_t usage;
};
struct hcs_dcmi_memory {
    uint64_t size;
    uint64_t available;
};
int dcmi_get_device_hbm_info(int card, int device, struct hcs_dcmi_hbm *info);
int dcmi_get_hbm_info(int card, int device, struct hcs_dcmi_hbm *info); /* older name */
int dcmiv2_get_device_hbm_info(int device, struct hcs_dcmi_hbm *info);
int dcmi_get_device_memory_info_v3(int card, int device, struct hcs_dcmi_memory *info);
int dcmi_get_device_logic_id(int *logic, int card, int device);

#endif
