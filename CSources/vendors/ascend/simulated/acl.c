/* SPDX-License-Identifier: Apache-2.0
 *
 * AscendCL's bodies, which call the runtime library through its exported names. Built twice: as libascendcl.so, and
 * with ACL_IMPL as libacl_rt_impl.so of CANN 9.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "acl_functions.h"

#include <string.h>

#ifdef ACL_IMPL
#define NAME(name) name##Impl
#else
#define NAME(name) name
#endif
#define API HCS_SIM_EXPORT aclError

#define X(name, parameters, arguments) aclError NAME(name) parameters;
ACL_FUNCTIONS(X)
#undef X
const char *NAME(aclrtGetSocName)(void);

enum {
    ACL_SUCCESS = 0,
    ACL_ERROR_INVALID_PARAM = 100000,
    ACL_ERROR_UNINITIALIZE = 100001,
    ACL_ERROR_REPEAT_INITIALIZE = 100002,
    ACL_ERROR_BAD_ALLOC = 200000,
};

/* aclrtPhysicalMemProp and rtDrvMemProp_t, 32 bytes each. */
struct acl_physical_properties {
    uint32_t handle_type, allocation_type, attribute, device, location; /* 0 host, 1 device */
    uint64_t reserved;
};
struct rt_physical_properties {
    uint32_t side, device, module, page_type, memory_type;
    uint64_t reserved;
};
_Static_assert(sizeof(struct acl_physical_properties) == 32 && sizeof(struct rt_physical_properties) == 32, "layout");

#define MODULE 33 /* of AscendCL */

int rtGetDeviceCount(int32_t *);
int rtSetDevice(int32_t);
int rtGetDevice(int32_t *);
int rtDeviceReset(int32_t);
int rtDeviceSynchronize(void);
int rtGetSocVersion(char *, uint32_t);
int rtMalloc(void **, uint64_t, uint32_t, uint16_t);
int rtMallocCached(void **, uint64_t, uint32_t, uint16_t);
int rtMemAllocManaged(void **, uint64_t, uint32_t, uint16_t);
int rtMallocHost(void **, uint64_t, uint16_t);
int rtFree(void *);
int rtFreeWithDevSync(void *);
int rtFreeHost(void *);
int rtMallocPhysical(void **, size_t, const struct rt_physical_properties *, uint64_t);
int rtFreePhysical(void *);
int rtReserveMemAddress(void **, size_t, size_t, void *, uint64_t);
int rtReleaseMemAddress(void *);
int rtMapMem(void *, size_t, size_t, void *, uint64_t);
int rtUnmapMem(void *);
int rtMemExportToShareableHandle(void *, uint32_t, uint64_t, uint64_t *);
int rtMemImportFromShareableHandle(uint64_t, int32_t, void **);
int rtMemGetInfoEx(uint32_t, size_t *, size_t *);
int rtMemset(void *, uint64_t, uint32_t, uint64_t);
void hcs_sim_runtime_end(void);

static int initialised;

API NAME(aclInit)(const char *config) {
    (void)config;
    return __atomic_exchange_n(&initialised, 1, __ATOMIC_ACQ_REL) ? ACL_ERROR_REPEAT_INITIALIZE : ACL_SUCCESS;
}

API NAME(aclFinalize)(void) {
    if (!__atomic_exchange_n(&initialised, 0, __ATOMIC_ACQ_REL))
        return ACL_ERROR_UNINITIALIZE;
    hcs_sim_runtime_end();
    return ACL_SUCCESS;
}

API NAME(aclrtGetDeviceCount)(uint32_t *count) {
    int32_t found = 0;
    if (count == NULL)
        return ACL_ERROR_INVALID_PARAM;
    aclError result = rtGetDeviceCount(&found);
    *count = (uint32_t)found;
    return result;
}

API NAME(aclrtSetDevice)(int32_t device) {
    return rtSetDevice(device);
}

API NAME(aclrtGetDevice)(int32_t *device) {
    return device == NULL ? ACL_ERROR_INVALID_PARAM : rtGetDevice(device);
}

API NAME(aclrtResetDevice)(int32_t device) {
    return rtDeviceReset(device);
}

API NAME(aclrtSynchronizeDevice)(void) {
    return rtDeviceSynchronize();
}

/* NULL where no device answers. */
HCS_SIM_EXPORT const char *NAME(aclrtGetSocName)(void) {
    static char soc[128];
    return rtGetSocVersion(soc, sizeof soc) == ACL_SUCCESS ? soc : NULL;
}

/* Memory */

