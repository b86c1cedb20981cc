/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcudart.so.12. Like the real one it opens libcuda.so.1 when first needed and asks cuGetProcAddress_v2 for
 * base names, so a preload library that watches both layers meets each allocation twice and has to count it once.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))
#define RUNTIME_VERSION 12040

typedef int cudaError_t;
enum {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
};
enum { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };

#define DRIVER(X)                                                                                                      \
    X(cuInit, 2000, (unsigned))                                                                                        \
    X(cuDriverGetVersion, 2020, (int *))                                                                               \
    X(cuDeviceGetCount, 2000, (int *))                                                                                 \
    X(cuDevicePrimaryCtxRetain, 7000, (void **, int))                                                                  \
    X(cuCtxSetCurrent, 4000, (void *))                                                                                 \
    X(cuCtxSynchronize, 2000, (void))                                                                                  \
    X(cuMemAlloc, 3020, (uint64_t *, size_t))                                                                          \
    X(cuMemAllocManaged, 6000, (uint64_t *, size_t, unsigned))                                                         \
    X(cuMemAllocPitch, 3020, (uint64_t *, size_t *, size_t, size_t, unsigned))                                         \
    X(cuMemAllocAsync, 11020, (uint64_t *, size_t, void *))                                                            \
    X(cuMemFree, 3020, (uint64_t))                                                                                     \
    X(cuMemFreeAsync, 11020, (uint64_t, void *))                                                                       \
    X(cuMemGetInfo, 3020, (size_t *, size_t *))                                                                        \
    X(cuMemsetD8, 3020, (uint64_t, unsigned char, size_t))                                                             \
    X(cuMemcpyHtoD, 3020, (uint64_t, const void *, size_t))                                                            \
    X(cuMemcpyDtoH, 3020, (void *, uint64_t, size_t))                                                                  \
    X(cuMemcpyDtoD, 3020, (uint64_t, uint64_t, size_t))                                                                \
    X(cuGetErrorString, 6000, (int, const char **))

static struct {
#define X(name, version, arguments) int(*name) arguments;
    DRIVER(X)
#undef X
} driver;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static cudaError_t load_result;
static _Thread_local int current;
static _Thread_local cudaError_t last;

static void load(void) {
    int (*lookup)(const char *, void **, int, uint64_t, int *) = NULL;
    void *handle = dlopen("libcuda.so.1", RTLD_LAZY);
    if (handle != NULL)
        *(void **)&lookup = dlsym(handle, "cuGetProcAddress_v2");
    load_result = lookup == NULL ? cudaErrorInsufficientDriver : cudaSuccess;
#define X(name, version, arguments)                                                                                    \
    if (load_result == cudaSuccess && lookup(#name, (void **)&driver.name, version, 0, NULL) != 0)                     \
        load_result = cudaErrorInsufficientDriver;
    DRIVER(X)
#undef X
}

static cudaError_t note(cudaError_t result) {
    if (result != cudaSuccess)
        last = result;
    return result;
}

static cudaError_t ready(void) {
    pthread_once(&once, load);
    return load_result != cudaSuccess ? load_result : driver.cuInit(0);
}

/* Makes the primary context of the thread's device current. */
static cudaError_t on_device(void) {
    void *context = NULL;
    cudaError_t result = ready();
    if (result == cudaSuccess)
        result = driver.cuDevicePrimaryCtxRetain(&context, current);
    return result == cudaSuccess ? driver.cuCtxSetCurrent(context) : result;
}

EXPORT cudaError_t cudaGetDeviceCount(int *count) {
    if (count == NULL)
        return note(cudaErrorInvalidValue);
    *count = 0;
    cudaError_t result = ready();
    return note(result == cudaSuccess ? driver.cuDeviceGetCount(count) : result);
}

EXPORT cudaError_t cudaSetDevice(int device) {
    int count = 0;
    cudaError_t result = cudaGetDeviceCount(&count);
    if (result != cudaSuccess)
        return result;
    if (device < 0 || device >= count)
        return note(cudaErrorInvalidDevice);
    current = device;
    return note(on_device());
}

EXPORT cudaError_t cudaGetDevice(int *device) {
    cudaError_t result = ready();
    if (result != cudaSuccess)
        return note(result);
    if (device == NULL)
        return note(cudaErrorInvalidValue);
    *device = current;
    return cudaSuccess;
}

EXPORT cudaError_t cudaMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    if (pointer == NULL)
        return note(cudaErrorInvalidValue);
    if (bytes > 0)
        result = driver.cuMemAlloc(&address, bytes); /* nothing asked for: success and NULL */
    if (result == cudaSuccess)
        *pointer = (void *)(uintptr_t)address;
    return note(result);
}

EXPORT cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned flags) {
    uint64_t address = 0;
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    if (pointer == NULL)
        return note(cudaErrorInvalidValue);
    result = driver.cuMemAllocManaged(&address, bytes, flags);
    if (result == cudaSuccess)
        *pointer = (void *)(uintptr_t)address;
    return note(result);
}

