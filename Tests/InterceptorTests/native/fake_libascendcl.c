/* SPDX-License-Identifier: Apache-2.0
 *
 * ACL as newer CANN has it: a façade over *Impl names over rt*, all exported and interposable.
 */
#define FAKE_BASE UINT64_C(0x710000000000)
#include "fake_objects.h"

#include "acl_abi.h"

#define DEVICE host_index("ASCEND_RT_VISIBLE_DEVICES", current_ordinal)
#define HOST_OF(ordinal) host_index("ASCEND_RT_VISIBLE_DEVICES", (int)(ordinal))

int aclrtSetDevice(int32_t ordinal) {
    current_ordinal = ordinal;
    return HCS_ACL_SUCCESS;
}
int rtGetDevice(int32_t *ordinal) {
    *ordinal = current_ordinal;
    return HCS_ACL_SUCCESS;
}
int aclrtGetDeviceImpl(int32_t *ordinal) { return rtGetDevice(ordinal); }
int aclrtGetDevice(int32_t *ordinal) { return aclrtGetDeviceImpl(ordinal); }

int rtMalloc(void **pointer, uint64_t bytes, uint32_t type, uint16_t module) {
    uint64_t address = 0;
    (void)type;
    if (!pointer || bytes == 0 || module > 100)
        return HCS_ACL_RT_PARAM_INVALID;
    if (fake_allocate(DEVICE, bytes, &address))
        return HCS_ACL_RT_MEMORY_ALLOCATION;
    *pointer = (void *)(uintptr_t)address;
    return HCS_ACL_SUCCESS;
}
int rtMallocCached(void **pointer, uint64_t bytes, uint32_t type, uint16_t module) { return rtMalloc(pointer, bytes, type, module); }
int rtMemAllocManaged(void **pointer, uint64_t bytes, uint32_t flags, uint16_t module) { return rtMalloc(pointer, bytes, flags, module); }
int rtFree(void *pointer) { return fake_free((uintptr_t)pointer) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS; }
int rtFreeWithDevSync(void *pointer) { return rtFree(pointer); }
int rtMallocPhysical(void **handle, size_t bytes, struct hcs_rt_physical *properties, uint64_t flags) {
    uint64_t number = 0;
    (void)flags;
    int host = properties->side == HCS_RT_SIDE_DEVICE ? HOST_OF(properties->device) : -1;
    if (fake_create(host, bytes, &number))
        return HCS_ACL_RT_MEMORY_ALLOCATION;
    *handle = (void *)(uintptr_t)number;
    return HCS_ACL_SUCCESS;
}
int rtFreePhysical(void *handle) { return fake_release((uintptr_t)handle) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS; }
int rtMapMem(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags) {
    (void)offset, (void)flags;
    return fake_map((uintptr_t)address, bytes, (uintptr_t)handle) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS;
}
int rtUnmapMem(void *address) { return fake_unmap((uintptr_t)address, 1) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS; }
int rtMemGetInfoEx(uint32_t memory, size_t *free_bytes, size_t *total_bytes) {
    (void)memory;
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_ACL_SUCCESS;
}
int rtMemGetInfo(size_t *free_bytes, size_t *total_bytes) { return rtMemGetInfoEx(1, free_bytes, total_bytes); }

