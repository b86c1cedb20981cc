/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated HIP: memory by address, pools, host memory, memory of others.
 */
#include "hip_private.h"

#include <stdlib.h>

/* Addresses */

static hipError_t allocate(enum hcs_sim_kind kind, void **pointer, size_t bytes) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess) /* hipMalloc of libamdhip64-5 answers 101, hipGetDeviceCount 100 */
        return hip_note(result == hipErrorNoDevice ? hipErrorInvalidDevice : result);
    if (pointer == NULL)
        return hip_note(hipErrorInvalidValue);
    if (bytes == 0) {
        *pointer = NULL;
        return hipSuccess;
    }
    return hip_note(hip_translate(hcs_sim_allocate(kind, HCS_SIM_CURRENT, bytes, pointer)));
}

API hipMalloc(void **pointer, size_t bytes) {
    return allocate(HCS_SIM_LINEAR, pointer, bytes);
}

/* 0 default, 1 fine-grained, 2 signal memory (8 bytes), 3 uncached, 4 contiguous */
API hipExtMallocWithFlags(void **pointer, size_t bytes, unsigned flags) {
    hcs_sim_count_call();
    return flags > 4 ? hip_note(hipErrorInvalidValue) : hipMalloc(pointer, bytes);
}

API hipMallocManaged(void **pointer, size_t bytes, unsigned flags) {
    if (flags != 1 && flags != 2)
        return hip_note(hipErrorInvalidValue);
    return allocate(HCS_SIM_MANAGED, pointer, bytes);
}

API hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    size_t row, bytes;
    hcs_sim_count_call();
    if (pitch == NULL || __builtin_add_overflow(width, 127, &row))
        return hip_note(hipErrorInvalidValue);
    row = row / 128 * 128;
    if (__builtin_mul_overflow(row, height, &bytes))
        return hip_note(hipErrorOutOfMemory);
    hipError_t result = hipMalloc(pointer, bytes);
    if (result == hipSuccess)
        *pitch = row;
    return result;
}

API hipMemAllocPitch(void **pointer, size_t *pitch, size_t width, size_t height, unsigned element) {
    (void)element;
    hcs_sim_count_call();
    return hipMallocPitch(pointer, pitch, width, height);
}

API hipMalloc3D(struct hipPitchedPtr *pitched, struct hipExtent extent) {
    size_t rows, pitch = 0;
    void *pointer = NULL;
    hcs_sim_count_call();
    if (pitched == NULL)
        return hip_note(hipErrorInvalidValue);
    if (__builtin_mul_overflow(extent.height, extent.depth, &rows))
        return hip_note(hipErrorOutOfMemory);
    hipError_t result = hipMallocPitch(&pointer, &pitch, extent.width, rows);
    if (result == hipSuccess)
        *pitched = (struct hipPitchedPtr){pointer, pitch, extent.width, extent.height};
    return result;
}

API hipFree(void *pointer) {
    struct hcs_sim_block block;
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess || pointer == NULL)
        return hip_note(result);
    bool pooled = hcs_sim_block_of(HCS_SIM_POOLED, pointer, &block);
    result = hip_translate(hcs_sim_release(HCS_SIM_POINTERS, pointer));
    if (result == hipSuccess && pooled)
        hcs_sim_pool_synchronise();
    return hip_note(result);
}

API hipMemGetInfo(size_t *free_bytes, size_t *total) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (free_bytes == NULL || total == NULL)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_runtime_memory(HCS_SIM_CURRENT, free_bytes, total)));
}

API hipMemGetAddressRange(void **base, size_t *bytes, void *pointer) {
    struct hcs_sim_block block;
    if (!hcs_sim_block_of(HCS_SIM_POINTERS | HCS_SIM_SHARED, pointer, &block))
        return hip_note(hipErrorNotFound);
    if (base != NULL)
        *base = block.address;
    if (bytes != NULL)
        *bytes = block.bytes;
    return hipSuccess;
}

/* Pools */

API hipMallocAsync(void **pointer, size_t bytes, void *stream) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result == hipErrorNoDevice ? hipErrorInvalidDevice : result);
    return hipMallocFromPoolAsync(pointer, bytes, hcs_sim_pool_current(HCS_SIM_CURRENT), stream);
}

API hipMallocFromPoolAsync(void **pointer, size_t bytes, struct hcs_sim_pool *pool, void *stream) {
    (void)stream;
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result == hipErrorNoDevice ? hipErrorInvalidDevice : result);
    if (pointer == NULL || pool == NULL)
        return hip_note(hipErrorInvalidValue);
    if (bytes == 0) {
        *pointer = NULL;
        return hipSuccess;
    }
    return hip_note(hip_translate(hcs_sim_pool_allocate(pool, bytes, NULL, pointer)));
}

API hipFreeAsync(void *pointer, void *stream) {
    struct hcs_sim_block block;
    (void)stream;
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (pointer == NULL)
        return hip_note(hipErrorInvalidValue);
    if (!hcs_sim_block_of(HCS_SIM_POOLED, pointer, &block))
        return hipFree(pointer);
    return hip_note(hip_translate(hcs_sim_release(HCS_SIM_POOLED, pointer)));
}

