/* SPDX-License-Identifier: Apache-2.0
 *
 * What AscendCL exports here, in both generations. Before CANN 9 a body has the public name (libascendcl.so); from then
 * on it has the name with Impl (libacl_rt_impl.so), and libacl_rt.so calls it.
 */
#ifndef ACL_FUNCTIONS_H
#define ACL_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

typedef int aclError;

/* X(name, parameters, arguments) */
#define ACL_FUNCTIONS(X)                                                                                               \
    X(aclInit, (const char *config), (config))                                                                         \
    X(aclFinalize, (void), ())                                                                                         \
    X(aclrtGetDeviceCount, (uint32_t *count), (count))                                                                 \
    X(aclrtSetDevice, (int32_t device), (device))                                                                      \
    X(aclrtGetDevice, (int32_t *device), (device))                                                                     \
    X(aclrtResetDevice, (int32_t device), (device))                                                                    \
    X(aclrtSynchronizeDevice, (void), ())                                                                              \
    X(aclrtMalloc, (void **pointer, size_t bytes, uint32_t policy), (pointer, bytes, policy))                          \
    X(aclrtMallocAlign32, (void **pointer, size_t bytes, uint32_t policy), (pointer, bytes, policy))                   \
    X(aclrtMallocCached, (void **pointer, size_t bytes, uint32_t policy), (pointer, bytes, policy))                    \
    X(aclrtMallocWithCfg, (void **pointer, size_t bytes, uint32_t policy, void *config),                               \
      (pointer, bytes, policy, config))                                                                                \
    X(aclrtMallocForTaskScheduler, (void **pointer, size_t bytes, uint32_t policy, void *config),                      \
      (pointer, bytes, policy, config))                                                                                \
    X(aclrtMemAllocManaged, (void **pointer, uint64_t bytes, uint32_t flags), (pointer, bytes, flags))                 \
    X(aclrtFree, (void *pointer), (pointer))                                                                           \
    X(aclrtFreeWithDevSync, (void *pointer), (pointer))                                                                \
    X(aclrtMallocHost, (void **pointer, size_t bytes), (pointer, bytes))                                               \
    X(aclrtMallocHostWithCfg, (void **pointer, uint64_t bytes, void *config), (pointer, bytes, config))                \
    X(aclrtFreeHost, (void *pointer), (pointer))                                                                       \
    X(aclrtMallocPhysical, (void **handle, size_t bytes, const void *properties, uint64_t flags),                      \
      (handle, bytes, properties, flags))                                                                              \
    X(aclrtFreePhysical, (void *handle), (handle))                                                                     \
    X(aclrtReserveMemAddress, (void **pointer, size_t bytes, size_t alignment, void *hint, uint64_t flags),            \
      (pointer, bytes, alignment, hint, flags))                                                                        \
    X(aclrtReleaseMemAddress, (void *pointer), (pointer))                                                              \
    X(aclrtMapMem, (void *pointer, size_t bytes, size_t offset, void *handle, uint64_t flags),                         \
      (pointer, bytes, offset, handle, flags))                                                                         \
    X(aclrtUnmapMem, (void *pointer), (pointer))                                                                       \
    X(aclrtMemExportToShareableHandle, (void *handle, uint32_t type, uint64_t flags, uint64_t *shareable),             \
      (handle, type, flags, shareable))                                                                                \
    X(aclrtMemImportFromShareableHandle, (uint64_t shareable, int32_t device, void **handle),                          \
      (shareable, device, handle))                                                                                     \
    X(aclrtGetMemInfo, (uint32_t attribute, size_t *free_bytes, size_t *total), (attribute, free_bytes, total))        \
    X(aclrtMemset, (void *pointer, size_t capacity, int32_t value, size_t bytes), (pointer, capacity, value, bytes))

#endif
