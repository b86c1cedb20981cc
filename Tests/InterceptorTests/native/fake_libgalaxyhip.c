/* SPDX-License-Identifier: Apache-2.0 */
#define FAKE_BASE UINT64_C(0x720000000000)
#include "fake_objects.h"

#include <string.h>

#include "hip_abi.h"

#define DEVICE host_index("HIP_VISIBLE_DEVICES", current_ordinal)

int hipSetDevice(int ordinal) {
    current_ordinal = ordinal;
    return HCS_HIP_SUCCESS;
}

int hipGetDevice(int *ordinal) {
    *ordinal = current_ordinal;
    return HCS_HIP_SUCCESS;
}

int hipDeviceGetUuid(struct hcs_hip_uuid *uuid, int device) {
    memcpy(uuid->bytes, "00000000deadbee0", 16);
    uuid->bytes[15] = (char)('0' + host_index("HIP_VISIBLE_DEVICES", device));
    return HCS_HIP_SUCCESS;
}

int hipMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    if (!pointer)
        return HCS_HIP_INVALID_VALUE;
    if (bytes != 0 && fake_allocate(DEVICE, bytes, &address))
        return HCS_HIP_OUT_OF_MEMORY;
    *pointer = (void *)(uintptr_t)address;
    return HCS_HIP_SUCCESS;
}

int hipFree(void *pointer) {
    return pointer && fake_free((uintptr_t)pointer) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS;
}

int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_HIP_SUCCESS;
}

/* --- the other ways, each through an exported name of its own --------------------------------------------------------------- */

#define HOST_OF(ordinal) host_index("HIP_VISIBLE_DEVICES", ordinal)

static int take(int host, void **pointer, uint64_t bytes) {
    uint64_t address;
    if (fake_allocate(host, bytes, &address))
        return HCS_HIP_OUT_OF_MEMORY;
    *pointer = (void *)(uintptr_t)address;
    return HCS_HIP_SUCCESS;
}

int hipExtMallocWithFlags(void **pointer, size_t bytes, unsigned flags) { return flags > 4 ? HCS_HIP_INVALID_VALUE : hipMalloc(pointer, bytes); }
int hipMallocManaged(void **pointer, size_t bytes, unsigned flags) { return flags ? hipMalloc(pointer, bytes) : HCS_HIP_INVALID_VALUE; }
int hipStreamGetDevice(void *stream, int *device) {
    *device = (int)((uintptr_t)stream - 0x1000);
    return HCS_HIP_SUCCESS;
}
int hipStreamIsCapturing(void *stream, int *status) {
    *status = stream == (void *)0x3000;
    return HCS_HIP_SUCCESS;
}
static uint64_t graph_bytes, graph_reserved;
static void *graph_pointer;
int hipMallocAsync(void **pointer, size_t bytes, void *stream) {
    if (stream == (void *)0x3000) {
        graph_bytes += bytes;
        *pointer = (void *)0x123456789000;
        return HCS_HIP_SUCCESS;
    }
    return take(stream ? HOST_OF((int)((uintptr_t)stream - 0x1000)) : DEVICE, pointer, bytes);
}
int hipFreeAsync(void *pointer, void *stream) { return stream == (void *)0x3000 ? HCS_HIP_SUCCESS : hipFree(pointer); }
int hipMemPoolCreate(void **pool, const struct hcs_hip_allocation *properties) {
    static struct hcs_hip_location pools[16];
    static int count;
    pools[count] = properties->location;
    *pool = &pools[count++];
    return HCS_HIP_SUCCESS;
}
int hipMemPoolDestroy(void *pool) { return pool ? HCS_HIP_SUCCESS : HCS_HIP_INVALID_VALUE; }
int hipMallocFromPoolAsync(void **pointer, size_t bytes, void *pool, void *stream) {
    (void)stream;
    return take(HOST_OF(((const struct hcs_hip_location *)pool)->id), pointer, bytes);
}
int hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    *pitch = (width + 4095) / 4096 * 4096;
    return hipMalloc(pointer, *pitch * height);
}
int hipMemAllocPitch(void **pointer, size_t *pitch, size_t width, size_t height, unsigned element) {
    (void)element;
    return hipMallocPitch(pointer, pitch, width, height);
}
int hipMalloc3D(struct hcs_hip_pitched *pointer, struct hcs_hip_extent extent) {
    return hipMallocPitch(&pointer->pointer, &pointer->pitch, extent.width, extent.height * extent.depth);
}
static uint64_t elements(uint64_t width, uint64_t height, uint64_t depth) { return width * (height ? height : 1) * (depth ? depth : 1); }
static uint64_t element(const struct hcs_hip_channels *c) { return (uint64_t)(c->bits[0] + c->bits[1] + c->bits[2] + c->bits[3]) / 8; }
int hipMalloc3DArray(void **array, const struct hcs_hip_channels *channels, struct hcs_hip_extent extent, unsigned flags) {
    (void)flags;
    return take(DEVICE, array, elements(extent.width, extent.height, extent.depth) * element(channels));
}
int hipMallocArray(void **array, const struct hcs_hip_channels *channels, size_t width, size_t height, unsigned flags) {
    return hipMalloc3DArray(array, channels, (struct hcs_hip_extent){width, height, 0}, flags);
}
int hipMallocMipmappedArray(void **array, const struct hcs_hip_channels *channels, struct hcs_hip_extent extent,
                            unsigned levels, unsigned flags) {
    (void)levels;
    return hipMalloc3DArray(array, channels, extent, flags);
}
int hipArrayCreate(void **array, const struct hcs_hip_array *d) { return take(DEVICE, array, elements(d->width, d->height, 0) * d->channels); }
int hipArray3DCreate(void **array, const struct hcs_hip_array3d *d) {
    return take(DEVICE, array, elements(d->width, d->height, d->depth) * d->channels);
}
int hipMipmappedArrayCreate(void **array, struct hcs_hip_array3d *d, unsigned levels) {
    (void)levels;
    return hipArray3DCreate(array, d);
}
int hipFreeArray(void *array) { return hipFree(array); }
int hipFreeMipmappedArray(void *array) { return hipFree(array); }
int hipArrayDestroy(void *array) { return hipFree(array); }
int hipMipmappedArrayDestroy(void *array) { return hipFree(array); }

