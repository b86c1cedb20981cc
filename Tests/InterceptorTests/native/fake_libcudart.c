/* SPDX-License-Identifier: Apache-2.0
 *
 * A runtime that goes through the driver's public, interposable names: what HIP and ACL do inside themselves, too.
 * Its symbols carry a version node, as NVIDIA's do (fake_libcudart.map).
 */
#include "cuda_abi.h"

void fake_cuda_set_device(int ordinal);

int cudaSetDevice(int ordinal) {
    fake_cuda_set_device(ordinal);
    return HCS_CUDA_SUCCESS;
}

int cudaGetDevice(int *ordinal) { return cuCtxGetDevice(ordinal); }

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

int cudaFree(void *pointer) { return pointer ? cuMemFree_v2((uintptr_t)pointer) : HCS_CUDA_SUCCESS; }

int cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) { return cuMemGetInfo_v2(free_bytes, total_bytes); }
