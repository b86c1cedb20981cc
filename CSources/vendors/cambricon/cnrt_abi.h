/* SPDX-License-Identifier: Apache-2.0
 *
 * Cambricon CNRT (libcnrt.so): the part HCS calls, hooks or simulates.
 * Source: "Cambricon Runtime Library (CNRT) Developer Guide", versions 6.x, and 4.10 for the old numbering.
 * cnrtRet_t is a 4-byte enum. CNRT 5 changed the error numbers and replaced cnrtGetMemInfo (MiB, by channel) with
 * cnrtMemGetInfo (bytes): a library that has the first and lacks the second numbers its errors the old way.
 */
#ifndef HCS_CNRT_ABI_H
#define HCS_CNRT_ABI_H

#include <stddef.h>
#include <stdint.h>

/* cnrtRet_t */
enum hcs_cnrt_status {
    HCS_CNRT_SUCCESS = 0,
    HCS_CNRT_NO_DEVICE = 100004,
    HCS_CNRT_DEVICE_INVALID = 100005,
    HCS_CNRT_ARGS_INVALID = 100006,
    HCS_CNRT_SYSTEM = 100007,
    HCS_CNRT_NOT_SUPPORT = 100050,
    HCS_CNRT_NO_MEMORY = 100100,
    HCS_CNRT_NOT_FOUND = 100301,
    HCS_CNRT4_INVALID = 632007,
    HCS_CNRT4_NO_MEMORY = 632008,
    HCS_CNRT4_NO_DEVICE = 632009,
};

int cnrtGetDeviceCount(unsigned *count);
int cnrtSetDevice(int ordinal);
int cnrtGetDevice(int *ordinal);
/* CNRT 4 and older: cnrtDev_t is a 64-bit integer of unknown meaning, compared only. */
int cnrtGetDeviceHandle(uint64_t *device, int ordinal);
int cnrtSetCurrentDevice(uint64_t device);
int cnrtGetCurrentDevice(uint64_t *device);
int cnrtMalloc(void **pointer, size_t bytes);
int cnrtMallocConstant(void **pointer, size_t bytes);
int cnrtMallocAsync(void **pointer, size_t bytes, void *queue); /* newest releases only */
int cnrtMallocFrameBuffer(void **pointer, size_t bytes); /* CNRT 4 and older */
int cnrtFree(void *pointer);
int cnrtFreeAsync(void *pointer, void *queue);
int cnrtMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel); /* CNRT 4 and older */

/* libcndrv.so, the driver API below ("Cambricon Driver API Developer Guide", CNDrv 2.15): CNresult is a 4-byte enum,
 * CNaddr a 64-bit integer, CNdev an int that counts what MLU_VISIBLE_DEVICES leaves. */
enum hcs_cn_status {
    HCS_CN_SUCCESS = 0,
    HCS_CN_NOT_INITIALIZED = 100002,
    HCS_CN_INVALID_VALUE = 100006,
    HCS_CN_NOT_SUPPORTED = 100050,
    HCS_CN_OUT_OF_MEMORY = 100100, /* CN_MEMORY_ERROR_OUT_OF_MEMORY */
};
enum { HCS_CN_LOCATION_DEVICE = 1 };
/* CNmemAllocationProp: the head */
struct hcs_cn_allocation {
    int type;
    int handle_types;
    int location;
    uint32_t id;
};
int cnMalloc(uint64_t *address, uint64_t bytes);
int cnMallocSecurity(uint64_t *address, uint64_t bytes);
int cnZmalloc(uint64_t *address, uint64_t bytes);
int cnMallocConstant(uint64_t *address, uint64_t bytes);
int cnMallocPeerAble(uint64_t *address, uint64_t bytes);
int cnMallocNode(uint64_t *address, uint64_t bytes, int node);
int cnZmallocNode(uint64_t *address, uint64_t bytes, int node);
int cnMallocNodeConstant(uint64_t *address, uint64_t bytes, int node);
int cnMallocFrameBuffer(uint64_t *address, uint64_t bytes, int node);
int cnFree(uint64_t address);
int cnMemAllocAsync(uint64_t *address, uint64_t bytes, void *queue);
int cnMemAllocFromPoolAsync(uint64_t *address, uint64_t bytes, void *pool, void *queue);
int cnMemFreeAsync(uint64_t address, void *queue);
int cnMemGetInfo(uint64_t *free_bytes, uint64_t *total_bytes);
int cnMemGetNodeInfo(uint64_t *free_bytes, uint64_t *total_bytes, int node);
int cnDeviceTotalMem(uint64_t *bytes, int device);
int cnMemCreate(uint64_t *handle, uint64_t bytes, const struct hcs_cn_allocation *properties, uint64_t flags);
int cnMemRelease(uint64_t handle);
int cnMemMap(uint64_t address, uint64_t bytes, uint64_t offset, uint64_t handle, uint64_t flags);
int cnMemUnmap(uint64_t address, uint64_t bytes);
int cnMemImportFromShareableHandle(uint64_t *handle, void *os_handle, int type);
int cnCtxGetDevice(int *device);
int cnGetExportFunction(const char *symbol, const void **function);

/* libcndev.so: only what is answered with the quota, the head of each structure, in MB; the rest is in cndev_abi.h. The
 * device is a handle since 2024 and an index before. */
#define HCS_CNDEV_NOT_SUPPORTED 10
struct hcs_cndev_memory {
    int64_t total;
    int64_t used;
};
struct hcs_cndev_memory_v1 {
    int32_t version;
    int64_t total;
    int64_t used;
};
int cndevGetMemoryUsageV2(struct hcs_cndev_memory *info, int32_t device);
int cndevGetMemoryUsage(struct hcs_cndev_memory_v1 *info, int32_t device);
int cndevGetDeviceHandleByIndex(int index, int32_t *device);

#endif
