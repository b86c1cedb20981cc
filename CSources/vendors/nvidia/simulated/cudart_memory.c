/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcudart: memory, pools, graphs and memory of others. Each call goes to the driver's pointer of the same
 * name.
 */
#include "cudart_private.h"

#include <string.h>

enum { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };

#define driver cudart_driver
#define ON_DEVICE(call)                                                                                                \
    cudaError_t result = cudart_on_device();                                                                           \
    return cudart_note(result == cudaSuccess ? (call) : result)

/* An allocation that answers with an address: nothing asked for is a success and NULL where `zero` says so. */
#define ALLOCATE(out, bytes, zero, call)                                                                               \
    uint64_t address = 0;                                                                                              \
    cudaError_t result = cudart_on_device();                                                                           \
    if (result == cudaSuccess && (out) == NULL)                                                                        \
        result = cudaErrorInvalidValue;                                                                                \
    if (result == cudaSuccess && !((zero) && (bytes) == 0))                                                            \
        result = (call);                                                                                               \
    if (result == cudaSuccess)                                                                                         \
        *(out) = (void *)(uintptr_t)address;                                                                           \
    return cudart_note(result)

/* Addresses */

API cudaMalloc(void **pointer, size_t bytes) {
    ALLOCATE(pointer, bytes, 1, driver.cuMemAlloc(&address, bytes));
}

API cudaMallocManaged(void **pointer, size_t bytes, unsigned flags) {
    ALLOCATE(pointer, bytes, 0, driver.cuMemAllocManaged(&address, bytes, flags));
}

API cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    ALLOCATE(pointer, 1, 0,
             pitch == NULL ? cudaErrorInvalidValue : driver.cuMemAllocPitch(&address, pitch, width, height, 4));
}

API cudaMalloc3D(struct cudaPitchedPtr *pitched, struct cudaExtent extent) {
    uint64_t address = 0;
    size_t pitch = 0, rows;
    cudaError_t result = cudart_on_device();
    if (result == cudaSuccess && pitched == NULL)
        result = cudaErrorInvalidValue;
    if (result == cudaSuccess && __builtin_mul_overflow(extent.height, extent.depth, &rows))
        result = cudaErrorMemoryAllocation;
    if (result == cudaSuccess && extent.width != 0 && rows != 0)
        result = driver.cuMemAllocPitch(&address, &pitch, extent.width, rows, 4);
    if (result == cudaSuccess)
        *pitched = (struct cudaPitchedPtr){(void *)(uintptr_t)address, pitch, extent.width, extent.height};
    return cudart_note(result);
}

API cudaMallocAsync(void **pointer, size_t bytes, void *stream) {
    ALLOCATE(pointer, bytes, 1, driver.cuMemAllocAsync(&address, bytes, stream));
}
API cudaMallocAsync_ptsz(void **pointer, size_t bytes, void *stream) {
    ALLOCATE(pointer, bytes, 1, cudart_per_thread.cuMemAllocAsync(&address, bytes, stream));
}
API cudaMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream) {
    ALLOCATE(pointer, bytes, 1, driver.cuMemAllocFromPoolAsync(&address, bytes, pool, stream));
}
API cudaMallocFromPoolAsync_ptsz(void **pointer, size_t bytes, void *pool, void *stream) {
    ALLOCATE(pointer, bytes, 1, cudart_per_thread.cuMemAllocFromPoolAsync(&address, bytes, pool, stream));
}

API cudaFree(void *pointer) {
    ON_DEVICE(pointer != NULL ? driver.cuMemFree((uintptr_t)pointer) : cudaSuccess);
}
API cudaFreeAsync(void *pointer, void *stream) {
    ON_DEVICE(pointer != NULL ? driver.cuMemFreeAsync((uintptr_t)pointer, stream) : cudaSuccess);
}
API cudaFreeAsync_ptsz(void *pointer, void *stream) {
    ON_DEVICE(pointer != NULL ? cudart_per_thread.cuMemFreeAsync((uintptr_t)pointer, stream) : cudaSuccess);
}

API cudaHostAlloc(void **pointer, size_t bytes, unsigned flags) {
    ON_DEVICE(driver.cuMemHostAlloc(pointer, bytes, flags));
}
API cudaMallocHost(void **pointer, size_t bytes) {
    ON_DEVICE(driver.cuMemHostAlloc(pointer, bytes, 0));
}
API cudaFreeHost(void *pointer) {
    ON_DEVICE(driver.cuMemFreeHost(pointer));
}

API cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    ON_DEVICE(driver.cuMemGetInfo(free_bytes, total));
}

