/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcudart.so.11.0, .12 and .13, from one source: CUDART_MAJOR says which. Like the real one it opens
 * libcuda.so.1 when first needed and asks cuGetProcAddress for base names, so a preload library that watches both
 * layers meets each allocation twice and has to count it once. Layouts: driver_types.h of 11.8 and 12.9.
 */
#ifndef CUDART_PRIVATE_H
#define CUDART_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#ifndef CUDART_MAJOR
#define CUDART_MAJOR 12
#endif
#if CUDART_MAJOR == 11
#define RUNTIME_VERSION 11080
#elif CUDART_MAJOR == 12
#define RUNTIME_VERSION 12090
#else
#define RUNTIME_VERSION 13000
#endif

#define EXPORT __attribute__((visibility("default")))
#define API EXPORT cudaError_t

typedef int cudaError_t;
enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorSymbolNotFound = 500,
    cudaErrorNotSupported = 801,
};

struct cudaIpcMemHandle {
    char reserved[64];
};
struct cudaExtent {
    size_t width, height, depth;
};
struct cudaPitchedPtr {
    void *ptr;
    size_t pitch, xsize, ysize;
};
struct cudaChannelFormatDesc {
    int x, y, z, w; /* bits */
    int f;          /* 0 signed, 1 unsigned, 2 float */
};

/* X(driver name, version asked for, arguments) */
#define DRIVER(X)                                                                                                      \
    X(cuInit, 2000, (unsigned))                                                                                        \
    X(cuDriverGetVersion, 2020, (int *))                                                                               \
    X(cuDeviceGetCount, 2000, (int *))                                                                                 \
    X(cuDeviceGetName, 2000, (char *, int, int))                                                                       \
    X(cuDeviceGetUuid, 11040, (void *, int))                                                                           \
    X(cuDeviceTotalMem, 3020, (size_t *, int))                                                                         \
    X(cuDevicePrimaryCtxRetain, 7000, (void **, int))                                                                  \
    X(cuDevicePrimaryCtxReset, 11000, (int))                                                                           \
    X(cuCtxSetCurrent, 4000, (void *))                                                                                 \
    X(cuCtxSynchronize, 2000, (void))                                                                                  \
    X(cuMemAlloc, 3020, (uint64_t *, size_t))                                                                          \
    X(cuMemAllocManaged, 6000, (uint64_t *, size_t, unsigned))                                                         \
    X(cuMemAllocPitch, 3020, (uint64_t *, size_t *, size_t, size_t, unsigned))                                         \
    X(cuMemAllocAsync, 11020, (uint64_t *, size_t, void *))                                                            \
    X(cuMemAllocFromPoolAsync, 11020, (uint64_t *, size_t, void *, void *))                                            \
    X(cuMemFree, 3020, (uint64_t))                                                                                     \
    X(cuMemFreeAsync, 11020, (uint64_t, void *))                                                                       \
    X(cuMemGetInfo, 3020, (size_t *, size_t *))                                                                        \
    X(cuMemHostAlloc, 2020, (void **, size_t, unsigned))                                                               \
    X(cuMemFreeHost, 2000, (void *))                                                                                   \
    X(cuMemsetD8, 3020, (uint64_t, unsigned char, size_t))                                                             \
    X(cuMemcpyHtoD, 3020, (uint64_t, const void *, size_t))                                                            \
    X(cuMemcpyDtoH, 3020, (void *, uint64_t, size_t))                                                                  \
    X(cuMemcpyDtoD, 3020, (uint64_t, uint64_t, size_t))                                                                \
    X(cuArrayCreate, 3020, (void **, const void *))                                                                    \
    X(cuArray3DCreate, 3020, (void **, const void *))                                                                  \
    X(cuArrayDestroy, 2000, (void *))                                                                                  \
    X(cuMipmappedArrayCreate, 5000, (void **, const void *, unsigned))                                                 \
    X(cuMipmappedArrayDestroy, 5000, (void *))                                                                         \
    X(cuMemPoolCreate, 11020, (void **, const void *))                                                                 \
    X(cuMemPoolDestroy, 11020, (void *))                                                                               \
    X(cuMemPoolTrimTo, 11020, (void *, size_t))                                                                        \
    X(cuMemPoolGetAttribute, 11020, (void *, int, void *))                                                             \
    X(cuMemPoolSetAttribute, 11020, (void *, int, void *))                                                             \
    X(cuDeviceGetDefaultMemPool, 11020, (void **, int))                                                                \
    X(cuDeviceGetMemPool, 11020, (void **, int))                                                                       \
    X(cuDeviceSetMemPool, 11020, (int, void *))                                                                        \
    X(cuIpcGetMemHandle, 4010, (void *, uint64_t))                                                                     \
    X(cuIpcOpenMemHandle, 11000, (uint64_t *, struct cudaIpcMemHandle, unsigned))                                      \
    X(cuIpcCloseMemHandle, 4010, (uint64_t))                                                                           \
    X(cuImportExternalMemory, 10000, (void **, const void *))                                                          \
    X(cuExternalMemoryGetMappedBuffer, 10000, (uint64_t *, void *, const void *))                                      \
    X(cuDestroyExternalMemory, 10000, (void *))                                                                        \
    X(cuStreamCreate, 2000, (void **, unsigned))                                                                       \
    X(cuStreamDestroy, 4000, (void *))                                                                                 \
    X(cuStreamSynchronize, 2000, (void *))                                                                             \
    X(cuStreamBeginCapture, 10010, (void *, int))                                                                      \
    X(cuStreamEndCapture, 10000, (void *, void **))                                                                    \
    X(cuGraphCreate, 10000, (void **, unsigned))                                                                       \
    X(cuGraphDestroy, 10000, (void *))                                                                                 \
    X(cuGraphAddMemAllocNode, 11040, (void **, void *, void *const *, size_t, void *))                                 \
    X(cuGraphAddMemFreeNode, 11040, (void **, void *, void *const *, size_t, uint64_t))                                \
    X(cuGraphInstantiateWithFlags, 11040, (void **, void *, uint64_t))                                                 \
    X(cuGraphExecDestroy, 10000, (void *))                                                                             \
    X(cuGraphLaunch, 10000, (void *, void *))                                                                          \
    X(cuDeviceGraphMemTrim, 11040, (int))                                                                              \
    X(cuDeviceGetGraphMemAttribute, 11040, (int, int, void *))                                                         \
    X(cuGetErrorString, 6000, (int, const char **))

/* Asked for a second time, for per-thread default streams. */
#define DRIVER_PER_THREAD(X)                                                                                           \
    X(cuMemAllocAsync, 11020, (uint64_t *, size_t, void *))                                                            \
    X(cuMemAllocFromPoolAsync, 11020, (uint64_t *, size_t, void *, void *))                                            \
    X(cuMemFreeAsync, 11020, (uint64_t, void *))                                                                       \
    X(cuStreamSynchronize, 7000, (void *))                                                                             \
    X(cuGraphLaunch, 10000, (void *, void *))

#define X(name, version, arguments) int(*name) arguments;
struct cudart_driver {
    DRIVER(X)
};
struct cudart_driver_per_thread {
    DRIVER_PER_THREAD(X)
};
#undef X
extern struct cudart_driver cudart_driver;
extern struct cudart_driver_per_thread cudart_per_thread;

cudaError_t cudart_note(cudaError_t result); /* remembered as the thread's last error */
cudaError_t cudart_ready(void);
cudaError_t cudart_on_device(void); /* the primary context of the thread's device is current */

#endif
