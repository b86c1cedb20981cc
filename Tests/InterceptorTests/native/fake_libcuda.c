/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation function of the driver API over fake_memory.h. A context is 0x2000 + device, a stream 0x1000 + device,
 * 0x3000 a stream that is being captured. Objects with a life of their own (virtual memory, pools, graphs) are kept in
 * small tables without locks: the tests that use them have one thread.
 */
#define FAKE_BASE UINT64_C(0x700000000000)
#include "fake_objects.h"

#include <string.h>

#include "cuda_abi.h"

#define DEVICE host_index("CUDA_VISIBLE_DEVICES", current_ordinal)
#define HOST_OF(ordinal) host_index("CUDA_VISIBLE_DEVICES", ordinal)

int fake_per_thread_calls; /* of _ptsz functions */

int cuInit(unsigned flags) { return flags ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }

int cuCtxGetDevice(int *device) {
    *device = current_ordinal;
    return HCS_CU_SUCCESS;
}

/* The fake runtime's cudaSetDevice. */
void fake_cuda_set_device(int ordinal);
void fake_cuda_set_device(int ordinal) { current_ordinal = ordinal; }

int cuCtxGetCurrent(void **context) {
    *context = (void *)(uintptr_t)(0x2000 + current_ordinal);
    return HCS_CU_SUCCESS;
}
static int pushed;
int cuCtxPushCurrent_v2(void *context) {
    pushed = current_ordinal;
    current_ordinal = (int)((uintptr_t)context - 0x2000);
    return HCS_CU_SUCCESS;
}
int cuCtxPopCurrent_v2(void **context) {
    cuCtxGetCurrent(context);
    current_ordinal = pushed;
    return HCS_CU_SUCCESS;
}
static int ordinal_of(void *stream) { return (uintptr_t)stream & 0x1000 && !((uintptr_t)stream & 0x2000) ? (int)((uintptr_t)stream - 0x1000) : current_ordinal; }
int cuStreamGetCtx(void *stream, void **context) {
    *context = (void *)(uintptr_t)(0x2000 + ordinal_of(stream));
    return HCS_CU_SUCCESS;
}
int cuStreamIsCapturing(void *stream, int *status) {
    *status = stream == (void *)0x3000;
    return HCS_CU_SUCCESS;
}
int cuStreamIsCapturing_ptsz(void *stream, int *status) { return cuStreamIsCapturing(stream, status); }

int cuDeviceGetUuid_v2(struct hcs_cuda_uuid *uuid, int device) {
    *uuid = (struct hcs_cuda_uuid){{0xAB, 0xCD}};
    uuid->bytes[15] = (uint8_t)HOST_OF(device);
    return HCS_CU_SUCCESS;
}

/* --- pointers ------------------------------------------------------------------------------------------------------------ */

static int allocate_on(int host, uint64_t *pointer, size_t bytes) {
    if (!pointer || bytes == 0)
        return HCS_CU_INVALID_VALUE;
    return fake_allocate(host, bytes, pointer) ? HCS_CU_OUT_OF_MEMORY : HCS_CU_SUCCESS;
}
static int release(uint64_t pointer) { return fake_free(pointer) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) { return allocate_on(DEVICE, pointer, bytes); }
int cuMemAllocManaged(uint64_t *pointer, size_t bytes, unsigned flags) {
    return flags ? allocate_on(DEVICE, pointer, bytes) : HCS_CU_INVALID_VALUE;
}
/* Elements of 4 bytes get a smaller pitch than a caller would reserve, others a larger one. */
int cuMemAllocPitch_v2(uint64_t *pointer, size_t *pitch, size_t width, size_t height, unsigned element) {
    size_t unit = element == 4 ? 32 : 4096;
    *pitch = (width + unit - 1) / unit * unit;
    return allocate_on(DEVICE, pointer, *pitch * height);
}
int cuMemFree_v2(uint64_t pointer) { return release(pointer); }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_CU_SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = TRUTH_PHYSICAL;
    return HCS_CU_SUCCESS;
}

