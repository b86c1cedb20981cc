/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: stream-ordered allocation. During a capture nothing is allocated: the graph gets a node.
 */
#include "cuda_private.h"

static CUresult from_pool(CUmemoryPool pool, size_t bytes, CUstream stream, CUdeviceptr *pointer) {
    void *address = NULL;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct graph *graph = cuda_capture_of(stream);
    if (graph != NULL)
        return cuda_graph_allocate(graph, hcs_sim_runtime_current(), bytes, pointer);
    if (pool == NULL)
        pool = hcs_sim_pool_current(HCS_SIM_CURRENT);
    result = cuda_translate(hcs_sim_pool_allocate(pool, bytes, NULL, &address));
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

static CUresult free_later(CUdeviceptr pointer, CUstream stream) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct graph *graph = cuda_capture_of(stream);
    if (graph != NULL)
        return cuda_graph_free(graph, pointer);
    return cuda_translate(hcs_sim_release(HCS_SIM_POINTERS, address_of(pointer)));
}

API cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, CUstream stream) {
    hcs_sim_count_call();
    return from_pool(NULL, bytes, stream, pointer);
}
API cuMemAllocAsync_ptsz(CUdeviceptr *pointer, size_t bytes, CUstream stream) {
    hcs_sim_count_call();
    return from_pool(NULL, bytes, stream, pointer);
}
API cuMemAllocFromPoolAsync(CUdeviceptr *pointer, size_t bytes, CUmemoryPool pool, CUstream stream) {
    hcs_sim_count_call();
    return pool == NULL ? CUDA_ERROR_INVALID_VALUE : from_pool(pool, bytes, stream, pointer);
}
API cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *pointer, size_t bytes, CUmemoryPool pool, CUstream stream) {
    hcs_sim_count_call();
    return pool == NULL ? CUDA_ERROR_INVALID_VALUE : from_pool(pool, bytes, stream, pointer);
}
API cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
    hcs_sim_count_call();
    return free_later(pointer, stream);
}
API cuMemFreeAsync_ptsz(CUdeviceptr pointer, CUstream stream) {
    hcs_sim_count_call();
    return free_later(pointer, stream);
}

API cuMemPoolCreate(CUmemoryPool *pool, const struct pool_properties *properties) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (pool == NULL || properties == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (properties->type == 2 && properties->location.type == 0) /* managed (13.0), preferred nowhere */
        return cuda_translate(hcs_sim_pool_create(HCS_SIM_CURRENT, pool));
    if (properties->location.type != 1)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_pool_create(properties->location.id, pool));
}

API cuMemPoolDestroy(CUmemoryPool pool) {
    CUresult result = cuda_ready();
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_pool_destroy(pool)) : result;
}

API cuMemPoolTrimTo(CUmemoryPool pool, size_t keep) {
    CUresult result = cuda_ready();
    if (result == CUDA_SUCCESS)
        result = cuda_unsafe();
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_pool_trim(pool, keep)) : result;
}

/* CUmemPool_attribute: 1..3 reuse policies (int), 4 threshold, 5 reserved, 6 its mark, 7 used, 8 its mark. */
static const enum hcs_sim_pool_figure figures[] = {HCS_SIM_POOL_THRESHOLD, HCS_SIM_POOL_RESERVED,
                                                   HCS_SIM_POOL_RESERVED_HIGH, HCS_SIM_POOL_USED,
                                                   HCS_SIM_POOL_USED_HIGH};

API cuMemPoolGetAttribute(CUmemoryPool pool, int attribute, void *value) {
    CUresult result = cuda_ready();
    if (result == CUDA_SUCCESS)
        result = cuda_unsafe();
    if (result != CUDA_SUCCESS)
        return result;
    if (value == NULL || attribute < 1 || attribute > 8)
        return CUDA_ERROR_INVALID_VALUE;
    if (attribute >= 4)
        return cuda_translate(hcs_sim_pool_get(pool, figures[attribute - 4], value));
    *(int *)value = 1;
    return CUDA_SUCCESS;
}

API cuMemPoolSetAttribute(CUmemoryPool pool, int attribute, void *value) {
    CUresult result = cuda_ready();
    if (result == CUDA_SUCCESS)
        result = cuda_unsafe();
    if (result != CUDA_SUCCESS)
        return result;
    if (value == NULL || attribute < 1 || attribute > 8)
        return CUDA_ERROR_INVALID_VALUE;
    if (attribute < 4)
        return CUDA_SUCCESS;
    return cuda_translate(hcs_sim_pool_set(pool, figures[attribute - 4], *(const uint64_t *)value));
}

API cuMemPoolSetAccess(CUmemoryPool pool, const void *access, size_t count) {
    (void)access, (void)count;
    return pool != NULL ? cuda_ready() : CUDA_ERROR_INVALID_VALUE;
}

API cuMemPoolGetAccess(int *flags, CUmemoryPool pool, struct location *location) {
    if (flags == NULL || pool == NULL || location == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *flags = 3; /* read and write */
    return cuda_ready();
}

static CUresult pool_of(CUmemoryPool *ret, CUdevice device, CUmemoryPool (*which)(int)) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, ret, &view);
    if (result == CUDA_SUCCESS)
        *ret = which(device);
    return result;
}

API cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
    return pool_of(pool, device, hcs_sim_pool_default);
}

API cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) {
    return pool_of(pool, device, hcs_sim_pool_current);
}

API cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
    struct hcs_sim_view view;
    CUresult result = cuda_device_at(device, "", &view);
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_pool_make_current(device, pool)) : result;
}

/* CUDA 13: by location; type 1 of allocation is pinned. */
API cuMemGetDefaultMemPool(CUmemoryPool *pool, struct location *location, int type) {
    if (location == NULL || location->type != 1 || type != 1)
        return CUDA_ERROR_INVALID_VALUE;
    return pool_of(pool, location->id, hcs_sim_pool_default);
}

API cuMemGetMemPool(CUmemoryPool *pool, struct location *location, int type) {
    if (location == NULL || location->type != 1 || type != 1)
        return CUDA_ERROR_INVALID_VALUE;
    return pool_of(pool, location->id, hcs_sim_pool_current);
}

API cuMemSetMemPool(struct location *location, int type, CUmemoryPool pool) {
    if (location == NULL || location->type != 1 || type != 1)
        return CUDA_ERROR_INVALID_VALUE;
    return cuDeviceSetMemPool(location->id, pool);
}
