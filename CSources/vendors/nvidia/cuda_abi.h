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
    HCS_CU_INVALID_HANDLE = 400,
    HCS_CU_NOT_FOUND = 500,
    HCS_CU_NOT_SUPPORTED = 801,
    HCS_CU_UNKNOWN = 999,
};

/* CUuuid: 16 raw bytes, printed as GPU-8-4-4-4-12 in lower-case hexadecimal. */
struct hcs_cuda_uuid {
    uint8_t bytes[16];
};

/* CUDA_ARRAY_DESCRIPTOR and CUDA_ARRAY3D_DESCRIPTOR; the _v1 forms have 32-bit extents. Format: CUarray_format. */
struct hcs_cu_array {
    size_t width;
    size_t height; /* 0 = one-dimensional */
    int format;
    unsigned channels;
};
struct hcs_cu_array3d {
    size_t width;
    size_t height;
    size_t depth; /* layers where flags say so */
    int format;
    unsigned channels;
    unsigned flags;
};
struct hcs_cu_array_v1 {
    unsigned width;
    unsigned height;
    int format;
    unsigned channels;
};
struct hcs_cu_array3d_v1 {
    unsigned width;
    unsigned height;
    unsigned depth;
    int format;
    unsigned channels;
    unsigned flags;
};
enum hcs_cu_array_flags {
    HCS_CU_ARRAY_LAYERED = 0x01,
    HCS_CU_ARRAY_CUBEMAP = 0x04,
    HCS_CU_ARRAY_SPARSE = 0x40,           /* address space only, memory comes from cuMemCreate */
    HCS_CU_ARRAY_DEFERRED_MAPPING = 0x80, /* the same */
};

/* CUmemLocation; the same in both APIs. */
enum hcs_cu_location {
    HCS_CU_LOCATION_INVALID = 0,
    HCS_CU_LOCATION_DEVICE = 1,
    HCS_CU_LOCATION_HOST = 2, /* and 3, 4: NUMA nodes of the host */
    HCS_CU_LOCATION_HOST_LAST = 4,
};
enum { HCS_CU_ALLOCATION_MANAGED = 2 }; /* CU_MEM_ALLOCATION_TYPE_MANAGED, pools of 13.0 */
struct hcs_cu_memory_location {
    int type;
    int id;
};
/* CUmemAllocationProp */
struct hcs_cu_allocation {
    int type;
    int handle_types;
    struct hcs_cu_memory_location location;
    void *win32_attributes;
    uint8_t flags[8]; /* compression, RDMA, usage, reserved */
};
/* CUmemPoolProps, cudaMemPoolProps */
struct hcs_cu_pool {
    int type;
    int handle_types;
    struct hcs_cu_memory_location location;
    void *win32_attributes;
    size_t maximum;
    uint8_t reserved[56]; /* usage in the first two since 12.4 */
};
/* CUDA_MEM_ALLOC_NODE_PARAMS (v1 and v2), cudaMemAllocNodeParams */
struct hcs_cu_memory_node {
    struct hcs_cu_pool pool;
    const void *access;
    size_t access_count;
    size_t bytes;
    uint64_t pointer; /* out */
};
/* CUgraphNodeParams: a tagged union of 256 bytes. */
#define HCS_CU_GRAPH_NODE_MEMORY 10 /* CU_GRAPH_NODE_TYPE_MEM_ALLOC */
struct hcs_cu_graph_node {
    int type;
    int reserved[3];
    struct hcs_cu_memory_node memory; /* where the type says so */
};
enum { HCS_CU_GRAPH_MEMORY_RESERVED = 2 }; /* CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, a uint64_t in bytes */

enum { HCS_CU_POOL_RESERVED = 5 };         /* CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, a uint64_t in bytes */
enum { HCS_CU_POINTER_MEMORY_TYPE = 2 };   /* CU_POINTER_ATTRIBUTE_MEMORY_TYPE, an unsigned */

/* cudaExtent, cudaPitchedPtr, cudaChannelFormatDesc */
struct hcs_cuda_extent {
    size_t width; /* bytes, or elements of an array */
    size_t height;
    size_t depth;
};
struct hcs_cuda_pitched {
    void *pointer;
    size_t pitch;
    size_t width;
    size_t height;
};
struct hcs_cuda_channels {
    int bits[4];
    int kind;
};
/* cudaDeviceProp: the offset is the same in every layout since 10.0 (256 before, without UUID). */
#define HCS_CUDA_PROPERTIES_TOTAL 288

enum { HCS_CU_PER_THREAD_STREAM = 2 }; /* cuGetProcAddress: CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM */
enum { HCS_CU_STREAM_LEGACY = 1, HCS_CU_STREAM_PER_THREAD = 2 };

