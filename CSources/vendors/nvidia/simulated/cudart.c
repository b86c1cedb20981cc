/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcudart: loading, devices, errors and entry points. Memory is in cudart_memory.c.
 */
#include "cudart_private.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

struct cudart_driver cudart_driver;
struct cudart_driver_per_thread cudart_per_thread;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static cudaError_t load_result;
static _Thread_local int current;
static _Thread_local cudaError_t last;

/* cuGetProcAddress came with 11.3, without a status; its second version with 12.0. */
#if CUDART_MAJOR == 11
#define LOOKUP "cuGetProcAddress"
static int (*lookup)(const char *, void **, int, uint64_t);
static int look_up(const char *name, void **function, int version, uint64_t flags, int *status) {
    *status = 0;
    return lookup(name, function, version, flags);
}
#else
#define LOOKUP "cuGetProcAddress_v2"
static int (*lookup)(const char *, void **, int, uint64_t, int *);
static int look_up(const char *name, void **function, int version, uint64_t flags, int *status) {
    return lookup(name, function, version, flags, status);
}
#endif

static void find(const char *name, void **function, int version, uint64_t flags) {
    int status = 0;
    if (load_result == cudaSuccess && (look_up(name, function, version, flags, &status) != 0 || *function == NULL))
        load_result = cudaErrorInsufficientDriver;
}

static void load(void) {
    void *handle = dlopen("libcuda.so.1", RTLD_LAZY);
    if (handle != NULL)
        *(void **)&lookup = dlsym(handle, LOOKUP);
    load_result = lookup == NULL ? cudaErrorInsufficientDriver : cudaSuccess;
#define X(name, version, arguments) find(#name, (void **)&cudart_driver.name, version, 0);
    DRIVER(X)
#undef X
#define X(name, version, arguments) find(#name, (void **)&cudart_per_thread.name, version, 2);
    DRIVER_PER_THREAD(X)
#undef X
    int version = 0;
    if (load_result == cudaSuccess && (cudart_driver.cuDriverGetVersion(&version) != 0 || version < RUNTIME_VERSION))
        load_result = cudaErrorInsufficientDriver;
}

cudaError_t cudart_note(cudaError_t result) {
    if (result != cudaSuccess)
        last = result;
    return result;
}

cudaError_t cudart_ready(void) {
    pthread_once(&once, load);
    return load_result != cudaSuccess ? load_result : cudart_driver.cuInit(0);
}

/* Makes the primary context of the thread's device current. */
cudaError_t cudart_on_device(void) {
    void *context = NULL;
    cudaError_t result = cudart_ready();
    if (result == cudaSuccess)
        result = cudart_driver.cuDevicePrimaryCtxRetain(&context, current);
    return result == cudaSuccess ? cudart_driver.cuCtxSetCurrent(context) : result;
}

API cudaGetDeviceCount(int *count) {
    if (count == NULL)
        return cudart_note(cudaErrorInvalidValue);
    *count = 0;
    cudaError_t result = cudart_ready();
    return cudart_note(result == cudaSuccess ? cudart_driver.cuDeviceGetCount(count) : result);
}

API cudaSetDevice(int device) {
    int count = 0;
    cudaError_t result = cudaGetDeviceCount(&count);
    if (result != cudaSuccess)
        return result;
    if (device < 0 || device >= count)
        return cudart_note(cudaErrorInvalidDevice);
    current = device;
    return cudart_note(cudart_on_device());
}

API cudaGetDevice(int *device) {
    cudaError_t result = cudart_ready();
    if (result != cudaSuccess)
        return cudart_note(result);
    if (device == NULL)
        return cudart_note(cudaErrorInvalidValue);
    *device = current;
    return cudaSuccess;
}

API cudaDeviceSynchronize(void) {
    cudaError_t result = cudart_on_device();
    return cudart_note(result == cudaSuccess ? cudart_driver.cuCtxSynchronize() : result);
}

API cudaDeviceReset(void) {
    cudaError_t result = cudart_ready();
    return cudart_note(result == cudaSuccess ? cudart_driver.cuDevicePrimaryCtxReset(current) : result);
}

API cudaDriverGetVersion(int *version) {
    if (version == NULL)
        return cudart_note(cudaErrorInvalidValue);
    pthread_once(&once, load);
    *version = 0;
    return load_result == cudaSuccess ? cudart_note(cudart_driver.cuDriverGetVersion(version)) : cudaSuccess;
}