static uint64_t graph_bytes;
static int in_graph(uint64_t *pointer, size_t bytes) {
    graph_bytes += bytes;
    *pointer = 0x123456789000;
    return HCS_CU_SUCCESS;
}
int cuMemAllocAsync(uint64_t *pointer, size_t bytes, void *stream) {
    if (stream == (void *)0x3000)
        return in_graph(pointer, bytes);
    return allocate_on(HOST_OF(ordinal_of(stream)), pointer, bytes);
}
int cuMemAllocAsync_ptsz(uint64_t *pointer, size_t bytes, void *stream) {
    fake_per_thread_calls++;
    return allocate_on(HOST_OF(ordinal_of(stream)), pointer, bytes);
}
int cuMemFreeAsync(uint64_t pointer, void *stream) { return stream == (void *)0x3000 ? HCS_CU_SUCCESS : release(pointer); }
int cuMemFreeAsync_ptsz(uint64_t pointer, void *stream) {
    (void)stream;
    fake_per_thread_calls++;
    return release(pointer);
}

/* --- pools ----------------------------------------------------------------------------------------------------------------- */

static struct hcs_cu_memory_location pools[64];
static uint32_t pool_count;
int cuMemPoolCreate(void **pool, const struct hcs_cu_pool *properties) {
    pools[pool_count] = properties->location;
    *pool = &pools[pool_count++];
    return HCS_CU_SUCCESS;
}
int cuMemPoolDestroy(void *pool) { return pool ? HCS_CU_SUCCESS : HCS_CU_INVALID_VALUE; }
int cuDeviceGetDefaultMemPool(void **pool, int device) {
    static struct hcs_cu_memory_location defaults[TRUTH_DEVICES];
    defaults[device] = (struct hcs_cu_memory_location){HCS_CU_LOCATION_DEVICE, device};
    *pool = &defaults[device];
    return HCS_CU_SUCCESS;
}
int cuDeviceGetMemPool(void **pool, int device) { return cuDeviceGetDefaultMemPool(pool, device); }
int cuMemAllocFromPoolAsync(uint64_t *pointer, size_t bytes, void *pool, void *stream) {
    const struct hcs_cu_memory_location *at = pool;
    (void)stream;
    if (at->type != HCS_CU_LOCATION_DEVICE) {
        *pointer = 0x222222220000;
        return HCS_CU_SUCCESS;
    }
    return allocate_on(HOST_OF(at->id), pointer, bytes);
}
int cuMemAllocFromPoolAsync_ptsz(uint64_t *pointer, size_t bytes, void *pool, void *stream) {
    fake_per_thread_calls++;
    return cuMemAllocFromPoolAsync(pointer, bytes, pool, stream);
}

/* --- arrays ---------------------------------------------------------------------------------------------------------------- */

static int make_array(void **array, uint64_t bytes) {
    uint64_t pointer;
    int status = allocate_on(DEVICE, &pointer, bytes);
    if (status == HCS_CU_SUCCESS)
        *array = (void *)(uintptr_t)pointer;
    return status;
}
static uint64_t elements(uint64_t width, uint64_t height, uint64_t depth) {
    return width * (height ? height : 1) * (depth ? depth : 1);
}
/* Where it is not 0: the next array's handle is this number, whatever else may have it. */
uint64_t fake_array_number;
static uint64_t array_behind_number, number_of_array;
int cuArrayCreate_v2(void **array, const struct hcs_cu_array *d) {
    int status = make_array(array, elements(d->width, d->height, 0) * d->channels);
    if (status == HCS_CU_SUCCESS && fake_array_number) {
        array_behind_number = (uintptr_t)*array;
        *array = (void *)(uintptr_t)(number_of_array = fake_array_number);
        fake_array_number = 0;
    }
    return status;
}
int cuArray3DCreate_v2(void **array, const struct hcs_cu_array3d *d) {
    if (d->flags & HCS_CU_ARRAY_SPARSE) {
        *array = (void *)0x555000;
        return HCS_CU_SUCCESS;
    }
    return make_array(array, elements(d->width, d->height, d->depth) * d->channels);
}
int cuMipmappedArrayCreate(void **array, const struct hcs_cu_array3d *d, unsigned levels) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < levels; i++)
        sum += elements(d->width >> i ? d->width >> i : 1, d->height >> i, d->depth >> i) * d->channels;
    return make_array(array, sum);
}
int cuArrayDestroy(void *array) {
    return release(number_of_array && (uintptr_t)array == number_of_array ? array_behind_number : (uintptr_t)array);
}
int cuMipmappedArrayDestroy(void *array) { return release((uintptr_t)array); }

