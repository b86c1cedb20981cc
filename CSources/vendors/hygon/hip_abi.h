/* SPDX-License-Identifier: Apache-2.0
 *
 * HIP runtime (Hygon DTK libgalaxyhip.so.5; AMD libamdhip64.so.{4,5,6,7}): the part HCS calls, hooks or simulates.
 * Source: "HIP Runtime API Reference", ROCm 6.2 (Memory Management, Device Management); unchanged since ROCm 5.2.
 * hipError_t is a 4-byte enum. AMD's symbols carry version nodes (hipMalloc@@hip_4.2), Hygon's carry none.
 */
#ifndef HCS_HIP_ABI_H
#define HCS_HIP_ABI_H

#include <stddef.h>
#include <stdint.h>

/* hipError_t */
enum hcs_hip_status {
    HCS_HIP_SUCCESS = 0,
    HCS_HIP_INVALID_VALUE = 1,
    HCS_HIP_OUT_OF_MEMORY = 2,
    HCS_HIP_NOT_INITIALIZED = 3,
    HCS_HIP_INSUFFICIENT_DRIVER = 35,
    HCS_HIP_NO_DEVICE = 100,
    HCS_HIP_INVALID_DEVICE = 101,
    HCS_HIP_INVALID_CONTEXT = 201,
    HCS_HIP_NOT_FOUND = 500,
    HCS_HIP_NOT_SUPPORTED = 801,
    HCS_HIP_UNKNOWN = 999,
};

/* hipUUID: the driver's unique_id as 16 ASCII hexadecimal characters, no terminator. */
struct hcs_hip_uuid {
    char bytes[16];
};

/* HIP_ARRAY_DESCRIPTOR, HIP_ARRAY3D_DESCRIPTOR, hipExtent, hipPitchedPtr, hipChannelFormatDesc: CUDA's layouts. */
struct hcs_hip_array {
    size_t width;
    size_t height;
    int format;
    unsigned channels;
};
struct hcs_hip_array3d {
    size_t width;
    size_t height;
    size_t depth;
    int format;
    unsigned channels;
    unsigned flags; /* 1 layered, 4 cubemap */
};
struct hcs_hip_extent {
    size_t width;
    size_t height;
    size_t depth;
};
struct hcs_hip_pitched {
    void *pointer;
    size_t pitch;
    size_t width;
    size_t height;
};
struct hcs_hip_channels {
    int bits[4];
    int kind;
};
enum { HCS_HIP_LOCATION_DEVICE = 1 };
struct hcs_hip_location {
    int type;
    int id;
};
/* hipMemAllocationProp, hipMemPoolProps: the head, which is the same in both. */
struct hcs_hip_allocation {
    int type;
    int handle_types;
    struct hcs_hip_location location;
};
/* hipMemAllocNodeParams */
struct hcs_hip_memory_node {
    struct hcs_hip_allocation pool;
    uint8_t rest[72];
    const void *access;
    size_t access_count;
    size_t bytes;
    void *pointer; /* out */
};
/* hipGraphNodeParams (ROCm 6): a tagged union */
#define HCS_HIP_GRAPH_NODE_MEMORY 10 /* hipGraphNodeTypeMemAlloc */
struct hcs_hip_graph_node {
    int type;
    int reserved[3];
    struct hcs_hip_memory_node memory; /* where the type says so */
};
enum { HCS_HIP_GRAPH_MEMORY_RESERVED = 2 }; /* hipGraphMemAttrReservedMemCurrent, a uint64_t in bytes */
enum { HCS_HIP_POOL_RESERVED = 5 };         /* hipMemPoolAttrReservedMemCurrent, a uint64_t in bytes */
enum { HCS_HIP_POINTER_MEMORY_TYPE = 2 };   /* HIP_POINTER_ATTRIBUTE_MEMORY_TYPE, an unsigned */
/* hipDeviceProp_t: name[256] is followed by the size in the layout before ROCm 6, by UUID and LUID since. */
#define HCS_HIP_PROPERTIES_R0000_TOTAL 256
#define HCS_HIP_PROPERTIES_R0600_TOTAL 288

_Static_assert(offsetof(struct hcs_hip_memory_node, bytes) == 104, "hipMemAllocNodeParams");

