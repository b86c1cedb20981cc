/* SPDX-License-Identifier: Apache-2.0
 *
 * A runtime that goes through the driver's public, interposable names: what HIP and ACL do inside themselves, too.
 * Its symbols carry a version node, as NVIDIA's do (fake_libcudart.map).
 */
#include <string.h>

#include "cuda_abi.h"
#include "truth.h"

void fake_cuda_set_device(int ordinal);

int cudaSetDevice(int ordinal) {
    fake_cuda_set_device(ordinal);
    return HCS_CUDA_SUCCESS;
}

int cudaGetDevice(int *ordinal) { return cuCtxGetDevice(ordinal); }

#define AS_ADDRESS(pointer) ((uint64_t *)(void *)(pointer)) /* the same width */

int cudaMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    if (!pointer)
        return HCS_CUDA_INVALID_VALUE;
    if (bytes == 0) {
        *pointer = NULL;
        return HCS_CUDA_SUCCESS;
    }
    int status = cuMemAlloc_v2(&address, bytes);
    if (status == HCS_CUDA_SUCCESS)
        *pointer = (void *)(uintptr_t)address;
    return status;
}

int cudaMallocManaged(void **pointer, size_t bytes, unsigned flags) {
    return cuMemAllocManaged(AS_ADDRESS(pointer), bytes, flags);
}
int cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    return cuMemAllocPitch_v2(AS_ADDRESS(pointer), pitch, width, height, 16);
}
int cudaMalloc3D(struct hcs_cuda_pitched *pointer, struct hcs_cuda_extent extent) {
    return cudaMallocPitch(&pointer->pointer, &pointer->pitch, extent.width, extent.height * extent.depth);
}
static uint64_t element(const struct hcs_cuda_channels *c) { return (uint64_t)(c->bits[0] + c->bits[1] + c->bits[2] + c->bits[3]) / 8; }
int cudaMalloc3DArray(void **array, const struct hcs_cuda_channels *channels, struct hcs_cuda_extent extent, unsigned flags) {
    struct hcs_cu_array3d d = {extent.width * element(channels), extent.height, extent.depth, 1, 1, flags};
    return cuArray3DCreate_v2(array, &d);
}
int cudaMallocArray(void **array, const struct hcs_cuda_channels *channels, size_t width, size_t height, unsigned flags) {
    return cudaMalloc3DArray(array, channels, (struct hcs_cuda_extent){width, height, 0}, flags);
}
int cudaMallocMipmappedArray(void **array, const struct hcs_cuda_channels *channels, struct hcs_cuda_extent extent,
                             unsigned levels, unsigned flags) {
    struct hcs_cu_array3d d = {extent.width * element(channels), extent.height, extent.depth, 1, 1, flags};
    return cuMipmappedArrayCreate(array, &d, levels);
}
int cudaFreeArray(void *array) { return cuArrayDestroy(array); }
int cudaFreeMipmappedArray(void *array) { return cuMipmappedArrayDestroy(array); }
int cudaMallocAsync(void **pointer, size_t bytes, void *stream) { return cuMemAllocAsync(AS_ADDRESS(pointer), bytes, stream); }
int cudaMallocAsync_ptsz(void **pointer, size_t bytes, void *stream) {
    return cuMemAllocAsync_ptsz(AS_ADDRESS(pointer), bytes, stream);
}
int cudaMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream) {
    return cuMemAllocFromPoolAsync(AS_ADDRESS(pointer), bytes, pool, stream);
}
int cudaMallocFromPoolAsync_ptsz(void **pointer, size_t bytes, void *pool, void *stream) {
    return cuMemAllocFromPoolAsync_ptsz(AS_ADDRESS(pointer), bytes, pool, stream);
}
int cudaFreeAsync(void *pointer, void *stream) { return cuMemFreeAsync((uintptr_t)pointer, stream); }
int cudaFreeAsync_ptsz(void *pointer, void *stream) { return cuMemFreeAsync_ptsz((uintptr_t)pointer, stream); }
int cudaMemPoolCreate(void **pool, const struct hcs_cu_pool *properties) { return cuMemPoolCreate(pool, properties); }
int cudaMemPoolDestroy(void *pool) { return cuMemPoolDestroy(pool); }
int cudaDeviceGetDefaultMemPool(void **pool, int ordinal) { return cuDeviceGetDefaultMemPool(pool, ordinal); }

int cudaFree(void *pointer) { return pointer ? cuMemFree_v2((uintptr_t)pointer) : HCS_CUDA_SUCCESS; }

int cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) { return cuMemGetInfo_v2(free_bytes, total_bytes); }

int cudaGetDeviceProperties(void *properties, int ordinal) {
    (void)ordinal;
    uint64_t total = TRUTH_PHYSICAL;
    memset(properties, 0x5a, 1024);
    memcpy((char *)properties + HCS_CUDA_PROPERTIES_TOTAL, &total, sizeof total);
    return HCS_CUDA_SUCCESS;
}
int cudaGetDeviceProperties_v2(void *properties, int ordinal) { return cudaGetDeviceProperties(properties, ordinal); }

int cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, uint64_t flags, int *status) {
    return cuGetProcAddress_v2(symbol, function, (int)version, flags, status);
}
int cudaGetDriverEntryPointByVersion_ptsz(const char *symbol, void **function, unsigned version, uint64_t flags,
                                          int *status) {
    return cuGetProcAddress_v2(symbol, function, (int)version, 2, status ? status : (int *)&flags);
}
int cudaGetDriverEntryPoint(const char *symbol, void **function, uint64_t flags, int *status) {
    return cuGetProcAddress_v2(symbol, function, 12000, flags, status);
}
int cudaGetDriverEntryPoint_ptsz(const char *symbol, void **function, uint64_t flags, int *status) {
    return cudaGetDriverEntryPointByVersion_ptsz(symbol, function, 12000, flags, status);
}