_Static_assert(sizeof(struct hcs_cu_array) == 24 && sizeof(struct hcs_cu_array3d) == 40, "array descriptors");
_Static_assert(sizeof(struct hcs_cu_allocation) == 32, "CUmemAllocationProp");
_Static_assert(sizeof(struct hcs_cu_pool) == 88, "CUmemPoolProps");
_Static_assert(sizeof(struct hcs_cu_memory_node) == 120 && offsetof(struct hcs_cu_memory_node, bytes) == 104,
               "CUDA_MEM_ALLOC_NODE_PARAMS");

/* libcudart.so.{11.0,12,13}. Streams, arrays, pools and graphs are pointers; _ptsz: the caller's default stream is its
 * thread's own. cudaGetDriverEntryPoint has no status before 12.0: the fourth register is then not read. */
int cudaMalloc(void **pointer, size_t bytes);
int cudaMallocManaged(void **pointer, size_t bytes, unsigned flags);
int cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
int cudaMalloc3D(struct hcs_cuda_pitched *pointer, struct hcs_cuda_extent extent);
int cudaMallocArray(void **array, const struct hcs_cuda_channels *channels, size_t width, size_t height, unsigned flags);
int cudaMalloc3DArray(void **array, const struct hcs_cuda_channels *channels, struct hcs_cuda_extent extent, unsigned flags);
int cudaMallocMipmappedArray(void **array, const struct hcs_cuda_channels *channels, struct hcs_cuda_extent extent,
                             unsigned levels, unsigned flags);
int cudaMallocAsync(void **pointer, size_t bytes, void *stream);
int cudaMallocAsync_ptsz(void **pointer, size_t bytes, void *stream);
int cudaMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream);
int cudaMallocFromPoolAsync_ptsz(void **pointer, size_t bytes, void *pool, void *stream);
int cudaFree(void *pointer);
int cudaFreeAsync(void *pointer, void *stream);
int cudaFreeAsync_ptsz(void *pointer, void *stream);
int cudaFreeArray(void *array);
int cudaFreeMipmappedArray(void *array);
int cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int cudaGetDeviceProperties(void *properties, int ordinal);
int cudaGetDeviceProperties_v2(void *properties, int ordinal);
int cudaMemPoolCreate(void **pool, const struct hcs_cu_pool *properties);
int cudaMemPoolDestroy(void *pool);
int cudaDeviceGetDefaultMemPool(void **pool, int ordinal);
int cudaDeviceGetMemPool(void **pool, int ordinal);
int cudaMemGetMemPool(void **pool, struct hcs_cu_memory_location *location, int type); /* 13.0 */
int cudaMemGetDefaultMemPool(void **pool, struct hcs_cu_memory_location *location, int type); /* 13.0 */
int cudaGetDriverEntryPoint(const char *symbol, void **function, uint64_t flags, int *status);
int cudaGetDriverEntryPoint_ptsz(const char *symbol, void **function, uint64_t flags, int *status);
int cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, uint64_t flags, int *status);
int cudaGetDriverEntryPointByVersion_ptsz(const char *symbol, void **function, unsigned version, uint64_t flags,
                                          int *status);
int cudaGetDevice(int *ordinal);
int cudaSetDevice(int ordinal);
int cudaGetDeviceCount(int *count);
int cudaDeviceReset(void);
int cudaDeviceSynchronize(void);
int cudaStreamSynchronize(void *stream);
int cudaStreamSynchronize_ptsz(void *stream);
int cudaEventSynchronize(void *event);
int cudaMemPoolTrimTo(void *pool, size_t keep);
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
/* The manual, cuCtxDestroy: what cuMemAlloc, cuMemAllocPitch and cuMemAllocManaged gave goes with the context; what
 * cuMemCreate, cuMemAllocAsync and cuMemAllocFromPoolAsync gave belongs to none. */