int hipInit(unsigned flags);
int hipGetDeviceCount(int *count);
int hipSetDevice(int ordinal);
int hipGetDevice(int *ordinal);
int hipDeviceGet(int *device, int ordinal);
int hipDeviceGetUuid(struct hcs_hip_uuid *uuid, int device);
int hipDeviceTotalMem(size_t *bytes, int device);
int hipMalloc(void **pointer, size_t bytes);
int hipExtMallocWithFlags(void **pointer, size_t bytes, unsigned flags);
int hipMallocManaged(void **pointer, size_t bytes, unsigned flags);
int hipMallocAsync(void **pointer, size_t bytes, void *stream);
int hipMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream);
int hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
int hipMemAllocPitch(void **pointer, size_t *pitch, size_t width, size_t height, unsigned element);
int hipMalloc3D(struct hcs_hip_pitched *pointer, struct hcs_hip_extent extent);
int hipMallocArray(void **array, const struct hcs_hip_channels *channels, size_t width, size_t height, unsigned flags);
int hipMalloc3DArray(void **array, const struct hcs_hip_channels *channels, struct hcs_hip_extent extent, unsigned flags);
int hipMallocMipmappedArray(void **array, const struct hcs_hip_channels *channels, struct hcs_hip_extent extent,
                            unsigned levels, unsigned flags);
int hipArrayCreate(void **array, const struct hcs_hip_array *descriptor);
int hipArray3DCreate(void **array, const struct hcs_hip_array3d *descriptor);
int hipMipmappedArrayCreate(void **array, struct hcs_hip_array3d *descriptor, unsigned levels);
int hipFree(void *pointer);
int hipFreeAsync(void *pointer, void *stream);
int hipFreeArray(void *array);
int hipFreeMipmappedArray(void *array);
int hipArrayDestroy(void *array);
int hipMipmappedArrayDestroy(void *array);
int hipMemCreate(void **handle, size_t bytes, const struct hcs_hip_allocation *properties, uint64_t flags);
int hipMemRelease(void *handle);
int hipMemMap(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags);
int hipMemUnmap(void *address, size_t bytes);
int hipMemRetainAllocationHandle(void **handle, void *address);
int hipMemImportFromShareableHandle(void **handle, void *os_handle, int type);
int hipMemPoolCreate(void **pool, const struct hcs_hip_allocation *properties);
int hipMemPoolDestroy(void *pool);
int hipDeviceGetDefaultMemPool(void **pool, int device);
int hipDeviceGetMemPool(void **pool, int device);
int hipMemPoolTrimTo(void *pool, size_t keep);
int hipMemPoolGetAttribute(void *pool, int attribute, void *value);
int hipDeviceSynchronize(void);
int hipStreamSynchronize(void *stream);
int hipStreamSynchronize_spt(void *stream);
int hipEventSynchronize(void *event);
int hipDeviceReset(void); /* destroys all memory of the device in this process, and its pools: handles are dead */
int hipPointerGetAttribute(void *value, int attribute, void *pointer); /* 5.0 */
int hipPeekAtLastError(void);
int hipGetLastError(void);
enum { HCS_HIP_CAPTURE_RELAXED = 2 }; /* hipStreamCaptureModeRelaxed */
int hipThreadExchangeStreamCaptureMode(int *mode);
int hipStreamIsCapturing(void *stream, int *status); /* 0 = it is not */
int hipStreamGetDevice(void *stream, int *device);
int hipGraphAddMemAllocNode(void **node, void *graph, void *const *dependencies, size_t count,
                            struct hcs_hip_memory_node *parameters);
int hipGraphAddNode(void **node, void *graph, void *const *dependencies, size_t count,
                    struct hcs_hip_graph_node *parameters);
int hipGraphLaunch(void *executable, void *stream);
int hipDeviceGetGraphMemAttribute(int device, int attribute, void *value);
int hipDeviceGraphMemTrim(int device);
int hipGetDeviceProperties(void *properties, int ordinal);
int hipGetDevicePropertiesR0000(void *properties, int ordinal);
int hipGetDevicePropertiesR0600(void *properties, int ordinal);
int hipGetProcAddress(const char *symbol, void **function, int version, uint64_t flags, int *status); /* ROCm 6 */
int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes);
const char *hipGetErrorString(int status);

/* librocm_smi64.so: only what is answered with the quota; the rest is in rsmi_abi.h. */
#define HCS_RSMI_VRAM 0u
#define HCS_RSMI_NOT_SUPPORTED 2
int rsmi_dev_memory_total_get(uint32_t index, uint32_t type, uint64_t *bytes);
int rsmi_dev_memory_usage_get(uint32_t index, uint32_t type, uint64_t *bytes);
int rsmi_dev_unique_id_get(uint32_t index, uint64_t *id);

#endif
