/* SPDX-License-Identifier: Apache-2.0 */
#define FAKE_BASE UINT64_C(0x730000000000)
#include "fake_objects.h"

#include <string.h>

#include "cnrt_abi.h"

#define DEVICE host_index("MLU_VISIBLE_DEVICES", current_ordinal)

void fake_cn_set_device(int ordinal);
void fake_cn_set_device(int ordinal) { current_ordinal = ordinal; }
int cnCtxGetDevice(int *device) {
    *device = current_ordinal;
    return HCS_CN_SUCCESS;
}

static int take(uint64_t *address, uint64_t bytes) {
    if (!address || bytes == 0)
        return HCS_CN_INVALID_VALUE;
    return fake_allocate(DEVICE, bytes, address) ? HCS_CN_OUT_OF_MEMORY : HCS_CN_SUCCESS;
}
int cnMalloc(uint64_t *address, uint64_t bytes) { return take(address, bytes); }
int cnMallocSecurity(uint64_t *address, uint64_t bytes) { return take(address, bytes); }
int cnZmalloc(uint64_t *address, uint64_t bytes) { return take(address, bytes); }
int cnMallocConstant(uint64_t *address, uint64_t bytes) { return take(address, bytes); }
int cnMallocPeerAble(uint64_t *address, uint64_t bytes) { return take(address, bytes); }
int cnMallocNode(uint64_t *address, uint64_t bytes, int node) { return node == 3 ? take(address, bytes) : HCS_CN_INVALID_VALUE; }
int cnZmallocNode(uint64_t *address, uint64_t bytes, int node) { return node == 3 ? take(address, bytes) : HCS_CN_INVALID_VALUE; }
int cnMallocNodeConstant(uint64_t *address, uint64_t bytes, int node) { return node == 3 ? take(address, bytes) : HCS_CN_INVALID_VALUE; }
int cnMallocFrameBuffer(uint64_t *address, uint64_t bytes, int node) { return node == 3 ? take(address, bytes) : HCS_CN_INVALID_VALUE; }
int cnFree(uint64_t address) { return fake_free(address) ? HCS_CN_INVALID_VALUE : HCS_CN_SUCCESS; }
int cnMemAllocAsync(uint64_t *address, uint64_t bytes, void *queue) {
    (void)queue;
    return take(address, bytes);
}
int cnMemAllocFromPoolAsync(uint64_t *address, uint64_t bytes, void *pool, void *queue) {
    (void)pool, (void)queue;
    return take(address, bytes);
}
int cnMemFreeAsync(uint64_t address, void *queue) {
    (void)queue;
    return cnFree(address);
}
int cnMemGetInfo(uint64_t *free_bytes, uint64_t *total_bytes) {
    fake_info(DEVICE, (size_t *)free_bytes, (size_t *)total_bytes);
    return HCS_CN_SUCCESS;
}
int cnMemGetNodeInfo(uint64_t *free_bytes, uint64_t *total_bytes, int node) {
    (void)node;
    return cnMemGetInfo(free_bytes, total_bytes);
}
int cnDeviceTotalMem(uint64_t *bytes, int device) {
    (void)device;
    *bytes = TRUTH_PHYSICAL;
    return HCS_CN_SUCCESS;
}
int cnMemCreate(uint64_t *handle, uint64_t bytes, const struct hcs_cn_allocation *properties, uint64_t flags) {
    (void)flags;
    return fake_create(host_index("MLU_VISIBLE_DEVICES", (int)properties->id), bytes, handle) ? HCS_CN_OUT_OF_MEMORY : HCS_CN_SUCCESS;
}
int cnMemRelease(uint64_t handle) { return fake_release(handle) ? HCS_CN_INVALID_VALUE : HCS_CN_SUCCESS; }
int cnMemMap(uint64_t address, uint64_t bytes, uint64_t offset, uint64_t handle, uint64_t flags) {
    (void)offset, (void)flags;
    return fake_map(address, bytes, handle) ? HCS_CN_INVALID_VALUE : HCS_CN_SUCCESS;
}
int cnMemUnmap(uint64_t address, uint64_t bytes) { return fake_unmap(address, bytes) ? HCS_CN_INVALID_VALUE : HCS_CN_SUCCESS; }
int cnGetExportFunction(const char *symbol, const void **function) {
    *function = strcmp(symbol, "cnMalloc") == 0 ? (const void *)cnMalloc : NULL;
    return *function ? HCS_CN_SUCCESS : HCS_CN_INVALID_VALUE;
}