/* --- first revisions: 32 bits ---------------------------------------------------------------------------------------------- */

static int allocate_small(uint32_t *pointer, uint64_t bytes) {
    uint64_t wide;
    int status = allocate_on(DEVICE, &wide, bytes);
    if (status == HCS_CU_SUCCESS)
        *pointer = (uint32_t)(wide - FAKE_BASE);
    return status;
}
int cuMemAlloc(uint32_t *pointer, unsigned bytes) { return allocate_small(pointer, bytes); }
int cuMemAllocPitch(uint32_t *pointer, unsigned *pitch, unsigned width, unsigned height, unsigned element) {
    (void)element;
    *pitch = (width + 511) / 512 * 512;
    return allocate_small(pointer, (uint64_t)*pitch * height);
}
int cuMemFree(uint32_t pointer) { return release(FAKE_BASE + pointer); }
int cuMemGetInfo(unsigned *free_bytes, unsigned *total_bytes) {
    *free_bytes = *total_bytes = UINT32_MAX;
    return HCS_CU_SUCCESS;
}
int cuDeviceTotalMem(unsigned *bytes, int device) {
    (void)device;
    *bytes = UINT32_MAX;
    return HCS_CU_SUCCESS;
}
int cuArrayCreate(void **array, const struct hcs_cu_array_v1 *d) { return make_array(array, elements(d->width, d->height, 0) * d->channels); }
int cuArray3DCreate(void **array, const struct hcs_cu_array3d_v1 *d) {
    return make_array(array, elements(d->width, d->height, d->depth) * d->channels);
}

/* --- virtual memory -------------------------------------------------------------------------------------------------------- */

int cuMemCreate(uint64_t *handle, size_t bytes, const struct hcs_cu_allocation *properties, uint64_t flags) {
    (void)flags;
    if (!handle || !properties || bytes == 0)
        return HCS_CU_INVALID_VALUE;
    int host = properties->location.type == HCS_CU_LOCATION_DEVICE ? HOST_OF(properties->location.id) : -1;
    return fake_create(host, bytes, handle) ? HCS_CU_OUT_OF_MEMORY : HCS_CU_SUCCESS;
}
int cuMemRelease(uint64_t handle) { return fake_release(handle) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }
int cuMemMap(uint64_t address, size_t bytes, size_t offset, uint64_t handle, uint64_t flags) {
    (void)offset, (void)flags;
    return fake_map(address, bytes, handle) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS;
}
int cuMemUnmap(uint64_t address, size_t bytes) { return fake_unmap(address, bytes) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }
int cuMemRetainAllocationHandle(uint64_t *handle, void *address) {
    return fake_retain((uintptr_t)address, handle) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS;
}
/* Another process's memory: FOREIGN_HANDLE; with a type of 7 this process's own handle once more. */
int cuMemImportFromShareableHandle(uint64_t *handle, void *os_handle, int type) {
    if (type == 7) {
        physical[(uintptr_t)os_handle - FIRST_HANDLE].handles++;
        *handle = (uintptr_t)os_handle;
    } else {
        *handle = FOREIGN_HANDLE;
    }
    return HCS_CU_SUCCESS;
}
int cuIpcOpenMemHandle_v2(uint64_t *pointer, uint64_t handle, unsigned flags);
int cuIpcOpenMemHandle_v2(uint64_t *pointer, uint64_t handle, unsigned flags) {
    (void)flags;
    *pointer = handle;
    return HCS_CU_SUCCESS;
}

/* --- graphs: nodes are added up, and taken from the device at the launch ---------------------------------------------------- */