API cudaMemset(void *pointer, int value, size_t bytes) {
    ON_DEVICE(driver.cuMemsetD8((uintptr_t)pointer, (unsigned char)value, bytes));
}

API cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    cudaError_t result = cudart_on_device();
    if (result != cudaSuccess)
        return cudart_note(result);
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return cudart_note(driver.cuMemcpyHtoD((uintptr_t)to, from, bytes));
    case cudaMemcpyDeviceToHost:
        return cudart_note(driver.cuMemcpyDtoH(to, (uintptr_t)from, bytes));
    case cudaMemcpyDeviceToDevice:
        return cudart_note(driver.cuMemcpyDtoD((uintptr_t)to, (uintptr_t)from, bytes));
    default:
        return cudart_note(cudaErrorInvalidValue);
    }
}

/* Arrays */

struct shape { /* CUDA_ARRAY3D_DESCRIPTOR */
    size_t width, height, depth;
    unsigned format, channels, flags;
};

static cudaError_t shape_of(const struct cudaChannelFormatDesc *format, struct cudaExtent extent, unsigned flags,
                            struct shape *ret) {
    static const unsigned formats[3][3] = {{0x08, 0x09, 0x0a}, {0x01, 0x02, 0x03}, {0, 0x10, 0x20}};
    if (format == NULL || format->f < 0 || format->f > 2)
        return cudaErrorInvalidValue;
    int size = format->x == 8 ? 0 : format->x == 16 ? 1 : format->x == 32 ? 2 : -1;
    if (size < 0 || formats[format->f][size] == 0)
        return cudaErrorInvalidValue;
    unsigned channels = 1u + (format->y != 0) + (format->z != 0) + (format->w != 0);
    *ret = (struct shape){extent.width, extent.height, extent.depth, formats[format->f][size], channels, flags};
    return cudaSuccess;
}

API cudaMallocArray(void **array, const struct cudaChannelFormatDesc *format, size_t width, size_t height,
                    unsigned flags) {
    struct shape shape;
    cudaError_t result = cudart_on_device();
    if (result == cudaSuccess)
        result = shape_of(format, (struct cudaExtent){width, height, 0}, flags, &shape);
    return cudart_note(result == cudaSuccess ? driver.cuArray3DCreate(array, &shape) : result);
}

API cudaMalloc3DArray(void **array, const struct cudaChannelFormatDesc *format, struct cudaExtent extent,
                      unsigned flags) {
    struct shape shape;
    cudaError_t result = cudart_on_device();
    if (result == cudaSuccess)
        result = shape_of(format, extent, flags, &shape);
    return cudart_note(result == cudaSuccess ? driver.cuArray3DCreate(array, &shape) : result);
}

API cudaMallocMipmappedArray(void **array, const struct cudaChannelFormatDesc *format, struct cudaExtent extent,
                             unsigned levels, unsigned flags) {
    struct shape shape;
    cudaError_t result = cudart_on_device();
    if (result == cudaSuccess)
        result = shape_of(format, extent, flags, &shape);
    return cudart_note(result == cudaSuccess ? driver.cuMipmappedArrayCreate(array, &shape, levels) : result);
}

API cudaFreeArray(void *array) {
    ON_DEVICE(array != NULL ? driver.cuArrayDestroy(array) : cudaSuccess);
}
API cudaFreeMipmappedArray(void *array) {
    ON_DEVICE(array != NULL ? driver.cuMipmappedArrayDestroy(array) : cudaSuccess);
}

/* Pools */

API cudaMemPoolCreate(void **pool, const void *properties) {
    ON_DEVICE(driver.cuMemPoolCreate(pool, properties));
}
API cudaMemPoolDestroy(void *pool) {
    ON_DEVICE(driver.cuMemPoolDestroy(pool));
}
API cudaMemPoolTrimTo(void *pool, size_t keep) {
    ON_DEVICE(driver.cuMemPoolTrimTo(pool, keep));
}
API cudaMemPoolGetAttribute(void *pool, int attribute, void *value) {
    ON_DEVICE(driver.cuMemPoolGetAttribute(pool, attribute, value));
}
API cudaMemPoolSetAttribute(void *pool, int attribute, void *value) {
    ON_DEVICE(driver.cuMemPoolSetAttribute(pool, attribute, value));
}
API cudaDeviceGetDefaultMemPool(void **pool, int device) {
    ON_DEVICE(driver.cuDeviceGetDefaultMemPool(pool, device));
}
API cudaDeviceGetMemPool(void **pool, int device) {
    ON_DEVICE(driver.cuDeviceGetMemPool(pool, device));
}
API cudaDeviceSetMemPool(int device, void *pool) {
    ON_DEVICE(driver.cuDeviceSetMemPool(device, pool));
}

