/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA driver and cuBLAS: what a measurement of throughput calls. Written from the "CUDA Driver API" reference manual 12.9
 * and the "cuBLAS" library guide 12.2 and 13.0 (cublasGemmEx, cublasComputeType_t, cudaDataType_t, cublasStatus_t); the
 * numbers of the enumerations as in the public cublas_api.h 11.9, 12.3 and 12.9 and library_types.h. Exported names checked
 * against libcublas.so.12 (12.9.3, PyPI) and libcuda1 535.261.03 (Debian), whose cuInit without a device answers 100. Not
 * run on a card: none was at hand. CUdeviceptr is a 64-bit integer, CUdevice an int; the handles are pointers.
 */
#ifndef HCS_MEASURE_ABI_H
#define HCS_MEASURE_ABI_H

#include "../hcs_load.h"

#define HCS_CU_LIBRARY "libcuda.so.1"

enum {
    HCS_CU_ATTRIBUTE_L2_CACHE_SIZE = 38,
    HCS_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
    HCS_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
};

typedef struct {
    uint8_t bytes[16];
} hcs_cu_uuid;
_Static_assert(sizeof(hcs_cu_uuid) == 16, "CUuuid");

#define HCS_CU_FUNCTIONS(X)                                                                                            \
    X(init, cuInit, int, (unsigned flags))                                                                             \
    X(driver_get_version, cuDriverGetVersion, int, (int *version))                                                     \
    X(get_error_name, cuGetErrorName, int, (int error, const char **name))                                             \
    X(get_error_string, cuGetErrorString, int, (int error, const char **text))                                         \
    X(device_get_count, cuDeviceGetCount, int, (int *count))                                                           \
    X(device_get, cuDeviceGet, int, (int *device, int ordinal))                                                        \
    X(device_get_uuid, cuDeviceGetUuid, int, (hcs_cu_uuid *, int device))                                              \
    X(device_get_uuid_v2, cuDeviceGetUuid_v2, int, (hcs_cu_uuid *, int device)) /* 11.4: a MIG instance's own */        \
    X(device_get_attribute, cuDeviceGetAttribute, int, (int *value, int attribute, int device))                        \
    X(primary_ctx_retain, cuDevicePrimaryCtxRetain, int, (void **context, int device))                                 \
    X(primary_ctx_release_v2, cuDevicePrimaryCtxRelease_v2, int, (int device))                                         \
    X(ctx_set_current, cuCtxSetCurrent, int, (void *context))                                                          \
    X(mem_get_info_v2, cuMemGetInfo_v2, int, (size_t *free_bytes, size_t *total_bytes))                                \
    X(mem_alloc_v2, cuMemAlloc_v2, int, (uint64_t *pointer, size_t bytes))                                             \
    X(mem_free_v2, cuMemFree_v2, int, (uint64_t pointer))                                                              \
    X(memcpy_htod_v2, cuMemcpyHtoD_v2, int, (uint64_t to, const void *from, size_t bytes))                             \
    X(memcpy_dtoh_v2, cuMemcpyDtoH_v2, int, (void *to, uint64_t from, size_t bytes))                                   \
    X(memcpy_dtod_async_v2, cuMemcpyDtoDAsync_v2, int, (uint64_t to, uint64_t from, size_t bytes, void *stream))       \
    X(stream_create, cuStreamCreate, int, (void **stream, unsigned flags))                                             \
    X(stream_destroy_v2, cuStreamDestroy_v2, int, (void *stream))                                                      \
    X(stream_synchronize, cuStreamSynchronize, int, (void *stream))                                                    \
    X(event_create, cuEventCreate, int, (void **event, unsigned flags))                                                \
    X(event_destroy_v2, cuEventDestroy_v2, int, (void *event))                                                         \
    X(event_record, cuEventRecord, int, (void *event, void *stream))                                                   \
    X(event_synchronize, cuEventSynchronize, int, (void *event))                                                       \
    X(event_elapsed_time, cuEventElapsedTime, int, (float *milliseconds, void *start, void *end))

HCS_ABI_TABLE(cu, HCS_CU_FUNCTIONS)

enum {
    HCS_CUBLAS_SUCCESS = 0,
    HCS_CUBLAS_NOT_INITIALIZED = 1,
    HCS_CUBLAS_ALLOC_FAILED = 3,
    HCS_CUBLAS_INVALID_VALUE = 7,
    HCS_CUBLAS_ARCH_MISMATCH = 8,
    HCS_CUBLAS_MAPPING_ERROR = 11,
    HCS_CUBLAS_EXECUTION_FAILED = 13,
    HCS_CUBLAS_INTERNAL_ERROR = 14,
    HCS_CUBLAS_NOT_SUPPORTED = 15,
    HCS_CUBLAS_LICENSE_ERROR = 16,
};

enum { HCS_CUBLAS_OP_N = 0, HCS_CUBLAS_OP_T = 1, HCS_CUBLAS_GEMM_DEFAULT = -1 };

/* cublasComputeType_t */
enum {
    HCS_CUBLAS_COMPUTE_32F = 68,
    HCS_CUBLAS_COMPUTE_64F = 70,
    HCS_CUBLAS_COMPUTE_32I = 72,
    HCS_CUBLAS_COMPUTE_32F_FAST_TF32 = 77,
};

/* cudaDataType_t */
enum {
    HCS_CUDA_R_32F = 0,
    HCS_CUDA_R_64F = 1,
    HCS_CUDA_R_16F = 2,
    HCS_CUDA_R_8I = 3,
    HCS_CUDA_R_32I = 10,
    HCS_CUDA_R_16BF = 14,
};

#define HCS_CUBLAS_FUNCTIONS(X)                                                                                        \
    X(create_v2, cublasCreate_v2, int, (void **handle))                                                                \
    X(destroy_v2, cublasDestroy_v2, int, (void *handle))                                                               \
    X(get_version_v2, cublasGetVersion_v2, int, (void *handle, int *version))                                          \
    X(set_stream_v2, cublasSetStream_v2, int, (void *handle, void *stream))                                            \
    X(gemm_ex, cublasGemmEx, int,                                                                                      \
      (void *handle, int transa, int transb, int m, int n, int k, const void *alpha, const void *a, int a_type,        \
       int lda, const void *b, int b_type, int ldb, const void *beta, void *c, int c_type, int ldc, int compute,       \
       int algorithm))

HCS_ABI_TABLE(cublas, HCS_CUBLAS_FUNCTIONS)

#endif