API cudaRuntimeGetVersion(int *version) {
    if (version == NULL)
        return cudart_note(cudaErrorInvalidValue);
    *version = RUNTIME_VERSION;
    return cudaSuccess;
}

API cudaGetLastError(void) {
    cudaError_t result = last;
    last = cudaSuccess;
    return result;
}

API cudaPeekAtLastError(void) {
    return last;
}

EXPORT const char *cudaGetErrorString(cudaError_t error) {
    const char *text = NULL;
    if (error == cudaErrorInsufficientDriver)
        return "CUDA driver version is insufficient for CUDA runtime version";
    pthread_once(&once, load);
    if (load_result == cudaSuccess)
        cudart_driver.cuGetErrorString(error, &text);
    return text != NULL ? text : "unrecognized error code";
}

#define RUNTIME_NAMES(X)                                                                                               \
    X(cudaSuccess)                                                                                                     \
    X(cudaErrorInvalidValue)                                                                                           \
    X(cudaErrorMemoryAllocation)                                                                                       \
    X(cudaErrorInitializationError)                                                                                    \
    X(cudaErrorInsufficientDriver)                                                                                     \
    X(cudaErrorNoDevice)                                                                                               \
    X(cudaErrorInvalidDevice)                                                                                          \
    X(cudaErrorSymbolNotFound)                                                                                         \
    X(cudaErrorNotSupported)

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

/* Properties. Name, UUID and memory have lain where they lie since CUDA 10; the structure's end has moved. */

static cudaError_t describe(char *properties, size_t bytes, int device) {
    size_t memory = 0;
    cudaError_t result = cudart_ready();
    if (result != cudaSuccess)
        return cudart_note(result);
    if (properties == NULL)
        return cudart_note(cudaErrorInvalidValue);
    memset(properties, 0, bytes);
    result = cudart_driver.cuDeviceGetName(properties, 256, device);
    if (result == cudaSuccess)
        result = cudart_driver.cuDeviceGetUuid(properties + 256, device);
    if (result == cudaSuccess)
        result = cudart_driver.cuDeviceTotalMem(&memory, device);
    memcpy(properties + 288, &memory, sizeof memory); /* totalGlobalMem */
    memcpy(properties + 360, &(int){9}, sizeof(int)); /* major */
    return cudart_note(result);
}

#if CUDART_MAJOR < 13
API cudaGetDeviceProperties(void *properties, int device) {
    return describe(properties, 728, device); /* cudaDeviceProp of 11 */
}
#if CUDART_MAJOR == 12
API cudaGetDeviceProperties_v2(void *properties, int device) {
    return describe(properties, 1032, device);
}
#endif
#else
API cudaGetDeviceProperties(void *properties, int device) {
    return describe(properties, 384, device); /* 13's is longer, and has lost fields behind this */
}
#endif

/* Entry points of the driver */

static cudaError_t entry_point(const char *name, void **function, unsigned version, uint64_t flags, int *ret_status) {
    cudaError_t result = cudart_ready();
    int status = 0;
    if (result != cudaSuccess)
        return cudart_note(result);
    if (name == NULL || name[0] == '\0' || function == NULL)
        return cudart_note(cudaErrorInvalidValue);
    result = look_up(name, function, (int)version, flags, &status);
    if (ret_status != NULL)
        *ret_status = status;
    return cudart_note(result == 0 || result == cudaErrorSymbolNotFound ? result : cudaErrorInvalidValue);
}

#if CUDART_MAJOR == 11
API cudaGetDriverEntryPoint(const char *name, void **function, uint64_t flags) {
    return entry_point(name, function, RUNTIME_VERSION, flags, NULL);
}
API cudaGetDriverEntryPoint_ptsz(const char *name, void **function, uint64_t flags) {
    return entry_point(name, function, RUNTIME_VERSION, flags == 0 ? 2 : flags, NULL);
}
#else
API cudaGetDriverEntryPoint(const char *name, void **function, uint64_t flags, int *status) {
    return entry_point(name, function, RUNTIME_VERSION, flags, status);
}
API cudaGetDriverEntryPoint_ptsz(const char *name, void **function, uint64_t flags, int *status) {
    return entry_point(name, function, RUNTIME_VERSION, flags == 0 ? 2 : flags, status);
}
API cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version, uint64_t flags, int *status) {
    return entry_point(name, function, version, flags, status);
}
API cudaGetDriverEntryPointByVersion_ptsz(const char *name, void **function, unsigned version, uint64_t flags,
                                          int *status) {
    return entry_point(name, function, version, flags == 0 ? 2 : flags, status);
}
#endif
