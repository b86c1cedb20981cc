/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA runtime and driver: the part HCS calls, hooks or simulates.
 * Sources: "CUDA Runtime API" and "CUDA Driver API" reference manuals, version 12.9 (sections Memory Management, Device
 * Management, Context Management, Primary Context Management). The functions below have the same ABI in 11, 12 and 13.
 * Status types are C enums of 4 bytes in the vendor's headers, plain `int` here. In libcudart every symbol carries a
 * version node equal to its soname; libcuda has none.
 */
#ifndef HCS_CUDA_ABI_H
#define HCS_CUDA_ABI_H

#include <stddef.h>
#include <stdint.h>

/* cudaError_t */
enum hcs_cuda_status {
    HCS_CUDA_SUCCESS = 0,
    HCS_CUDA_INVALID_VALUE = 1,
    HCS_CUDA_MEMORY_ALLOCATION = 2,
    HCS_CUDA_INITIALIZATION_ERROR = 3,
    HCS_CUDA_INSUFFICIENT_DRIVER = 35,
    HCS_CUDA_DEVICES_UNAVAILABLE = 46,
    HCS_CUDA_NO_DEVICE = 100,
    HCS_CUDA_INVALID_DEVICE = 101,
    HCS_CUDA_SYMBOL_NOT_FOUND = 500,
    HCS_CUDA_NOT_SUPPORTED = 801,
    HCS_CUDA_UNKNOWN = 999,
};

/* CUresult */
enum hcs_cu_status {
    HCS_CU_SUCCESS = 0,
    HCS_CU_INVALID_VALUE = 1,
    HCS_CU_OUT_OF_MEMORY = 2,
    HCS_CU_NOT_INITIALIZED = 3,
    HCS_CU_DEVICE_UNAVAILABLE = 46,
    HCS_CU_NO_DEVICE = 100,
    HCS_CU_INVALID_DEVICE = 101,
    HCS_CU_INVALID_CONTEXT = 201,
    HCS_CU_NOT_FOUND = 500,
    HCS_CU_NOT_SUPPORTED = 801,
    HCS_CU_UNKNOWN = 999,
};

/* CUuuid: 16 raw bytes, printed as GPU-8-4-4-4-12 in lower-case hexadecimal. */
struct hcs_cuda_uuid {
    uint8_t bytes[16];
};

/* libcudart.so.{11.0,12,13} */
int cudaMalloc(void **pointer, size_t bytes);
int cudaFree(void *pointer);
int cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int cudaGetDevice(int *ordinal);
int cudaSetDevice(int ordinal);
int cudaGetDeviceCount(int *count);
int cudaDeviceReset(void);
int cudaGetLastError(void);
const char *cudaGetErrorString(int status);

/* libcuda.so.1; CUdeviceptr is a 64-bit integer, CUdevice an int, CUcontext an opaque pointer. */
int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuDeviceGetCount(int *count);
int cuDeviceGet(int *device, int ordinal);
int cuDeviceGetName(char *name, int capacity, int device);
int cuDeviceGetUuid(struct hcs_cuda_uuid *uuid, int device);
int cuDeviceGetUuid_v2(struct hcs_cuda_uuid *uuid, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuCtxCreate_v2(void **context, unsigned flags, int device);
int cuCtxDestroy_v2(void *context);
int cuCtxSetCurrent(void *context);
int cuCtxGetCurrent(void **context);
int cuCtxGetDevice(int *device);
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
int cuMemFree_v2(uint64_t pointer);
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes);

#endif