API hipMemPoolCreate(struct hcs_sim_pool **pool, const struct pool_properties *properties) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (pool == NULL || properties == NULL || properties->location.type != 1)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_pool_create(properties->location.id, pool)));
}

API hipMemPoolDestroy(struct hcs_sim_pool *pool) {
    hipError_t result = hip_ready();
    return hip_note(result == hipSuccess ? hip_translate(hcs_sim_pool_destroy(pool)) : result);
}

API hipMemPoolTrimTo(struct hcs_sim_pool *pool, size_t keep) {
    hipError_t result = hip_ready();
    return hip_note(result == hipSuccess ? hip_translate(hcs_sim_pool_trim(pool, keep)) : result);
}

/* hipMemPoolAttr: 1..3 reuse policies (int), 4 threshold, 5 reserved, 6 its mark, 7 used, 8 its mark. */
static const enum hcs_sim_pool_figure figures[] = {HCS_SIM_POOL_THRESHOLD, HCS_SIM_POOL_RESERVED,
                                                   HCS_SIM_POOL_RESERVED_HIGH, HCS_SIM_POOL_USED,
                                                   HCS_SIM_POOL_USED_HIGH};

API hipMemPoolGetAttribute(struct hcs_sim_pool *pool, int attribute, void *value) {
    if (value == NULL || attribute < 1 || attribute > 8)
        return hip_note(hipErrorInvalidValue);
    if (attribute >= 4)
        return hip_note(hip_translate(hcs_sim_pool_get(pool, figures[attribute - 4], value)));
    *(int *)value = 1;
    return hipSuccess;
}

API hipMemPoolSetAttribute(struct hcs_sim_pool *pool, int attribute, void *value) {
    if (value == NULL || attribute < 1 || attribute > 8)
        return hip_note(hipErrorInvalidValue);
    if (attribute < 4)
        return hipSuccess;
    return hip_note(hip_translate(hcs_sim_pool_set(pool, figures[attribute - 4], *(const uint64_t *)value)));
}

static hipError_t pool_of(struct hcs_sim_pool **ret, int device, struct hcs_sim_pool *(*which)(int)) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, ret, &view);
    if (result == hipSuccess)
        *ret = which(device);
    return result;
}

API hipDeviceGetDefaultMemPool(struct hcs_sim_pool **pool, int device) {
    return pool_of(pool, device, hcs_sim_pool_default);
}

API hipDeviceGetMemPool(struct hcs_sim_pool **pool, int device) {
    return pool_of(pool, device, hcs_sim_pool_current);
}

API hipDeviceSetMemPool(int device, struct hcs_sim_pool *pool) {
    struct hcs_sim_view view;
    hipError_t result = hip_device_at(device, "", &view);
    return result == hipSuccess ? hip_note(hip_translate(hcs_sim_pool_make_current(device, pool))) : result;
}

/* Host memory: no device pays for it. */

API hipHostMalloc(void **pointer, size_t bytes, unsigned flags) {
    (void)flags;
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (pointer == NULL)
        return hip_note(hipErrorInvalidValue);
    *pointer = bytes == 0 ? NULL : malloc(bytes);
    return hip_note(bytes == 0 || *pointer != NULL ? hipSuccess : hipErrorOutOfMemory);
}
API hipHostAlloc(void **pointer, size_t bytes, unsigned flags) {
    return hipHostMalloc(pointer, bytes, flags);
}
API hipMallocHost(void **pointer, size_t bytes) {
    return hipHostMalloc(pointer, bytes, 0);
}
API hipMemAllocHost(void **pointer, size_t bytes) {
    return hipHostMalloc(pointer, bytes, 0);
}
API hipHostFree(void *pointer) {
    free(pointer);
    return hipSuccess;
}
API hipFreeHost(void *pointer) {
    return hipHostFree(pointer);
}
API hipHostRegister(void *pointer, size_t bytes, unsigned flags) {
    (void)flags;
    return hip_note(pointer != NULL && bytes != 0 ? hipSuccess : hipErrorInvalidValue);
}
API hipHostUnregister(void *pointer) {
    return hip_note(pointer != NULL ? hipSuccess : hipErrorInvalidValue);
}

/* Memory of others */

API hipIpcGetMemHandle(struct hcs_sim_ticket *ticket, void *pointer) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    return hip_note(ticket == NULL ? hipErrorInvalidValue : hip_translate(hcs_sim_ticket_make(pointer, ticket)));
}

API hipIpcOpenMemHandle(void **pointer, struct hcs_sim_ticket ticket, unsigned flags) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (pointer == NULL || flags != 1)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hcs_sim_ticket_open(&ticket, pointer) == HCS_SIM_OK ? hipSuccess : hipErrorInvalidContext);
}

API hipIpcCloseMemHandle(void *pointer) {
    hcs_sim_count_call();
    return hip_note(hip_translate(hcs_sim_release(HCS_SIM_SHARED, pointer)));
}