EXPORT cudaError_t cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    uint64_t address = 0;
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    if (pointer == NULL || pitch == NULL)
        return note(cudaErrorInvalidValue);
    result = driver.cuMemAllocPitch(&address, pitch, width, height, 4);
    if (result == cudaSuccess)
        *pointer = (void *)(uintptr_t)address;
    return note(result);
}

EXPORT cudaError_t cudaMallocAsync(void **pointer, size_t bytes, void *stream) {
    uint64_t address = 0;
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    if (pointer == NULL)
        return note(cudaErrorInvalidValue);
    if (bytes > 0)
        result = driver.cuMemAllocAsync(&address, bytes, stream);
    if (result == cudaSuccess)
        *pointer = (void *)(uintptr_t)address;
    return note(result);
}

EXPORT cudaError_t cudaFree(void *pointer) {
    cudaError_t result = on_device();
    return note(result == cudaSuccess && pointer != NULL ? driver.cuMemFree((uintptr_t)pointer) : result);
}

EXPORT cudaError_t cudaFreeAsync(void *pointer, void *stream) {
    cudaError_t result = on_device();
    return note(result == cudaSuccess && pointer != NULL ? driver.cuMemFreeAsync((uintptr_t)pointer, stream) : result);
}

EXPORT cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    if (pointer == NULL)
        return note(cudaErrorInvalidValue);
    *pointer = malloc(bytes);
    return note(*pointer != NULL ? cudaSuccess : cudaErrorMemoryAllocation);
}

EXPORT cudaError_t cudaFreeHost(void *pointer) {
    free(pointer);
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    cudaError_t result = on_device();
    return note(result == cudaSuccess ? driver.cuMemGetInfo(free_bytes, total) : result);
}

EXPORT cudaError_t cudaMemset(void *pointer, int value, size_t bytes) {
    cudaError_t result = on_device();
    return note(result == cudaSuccess ? driver.cuMemsetD8((uintptr_t)pointer, (unsigned char)value, bytes) : result);
}

EXPORT cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    cudaError_t result = on_device();
    if (result != cudaSuccess)
        return note(result);
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return note(driver.cuMemcpyHtoD((uintptr_t)to, from, bytes));
    case cudaMemcpyDeviceToHost:
        return note(driver.cuMemcpyDtoH(to, (uintptr_t)from, bytes));
    case cudaMemcpyDeviceToDevice:
        return note(driver.cuMemcpyDtoD((uintptr_t)to, (uintptr_t)from, bytes));
    default:
        return note(cudaErrorInvalidValue);
    }
}

EXPORT cudaError_t cudaDeviceSynchronize(void) {
    cudaError_t result = on_device();
    return note(result == cudaSuccess ? driver.cuCtxSynchronize() : result);
}

EXPORT cudaError_t cudaDriverGetVersion(int *version) {
    if (version == NULL)
        return note(cudaErrorInvalidValue);
    pthread_once(&once, load);
    *version = 0;
    return load_result == cudaSuccess ? note(driver.cuDriverGetVersion(version)) : cudaSuccess;
}

EXPORT cudaError_t cudaRuntimeGetVersion(int *version) {
    if (version == NULL)
        return note(cudaErrorInvalidValue);
    *version = RUNTIME_VERSION;
    return cudaSuccess;
}

EXPORT cudaError_t cudaGetLastError(void) {
    cudaError_t result = last;
    last = cudaSuccess;
    return result;
}

EXPORT cudaError_t cudaPeekAtLastError(void) {
    return last;
}

EXPORT const char *cudaGetErrorString(cudaError_t error) {
    const char *text = NULL;
    if (error == cudaErrorInsufficientDriver)
        return "CUDA driver version is insufficient for CUDA runtime version";
    pthread_once(&once, load);
    if (load_result == cudaSuccess)
        driver.cuGetErrorString(error, &text);
    return text != NULL ? text : "unrecognized error code";
}

#define RUNTIME_NAMES(X)                                                                                               \
    X(cudaSuccess)                                                                                                     \
    X(cudaErrorInvalidValue)                                                                                           \
    X(cudaErrorMemoryAllocation)                                                                                       \
    X(cudaErrorInitializationError)                                                                                    \
    X(cudaErrorInsufficientDriver)                                                                                     \
    X(cudaErrorNoDevice)                                                                                               \
    X(cudaErrorInvalidDevice)

EXPORT const char *cudaGetErrorName(cudaError_t error) {
    switch (error) {
#define X(name)                                                                                                        \
    case name:                                                                                                         \
        return #name;
        RUNTIME_NAMES(X)
#undef X
    default:
        return "unrecognized error code";
    }
}