static uint64_t graph_pointer, graph_reserved;
int cuGraphAddMemAllocNode(void **node, void *graph, void *const *dependencies, size_t count,
                           struct hcs_cu_memory_node *parameters) {
    (void)graph, (void)dependencies, (void)count;
    *node = (void *)1;
    return in_graph(&parameters->pointer, parameters->bytes);
}
int cuGraphAddNode_v2(void **node, void *graph, void *const *dependencies, const void *edges, size_t count,
                      struct hcs_cu_graph_node *parameters) {
    (void)edges;
    return parameters->type == HCS_CU_GRAPH_NODE_MEMORY
               ? cuGraphAddMemAllocNode(node, graph, dependencies, count, &parameters->memory)
               : HCS_CU_SUCCESS;
}
int cuGraphLaunch(void *executable, void *stream) {
    (void)executable, (void)stream;
    if (graph_reserved < graph_bytes && graph_pointer == 0) {
        graph_reserved = graph_bytes;
        return allocate_on(DEVICE, &graph_pointer, graph_bytes);
    }
    return HCS_CU_SUCCESS;
}
/* Two names of one function. */
static int graph_upload(void *executable, void *stream) { return executable || stream ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }
int cuGraphUpload(void *executable, void *stream) __attribute__((alias("graph_upload")));
int cuGraphUpload_ptsz(void *executable, void *stream) __attribute__((alias("graph_upload")));
int cuDeviceGetGraphMemAttribute(int device, int attribute, void *value) {
    uint64_t now = device == 0 && attribute == HCS_CU_GRAPH_MEMORY_RESERVED ? graph_reserved : 0;
    memcpy(value, &now, sizeof now);
    return HCS_CU_SUCCESS;
}
int cuDeviceGraphMemTrim(int device) {
    (void)device;
    if (graph_pointer)
        fake_free(graph_pointer);
    graph_pointer = graph_reserved = graph_bytes = 0;
    return HCS_CU_SUCCESS;
}

/* --- doors ------------------------------------------------------------------------------------------------------------------ */

/* Exported by nobody, and of a revision that no hook knows. */
static int alloc_of_the_future(uint64_t *pointer, size_t bytes, uint64_t how) {
    (void)how;
    return cuMemAlloc_v2(pointer, bytes);
}
int cuMemAlloc_v9(uint64_t *pointer, size_t bytes, uint64_t how);
int cuMemAlloc_v9(uint64_t *pointer, size_t bytes, uint64_t how) { return alloc_of_the_future(pointer, bytes, how); }
/* The same function under an address that is no symbol's, as a driver's private table has it. */
static int private_free(uint64_t pointer) { return release(pointer); }

int cuGetProcAddress_v2(const char *symbol, void **function, int version, uint64_t flags, int *status) {
    static const struct {
        const char *name;
        int since;
        uint64_t flags;
        void *function;
    } table[] = {
        {"cuMemAlloc", 20000, 0, (void *)cuMemAlloc_v9},         {"cuMemAlloc", 3020, 0, (void *)cuMemAlloc_v2},
        {"cuMemAlloc", 0, 0, (void *)cuMemAlloc},                {"cuMemFree", 9000, 0, (void *)private_free},
        {"cuMemFree", 3020, 0, (void *)cuMemFree_v2},            {"cuMemAllocAsync", 11020, 2, (void *)cuMemAllocAsync_ptsz},
        {"cuMemAllocAsync", 11020, 0, (void *)cuMemAllocAsync},  {"cuMemGetInfo", 3020, 0, (void *)cuMemGetInfo_v2},
        {"cuGetProcAddress", 12000, 0, (void *)cuGetProcAddress_v2}, {"cuGetProcAddress", 11030, 0, (void *)cuGetProcAddress},
        {"cuInit", 0, 0, (void *)cuInit},                        {"cuGraphUpload", 11010, 0, (void *)graph_upload},
        {"cuGraphUpload", 11010, 2, (void *)graph_upload},
    };
    for (size_t i = 0; symbol && i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, symbol) == 0 && version >= table[i].since && (flags & 2) == table[i].flags) {
            if (function)
                *function = table[i].function;
            if (status)
                *status = 0;
            return HCS_CU_SUCCESS;
        }
    if (function)
        *function = NULL;
    if (status)
        *status = 1;
    return symbol && symbol[0] ? HCS_CU_NOT_FOUND : HCS_CU_INVALID_VALUE;
}
int cuGetProcAddress(const char *symbol, void **function, int version, uint64_t flags) {
    return cuGetProcAddress_v2(symbol, function, version, flags, NULL);
}

/* Frees as a device reset does: by a way that no hook sees. */
int fake_free_unseen(uint64_t pointer);
int fake_free_unseen(uint64_t pointer) { return fake_free(pointer); }
int fake_release_unseen(uint64_t handle);
int fake_release_unseen(uint64_t handle) { return fake_release(handle); }
int fake_unmap_unseen(uint64_t address, uint64_t bytes);
int fake_unmap_unseen(uint64_t address, uint64_t bytes) { return fake_unmap(address, bytes); }