int aclrtMallocImpl(void **pointer, size_t bytes, uint32_t policy) { return policy > HCS_ACL_NORMAL_ONLY ? HCS_ACL_RT_PARAM_INVALID : rtMalloc(pointer, bytes, policy, 0); }
int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy) { return aclrtMallocImpl(pointer, bytes, policy); }
int aclrtMallocAlign32Impl(void **pointer, size_t bytes, uint32_t policy) { return policy > HCS_ACL_NORMAL_ONLY ? HCS_ACL_RT_PARAM_INVALID : rtMalloc(pointer, bytes, policy, 0); }
int aclrtMallocAlign32(void **pointer, size_t bytes, uint32_t policy) { return aclrtMallocAlign32Impl(pointer, bytes, policy); }
int aclrtMallocCachedImpl(void **pointer, size_t bytes, uint32_t policy) { return rtMallocCached(pointer, bytes, policy, 0); }
int aclrtMallocCached(void **pointer, size_t bytes, uint32_t policy) { return aclrtMallocCachedImpl(pointer, bytes, policy); }
int aclrtMallocWithCfgImpl(void **pointer, size_t bytes, uint32_t policy, void *configuration) { (void)configuration; return rtMalloc(pointer, bytes, policy, 0); }
int aclrtMallocWithCfg(void **pointer, size_t bytes, uint32_t policy, void *configuration) { return aclrtMallocWithCfgImpl(pointer, bytes, policy, configuration); }
int aclrtMallocForTaskSchedulerImpl(void **pointer, size_t bytes, uint32_t policy, void *configuration) { (void)configuration; return rtMalloc(pointer, bytes, policy, 0); }
int aclrtMallocForTaskScheduler(void **pointer, size_t bytes, uint32_t policy, void *configuration) { return aclrtMallocForTaskSchedulerImpl(pointer, bytes, policy, configuration); }
int aclrtMemAllocManagedImpl(void **pointer, uint64_t bytes, uint32_t flags) { return rtMemAllocManaged(pointer, bytes, flags, 0); }
int aclrtMemAllocManaged(void **pointer, uint64_t bytes, uint32_t flags) { return aclrtMemAllocManagedImpl(pointer, bytes, flags); }
int aclrtMemPoolMallocAsyncImpl(void **pointer, size_t bytes, void *pool, void *stream) { (void)pool, (void)stream; return rtMalloc(pointer, bytes, 0, 0); }
int aclrtMemPoolMallocAsync(void **pointer, size_t bytes, void *pool, void *stream) { return aclrtMemPoolMallocAsyncImpl(pointer, bytes, pool, stream); }
int aclrtMemPoolFreeAsyncImpl(void *pointer, void *stream) { (void)stream; return rtFree(pointer); }
int aclrtMemPoolFreeAsync(void *pointer, void *stream) { return aclrtMemPoolFreeAsyncImpl(pointer, stream); }
int aclrtFreeImpl(void *pointer) { return rtFree(pointer); }
int aclrtFree(void *pointer) { return aclrtFreeImpl(pointer); }
int aclrtFreeWithDevSyncImpl(void *pointer) { return rtFree(pointer); }
int aclrtFreeWithDevSync(void *pointer) { return aclrtFreeWithDevSyncImpl(pointer); }
int aclrtMallocPhysicalImpl(void **handle, size_t bytes, const struct hcs_acl_physical *properties, uint64_t flags) { struct hcs_rt_physical below = {.side = properties->location, .device = properties->id}; return rtMallocPhysical(handle, bytes, &below, flags); }
int aclrtMallocPhysical(void **handle, size_t bytes, const struct hcs_acl_physical *properties, uint64_t flags) { return aclrtMallocPhysicalImpl(handle, bytes, properties, flags); }
int aclrtFreePhysicalImpl(void *handle) { return rtFreePhysical(handle); }
int aclrtFreePhysical(void *handle) { return aclrtFreePhysicalImpl(handle); }
int aclrtMapMemImpl(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags) { return rtMapMem(address, bytes, offset, handle, flags); }
int aclrtMapMem(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags) { return aclrtMapMemImpl(address, bytes, offset, handle, flags); }
int aclrtUnmapMemImpl(void *address) { return rtUnmapMem(address); }
int aclrtUnmapMem(void *address) { return aclrtUnmapMemImpl(address); }
int aclrtMemRetainAllocationHandleImpl(void *address, void **handle) { return fake_retain((uintptr_t)address, (uint64_t *)handle) ? HCS_ACL_RT_PARAM_INVALID : HCS_ACL_SUCCESS; }
int aclrtMemRetainAllocationHandle(void *address, void **handle) { return aclrtMemRetainAllocationHandleImpl(address, handle); }
int aclrtMemImportFromShareableHandleImpl(uint64_t shareable, int32_t device, void **handle) { (void)shareable, (void)device; *handle = (void *)(uintptr_t)FOREIGN_HANDLE; return HCS_ACL_SUCCESS; }
int aclrtMemImportFromShareableHandle(uint64_t shareable, int32_t device, void **handle) { return aclrtMemImportFromShareableHandleImpl(shareable, device, handle); }
int aclrtGetMemInfoImpl(uint32_t memory, size_t *free_bytes, size_t *total_bytes) { return rtMemGetInfoEx(memory, free_bytes, total_bytes); }
int aclrtGetMemInfo(uint32_t memory, size_t *free_bytes, size_t *total_bytes) { return aclrtGetMemInfoImpl(memory, free_bytes, total_bytes); }
int aclrtGetDeviceInfoImpl(uint32_t device, uint32_t attribute, int64_t *value) { (void)device; *value = attribute == HCS_ACL_DEVICE_TOTAL_MEMORY ? (int64_t)TRUTH_PHYSICAL : 7; return HCS_ACL_SUCCESS; }
int aclrtGetDeviceInfo(uint32_t device, uint32_t attribute, int64_t *value) { return aclrtGetDeviceInfoImpl(device, attribute, value); }