int hipMemCreate(void **handle, size_t bytes, const struct hcs_hip_allocation *properties, uint64_t flags) {
    (void)flags;
    return fake_create(HOST_OF(properties->location.id), bytes, (uint64_t *)handle) ? HCS_HIP_OUT_OF_MEMORY : HCS_HIP_SUCCESS;
}
int hipMemRelease(void *handle) { return fake_release((uintptr_t)handle) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS; }
int hipMemMap(void *address, size_t bytes, size_t offset, void *handle, uint64_t flags) {
    (void)offset, (void)flags;
    return fake_map((uintptr_t)address, bytes, (uintptr_t)handle) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS;
}
int hipMemUnmap(void *address, size_t bytes) { return fake_unmap((uintptr_t)address, bytes) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS; }
int hipMemRetainAllocationHandle(void **handle, void *address) {
    return fake_retain((uintptr_t)address, (uint64_t *)handle) ? HCS_HIP_INVALID_VALUE : HCS_HIP_SUCCESS;
}

int hipGraphAddMemAllocNode(void **node, void *graph, void *const *dependencies, size_t count,
                            struct hcs_hip_memory_node *parameters) {
    (void)graph, (void)dependencies, (void)count;
    *node = (void *)1;
    graph_bytes += parameters->bytes;
    return HCS_HIP_SUCCESS;
}
int hipGraphAddNode(void **node, void *graph, void *const *dependencies, size_t count,
                    struct hcs_hip_graph_node *parameters) {
    return hipGraphAddMemAllocNode(node, graph, dependencies, count, &parameters->memory);
}
int hipGraphLaunch(void *executable, void *stream) {
    (void)executable, (void)stream;
    graph_reserved = graph_bytes;
    return graph_pointer || !graph_bytes ? HCS_HIP_SUCCESS : take(DEVICE, &graph_pointer, graph_bytes);
}
int hipDeviceGetGraphMemAttribute(int device, int attribute, void *value) {
    uint64_t now = device == 0 && attribute == HCS_HIP_GRAPH_MEMORY_RESERVED ? graph_reserved : 0;
    memcpy(value, &now, sizeof now);
    return HCS_HIP_SUCCESS;
}
int hipDeviceGraphMemTrim(int device) {
    (void)device;
    void *was = graph_pointer;
    graph_reserved = graph_bytes = 0;
    graph_pointer = NULL;
    return hipFree(was);
}

int hipDeviceTotalMem(size_t *bytes, int device) {
    (void)device;
    *bytes = TRUTH_PHYSICAL;
    return HCS_HIP_SUCCESS;
}
static int properties_at(void *properties, size_t offset) {
    uint64_t total = TRUTH_PHYSICAL;
    memset(properties, 0x5a, 1024);
    memcpy((char *)properties + offset, &total, sizeof total);
    return HCS_HIP_SUCCESS;
}
int hipGetDeviceProperties(void *properties, int ordinal) {
    (void)ordinal;
    return properties_at(properties, HCS_HIP_PROPERTIES_R0000_TOTAL);
}
int hipGetDevicePropertiesR0600(void *properties, int ordinal) {
    (void)ordinal;
    return properties_at(properties, HCS_HIP_PROPERTIES_R0600_TOTAL);
}
int hipGetProcAddress(const char *symbol, void **function, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    *function = strcmp(symbol, "hipMalloc") == 0 ? (void *)hipMalloc : NULL;
    if (status)
        *status = *function == NULL;
    return *function ? HCS_HIP_SUCCESS : HCS_HIP_NOT_FOUND;
}