static aclError allocate(int (*how)(void **, uint64_t, uint32_t, uint16_t), void **pointer, size_t bytes,
                         uint32_t policy) {
    hcs_sim_count_call();
    return pointer == NULL || bytes == 0 ? ACL_ERROR_INVALID_PARAM : how(pointer, bytes, policy, MODULE);
}

API NAME(aclrtMalloc)(void **pointer, size_t bytes, uint32_t policy) {
    return allocate(rtMalloc, pointer, bytes, policy);
}
API NAME(aclrtMallocAlign32)(void **pointer, size_t bytes, uint32_t policy) {
    return allocate(rtMalloc, pointer, bytes, policy);
}
API NAME(aclrtMallocCached)(void **pointer, size_t bytes, uint32_t policy) {
    return allocate(rtMallocCached, pointer, bytes, policy);
}
API NAME(aclrtMemAllocManaged)(void **pointer, uint64_t bytes, uint32_t flags) {
    return allocate(rtMemAllocManaged, pointer, bytes, flags);
}

/* These two go through another public function. */
API NAME(aclrtMallocWithCfg)(void **pointer, size_t bytes, uint32_t policy, void *config) {
    (void)config;
    hcs_sim_count_call();
    return NAME(aclrtMalloc)(pointer, bytes, policy);
}
API NAME(aclrtMallocForTaskScheduler)(void **pointer, size_t bytes, uint32_t policy, void *config) {
    hcs_sim_count_call();
    return NAME(aclrtMallocWithCfg)(pointer, bytes, policy, config);
}

API NAME(aclrtFree)(void *pointer) {
    hcs_sim_count_call();
    return pointer == NULL ? ACL_ERROR_INVALID_PARAM : rtFree(pointer);
}
API NAME(aclrtFreeWithDevSync)(void *pointer) {
    hcs_sim_count_call();
    return pointer == NULL ? ACL_ERROR_INVALID_PARAM : rtFreeWithDevSync(pointer);
}

API NAME(aclrtMallocHost)(void **pointer, size_t bytes) {
    if (pointer == NULL || bytes == 0)
        return ACL_ERROR_INVALID_PARAM;
    return rtMallocHost(pointer, bytes, MODULE) == ACL_SUCCESS ? ACL_SUCCESS : ACL_ERROR_BAD_ALLOC;
}
API NAME(aclrtMallocHostWithCfg)(void **pointer, uint64_t bytes, void *config) {
    (void)config;
    return NAME(aclrtMallocHost)(pointer, bytes);
}
API NAME(aclrtFreeHost)(void *pointer) {
    return rtFreeHost(pointer);
}

API NAME(aclrtGetMemInfo)(uint32_t attribute, size_t *free_bytes, size_t *total) {
    if (free_bytes == NULL || total == NULL || attribute > 17)
        return ACL_ERROR_INVALID_PARAM;
    return rtMemGetInfoEx(attribute, free_bytes, total);
}

API NAME(aclrtMemset)(void *pointer, size_t capacity, int32_t value, size_t bytes) {
    return rtMemset(pointer, capacity, (uint32_t)value, bytes);
}

/* Virtual memory */

API NAME(aclrtMallocPhysical)(void **handle, size_t bytes, const void *description, uint64_t flags) {
    const struct acl_physical_properties *wanted = description;
    hcs_sim_count_call();
    if (handle == NULL || bytes == 0 || wanted == NULL || wanted->location > 1)
        return ACL_ERROR_INVALID_PARAM;
    struct rt_physical_properties properties = {.side = wanted->location, .device = wanted->device, .module = MODULE};
    return rtMallocPhysical(handle, bytes, &properties, flags);
}
API NAME(aclrtFreePhysical)(void *handle) {
    hcs_sim_count_call();
    return rtFreePhysical(handle);
}
API NAME(aclrtReserveMemAddress)(void **pointer, size_t bytes, size_t alignment, void *hint, uint64_t flags) {
    return rtReserveMemAddress(pointer, bytes, alignment, hint, flags);
}
API NAME(aclrtReleaseMemAddress)(void *pointer) {
    return rtReleaseMemAddress(pointer);
}
API NAME(aclrtMapMem)(void *pointer, size_t bytes, size_t offset, void *handle, uint64_t flags) {
    return rtMapMem(pointer, bytes, offset, handle, flags);
}
API NAME(aclrtUnmapMem)(void *pointer) {
    return rtUnmapMem(pointer);
}
API NAME(aclrtMemExportToShareableHandle)(void *handle, uint32_t type, uint64_t flags, uint64_t *shareable) {
    return rtMemExportToShareableHandle(handle, type, flags, shareable);
}
API NAME(aclrtMemImportFromShareableHandle)(uint64_t shareable, int32_t device, void **handle) {
    return rtMemImportFromShareableHandle(shareable, device, handle);
}
