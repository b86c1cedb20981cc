/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: memory by address, host memory, copies and questions. Managed memory is charged to the
 * current device when it is allocated, where the real driver waits for the first touch.
 */
#include "cuda_private.h"

#include <stdlib.h>
#include <string.h>

static CUresult allocate(enum hcs_sim_kind kind, size_t bytes, void **ret) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_allocate(kind, HCS_SIM_CURRENT, bytes, ret));
}

static CUresult allocate_pointer(enum hcs_sim_kind kind, size_t bytes, CUdeviceptr *pointer) {
    void *address = NULL;
    CUresult result = pointer == NULL ? CUDA_ERROR_INVALID_VALUE : allocate(kind, bytes, &address);
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

/* Rows of 512 bytes; the element size is one of 4, 8 and 16. */
static CUresult pitched(size_t width, size_t height, unsigned element, size_t *ret_pitch, size_t *ret_bytes) {
    size_t row;
    if ((element != 4 && element != 8 && element != 16) || __builtin_add_overflow(width, 511, &row))
        return CUDA_ERROR_INVALID_VALUE;
    *ret_pitch = row / 512 * 512;
    return __builtin_mul_overflow(*ret_pitch, height, ret_bytes) ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult release(CUdeviceptr pointer) {
    struct hcs_sim_block block;
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS || pointer == 0)
        return result;
    bool pooled = hcs_sim_block_of(HCS_SIM_POOLED, address_of(pointer), &block);
    result = cuda_translate(hcs_sim_release(HCS_SIM_POINTERS, address_of(pointer)));
    if (result == CUDA_SUCCESS && pooled)
        hcs_sim_pool_synchronise(); /* cuMemFree waits for the device */
    return result;
}

API cuMemAlloc_v2(CUdeviceptr *pointer, size_t bytes) {
    hcs_sim_count_call();
    return allocate_pointer(HCS_SIM_LINEAR, bytes, pointer);
}

API cuMemAllocManaged(CUdeviceptr *pointer, size_t bytes, unsigned flags) {
    hcs_sim_count_call();
    if (flags != 1 && flags != 2) /* global, host */
        return CUDA_ERROR_INVALID_VALUE;
    return allocate_pointer(HCS_SIM_MANAGED, bytes, pointer);
}

API cuMemAllocPitch_v2(CUdeviceptr *pointer, size_t *pitch, size_t width, size_t height, unsigned element) {
    size_t row, bytes;
    hcs_sim_count_call();
    if (pitch == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult result = pitched(width, height, element, &row, &bytes);
    if (result == CUDA_SUCCESS)
        result = allocate_pointer(HCS_SIM_LINEAR, bytes, pointer);
    if (result == CUDA_SUCCESS)
        *pitch = row;
    return result;
}

API cuMemFree_v2(CUdeviceptr pointer) {
    hcs_sim_count_call();
    return release(pointer);
}

/* Old enough callers pass NULL for what they do not want. */
API cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    size_t free_now, total_now;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (free_bytes == NULL && total == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    result = cuda_translate(hcs_sim_runtime_memory(HCS_SIM_CURRENT, &free_now, &total_now));
    if (result != CUDA_SUCCESS)
        return result;
    if (free_bytes != NULL)
        *free_bytes = free_now;
    if (total != NULL)
        *total = total_now;
    return CUDA_SUCCESS;
}

/* The interface of CUDA 2: pointers and sizes of 32 bits. */

API cuMemAlloc(unsigned *pointer, unsigned bytes) {
    CUdeviceptr address;
    hcs_sim_count_call();
    if (pointer == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    CUresult result = allocate_pointer(HCS_SIM_LOW, bytes, &address);
    if (result == CUDA_SUCCESS)
        *pointer = (unsigned)address;
    return result;
}

API cuMemAllocPitch(unsigned *pointer, unsigned *pitch, unsigned width, unsigned height, unsigned element) {
    size_t row, bytes;
    hcs_sim_count_call();
    if (pointer == NULL || pitch == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    CUdeviceptr address;
    CUresult result = pitched(width, height, element, &row, &bytes);
    if (result == CUDA_SUCCESS)
        result = allocate_pointer(HCS_SIM_LOW, bytes, &address);
    if (result == CUDA_SUCCESS) {
        *pointer = (unsigned)address;
        *pitch = (unsigned)row;
    }
    return result;
}

API cuMemFree(unsigned pointer) {
    hcs_sim_count_call();
    return release(pointer);
}

API cuMemGetInfo(unsigned *free_bytes, unsigned *total) {
    size_t free_now, total_now;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (free_bytes == NULL || total == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    result = cuda_translate(hcs_sim_runtime_memory(HCS_SIM_CURRENT, &free_now, &total_now));
    if (result == CUDA_SUCCESS) {
        *free_bytes = free_now < UINT32_MAX ? (unsigned)free_now : UINT32_MAX;
        *total = total_now < UINT32_MAX ? (unsigned)total_now : UINT32_MAX;
    }
    return result;
}

/* Host memory: no device pays for it. */

API cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0 || flags > 7)
        return CUDA_ERROR_INVALID_VALUE;
    *pointer = malloc(bytes);
    return *pointer != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuMemAllocHost_v2(void **pointer, size_t bytes) {
    return cuMemHostAlloc(pointer, bytes, 0);
}

API cuMemFreeHost(void *pointer) {
    free(pointer);
    return CUDA_SUCCESS;
}

API cuMemHostRegister_v2(void *pointer, size_t bytes, unsigned flags) {
    CUresult result = cuda_in_context();
    (void)flags;
    return result != CUDA_SUCCESS || (pointer != NULL && bytes != 0) ? result : CUDA_ERROR_INVALID_VALUE;
}

API cuMemHostUnregister(void *pointer) {
    return pointer != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API cuMemHostGetDevicePointer_v2(CUdeviceptr *pointer, void *host, unsigned flags) {
    if (pointer == NULL || host == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *pointer = (uintptr_t)host;
    return CUDA_SUCCESS;
}

/* Copies: nothing is stored behind a device pointer, and what comes back is zeros. */

static CUresult touches(CUdeviceptr pointer, size_t bytes) {
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    return hcs_sim_owns(address_of(pointer), bytes) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API cuMemsetD8_v2(CUdeviceptr pointer, unsigned char value, size_t bytes) {
    (void)value;
    return touches(pointer, bytes);
}

API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    return from == NULL ? CUDA_ERROR_INVALID_VALUE : touches(to, bytes);
}

API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
    CUresult result = to == NULL ? CUDA_ERROR_INVALID_VALUE : touches(from, bytes);
    if (result == CUDA_SUCCESS)
        memset(to, 0, bytes);
    return result;
}

API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    CUresult result = touches(to, bytes);
    return result == CUDA_SUCCESS ? touches(from, bytes) : result;
}

API cuMemsetD8_v2_ptds(CUdeviceptr pointer, unsigned char value, size_t bytes) {
    return cuMemsetD8_v2(pointer, value, bytes);
}
API cuMemcpyHtoD_v2_ptds(CUdeviceptr to, const void *from, size_t bytes) {
    return cuMemcpyHtoD_v2(to, from, bytes);
}
API cuMemcpyDtoH_v2_ptds(void *to, CUdeviceptr from, size_t bytes) {
    return cuMemcpyDtoH_v2(to, from, bytes);
}
API cuMemcpyDtoD_v2_ptds(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return cuMemcpyDtoD_v2(to, from, bytes);
}

/* Questions about a pointer */

API cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr pointer) {
    struct hcs_sim_block block;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (!hcs_sim_block_of(HCS_SIM_POINTERS | HCS_SIM_SHARED, address_of(pointer), &block))
        return CUDA_ERROR_NOT_FOUND;
    if (base != NULL)
        *base = (uintptr_t)block.address;
    if (bytes != NULL)
        *bytes = block.bytes;
    return CUDA_SUCCESS;
}

API cuPointerGetAttribute(void *data, int attribute, CUdeviceptr pointer) {
    struct hcs_sim_block block;
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (data == NULL || !hcs_sim_block_of(HCS_SIM_POINTERS | HCS_SIM_SHARED, address_of(pointer), &block))
        return CUDA_ERROR_INVALID_VALUE;
    switch (attribute) {
    case 2: /* MEMORY_TYPE: device */
        *(unsigned *)data = 2;
        return CUDA_SUCCESS;
    case 3: /* DEVICE_POINTER */
        *(CUdeviceptr *)data = pointer;
        return CUDA_SUCCESS;
    case 8: /* IS_MANAGED */
        *(unsigned *)data = block.kind == HCS_SIM_MANAGED;
        return CUDA_SUCCESS;
    case 9: /* DEVICE_ORDINAL */
        *(int *)data = block.ordinal;
        return CUDA_SUCCESS;
    case 11: /* RANGE_START_ADDR */
        *(CUdeviceptr *)data = (uintptr_t)block.address;
        return CUDA_SUCCESS;
    case 12: /* RANGE_SIZE */
        *(size_t *)data = block.bytes;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_NOT_SUPPORTED;
    }
}