int cuDevicePrimaryCtxRelease(int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active);
int cuDevicePrimaryCtxReset(int device);
int cuDevicePrimaryCtxReset_v2(int device);
int cuCtxCreate_v2(void **context, unsigned flags, int device);
int cuCtxDestroy(void *context);
int cuCtxDestroy_v2(void *context);
int cuCtxSynchronize(void);
int cuStreamSynchronize(void *stream);
int cuStreamSynchronize_ptsz(void *stream);
int cuEventSynchronize(void *event);
int cuMemPoolTrimTo(void *pool, size_t keep);
int cuMemPoolGetAttribute(void *pool, int attribute, void *value);
int cuPointerGetAttribute(void *value, int attribute, uint64_t pointer);
int cuCtxSetCurrent(void *context);
int cuCtxGetCurrent(void **context);
int cuCtxGetDevice(int *device);
int cuCtxPushCurrent_v2(void *context);
int cuCtxPopCurrent_v2(void **context);
int cuStreamGetCtx(void *stream, void **context);
enum { HCS_CU_CAPTURE_RELAXED = 2 }; /* CU_STREAM_CAPTURE_MODE_RELAXED */
int cuThreadExchangeStreamCaptureMode(int *mode); /* 10.1 */
int cuStreamIsCapturing(void *stream, int *status); /* 0 = it is not */
int cuStreamIsCapturing_ptsz(void *stream, int *status);
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
int cuMemAllocPitch_v2(uint64_t *pointer, size_t *pitch, size_t width, size_t height, unsigned element);
int cuMemAllocManaged(uint64_t *pointer, size_t bytes, unsigned flags);
int cuMemAllocAsync(uint64_t *pointer, size_t bytes, void *stream);
int cuMemAllocAsync_ptsz(uint64_t *pointer, size_t bytes, void *stream);
int cuMemAllocFromPoolAsync(uint64_t *pointer, size_t bytes, void *pool, void *stream);
int cuMemAllocFromPoolAsync_ptsz(uint64_t *pointer, size_t bytes, void *pool, void *stream);
int cuMemFree_v2(uint64_t pointer);
int cuMemFreeAsync(uint64_t pointer, void *stream);
int cuMemFreeAsync_ptsz(uint64_t pointer, void *stream);
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes);
int cuArrayCreate_v2(void **array, const struct hcs_cu_array *descriptor);
int cuArray3DCreate_v2(void **array, const struct hcs_cu_array3d *descriptor);
int cuMipmappedArrayCreate(void **array, const struct hcs_cu_array3d *descriptor, unsigned levels);
int cuArrayDestroy(void *array);
int cuMipmappedArrayDestroy(void *array);
/* The first revision, still exported: 32-bit addresses and sizes. */
int cuMemAlloc(uint32_t *pointer, unsigned bytes);
int cuMemAllocPitch(uint32_t *pointer, unsigned *pitch, unsigned width, unsigned height, unsigned element);
int cuMemFree(uint32_t pointer);
int cuMemGetInfo(unsigned *free_bytes, unsigned *total_bytes);
int cuDeviceTotalMem(unsigned *bytes, int device);
int cuArrayCreate(void **array, const struct hcs_cu_array_v1 *descriptor);
int cuArray3DCreate(void **array, const struct hcs_cu_array3d_v1 *descriptor);
/* Virtual memory: the memory lives until its last handle is released and its last mapping is gone. */
int cuMemCreate(uint64_t *handle, size_t bytes, const struct hcs_cu_allocation *properties, uint64_t flags);
int cuMemRelease(uint64_t handle);
int cuMemMap(uint64_t address, size_t bytes, size_t offset, uint64_t handle, uint64_t flags);
int cuMemUnmap(uint64_t address, size_t bytes);
int cuMemRetainAllocationHandle(uint64_t *handle, void *address);
int cuMemImportFromShareableHandle(uint64_t *handle, void *os_handle, int type);
int cuMemPoolCreate(void **pool, const struct hcs_cu_pool *properties);
int cuMemPoolDestroy(void *pool);
int cuDeviceGetDefaultMemPool(void **pool, int device);
int cuDeviceGetMemPool(void **pool, int device);
int cuMemGetMemPool(void **pool, struct hcs_cu_memory_location *location, int type); /* 13.0 */
int cuMemGetDefaultMemPool(void **pool, struct hcs_cu_memory_location *location, int type); /* 13.0 */
/* Graphs whose nodes allocate. */
int cuGraphAddMemAllocNode(void **node, void *graph, void *const *dependencies, size_t count,
                           struct hcs_cu_memory_node *parameters);
int cuGraphAddNode(void **node, void *graph, void *const *dependencies, size_t count,
                   struct hcs_cu_graph_node *parameters);
int cuGraphAddNode_v2(void **node, void *graph, void *const *dependencies, const void *edges, size_t count,
                      struct hcs_cu_graph_node *parameters);
int cuGraphUpload(void *executable, void *stream);
int cuGraphUpload_ptsz(void *executable, void *stream);
int cuGraphLaunch(void *executable, void *stream);
int cuGraphLaunch_ptsz(void *executable, void *stream);
int cuDeviceGetGraphMemAttribute(int device, int attribute, void *value);
int cuDeviceGraphMemTrim(int device);
/* A name without its suffix, and a CUDA version: the pointer of the revision that goes with it. */
int cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags);
int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status);

/* libnvidia-ml.so.1: only what is answered with the quota; layouts in nvml_abi.h. */
#define HCS_NVML_FUNCTION_NOT_FOUND 13
struct hcs_nvml_memory {
    uint64_t total;
    uint64_t free;
    uint64_t used;
};
struct hcs_nvml_memory_v2 {
    unsigned version;
    uint64_t total;
    uint64_t reserved;
    uint64_t free;
    uint64_t used;
};
int nvmlDeviceGetMemoryInfo(void *device, struct hcs_nvml_memory *memory);
int nvmlDeviceGetMemoryInfo_v2(void *device, struct hcs_nvml_memory_v2 *memory);
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned capacity);

#endif