/* Memory of others */

API cudaIpcGetMemHandle(struct cudaIpcMemHandle *handle, void *pointer) {
    ON_DEVICE(driver.cuIpcGetMemHandle(handle, (uintptr_t)pointer));
}
API cudaIpcOpenMemHandle(void **pointer, struct cudaIpcMemHandle handle, unsigned flags) {
    ALLOCATE(pointer, 1, 0, driver.cuIpcOpenMemHandle(&address, handle, flags));
}
API cudaIpcCloseMemHandle(void *pointer) {
    ON_DEVICE(driver.cuIpcCloseMemHandle((uintptr_t)pointer));
}

/* The driver's descriptions are the runtime's and a reserved end. */
API cudaImportExternalMemory(void **memory, const void *description) {
    uint64_t whole[13] = {0};
    cudaError_t result = cudart_on_device();
    if (result == cudaSuccess && (memory == NULL || description == NULL))
        result = cudaErrorInvalidValue;
    if (result == cudaSuccess) {
        memcpy(whole, description, 36);
        result = driver.cuImportExternalMemory(memory, whole);
    }
    return cudart_note(result);
}
API cudaExternalMemoryGetMappedBuffer(void **pointer, void *memory, const void *description) {
    uint64_t whole[11] = {0};
    if (description != NULL)
        memcpy(whole, description, 20);
    ALLOCATE(pointer, 1, 0, driver.cuExternalMemoryGetMappedBuffer(&address, memory, whole));
}
API cudaDestroyExternalMemory(void *memory) {
    ON_DEVICE(driver.cuDestroyExternalMemory(memory));
}

/* Streams and graphs */

API cudaStreamCreate(void **stream) {
    ON_DEVICE(driver.cuStreamCreate(stream, 0));
}
API cudaStreamDestroy(void *stream) {
    ON_DEVICE(driver.cuStreamDestroy(stream));
}
API cudaStreamSynchronize(void *stream) {
    ON_DEVICE(driver.cuStreamSynchronize(stream));
}
API cudaStreamSynchronize_ptsz(void *stream) {
    ON_DEVICE(cudart_per_thread.cuStreamSynchronize(stream));
}
API cudaStreamBeginCapture(void *stream, int mode) {
    ON_DEVICE(driver.cuStreamBeginCapture(stream, mode));
}
API cudaStreamEndCapture(void *stream, void **graph) {
    ON_DEVICE(driver.cuStreamEndCapture(stream, graph));
}
API cudaGraphCreate(void **graph, unsigned flags) {
    ON_DEVICE(driver.cuGraphCreate(graph, flags));
}
API cudaGraphDestroy(void *graph) {
    ON_DEVICE(driver.cuGraphDestroy(graph));
}
API cudaGraphAddMemAllocNode(void **node, void *graph, void *const *after, size_t count, void *parameters) {
    ON_DEVICE(driver.cuGraphAddMemAllocNode(node, graph, after, count, parameters));
}
API cudaGraphAddMemFreeNode(void **node, void *graph, void *const *after, size_t count, void *pointer) {
    ON_DEVICE(driver.cuGraphAddMemFreeNode(node, graph, after, count, (uintptr_t)pointer));
}
#if CUDART_MAJOR == 11
API cudaGraphInstantiate(void **exec, void *graph, void **node, char *log, size_t length) {
    (void)node, (void)log, (void)length;
    ON_DEVICE(driver.cuGraphInstantiateWithFlags(exec, graph, 0));
}
#else
API cudaGraphInstantiate(void **exec, void *graph, uint64_t flags) {
    ON_DEVICE(driver.cuGraphInstantiateWithFlags(exec, graph, flags));
}
#endif
API cudaGraphInstantiateWithFlags(void **exec, void *graph, uint64_t flags) {
    ON_DEVICE(driver.cuGraphInstantiateWithFlags(exec, graph, flags));
}
API cudaGraphExecDestroy(void *exec) {
    ON_DEVICE(driver.cuGraphExecDestroy(exec));
}
API cudaGraphLaunch(void *exec, void *stream) {
    ON_DEVICE(driver.cuGraphLaunch(exec, stream));
}
API cudaGraphLaunch_ptsz(void *exec, void *stream) {
    ON_DEVICE(cudart_per_thread.cuGraphLaunch(exec, stream));
}
API cudaDeviceGraphMemTrim(int device) {
    ON_DEVICE(driver.cuDeviceGraphMemTrim(device));
}
API cudaDeviceGetGraphMemAttribute(int device, int attribute, void *value) {
    ON_DEVICE(driver.cuDeviceGetGraphMemAttribute(device, attribute, value));
}
