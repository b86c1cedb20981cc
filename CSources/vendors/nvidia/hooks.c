/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA: two layers. libcudart calls libcuda through pointers that it fetches itself, so both are hooked, and the
 * outermost one charges.
 */
#include <string.h>

#include "bodies.h"

#include "cuda_abi.h"

#define HCS_DRIVER "libcuda.so.1"

static int runtime_device(const void *real, int *ret_ordinal) {
    __typeof__(cudaGetDevice) *get_device = (__typeof__(cudaGetDevice) *)hcs_query(HCS_INDEX_cudaGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CUDA_SYMBOL_NOT_FOUND;
}

static int driver_device(const void *real, int *ret_ordinal) {
    __typeof__(cuCtxGetDevice) *get_device = (__typeof__(cuCtxGetDevice) *)hcs_query(HCS_INDEX_cuCtxGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CU_NOT_FOUND;
}

static void print_uuid(const struct hcs_cuda_uuid *uuid, char *ret_text) {
    static const char digits[] = "0123456789abcdef";
    char *out = ret_text;
    for (const char *prefix = "GPU-"; *prefix; prefix++)
        *out++ = *prefix;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[uuid->bytes[i] >> 4];
        *out++ = digits[uuid->bytes[i] & 15];
    }
    *out = '\0';
}

/* Runtime ordinal and driver device number are the same: both count what CUDA_VISIBLE_DEVICES leaves. The _v2 function
 * (11.4) names the MIG instance where the older one names its card. */
static int device_uuid(const void *real, int ordinal, char *ret_uuid) {
    (void)real;
    __typeof__(cuDeviceGetUuid) *get_uuid =
        (__typeof__(cuDeviceGetUuid) *)hcs_query_in(HCS_INDEX_cuDeviceGetUuid_v2, HCS_DRIVER);
    if (!get_uuid)
        get_uuid = (__typeof__(cuDeviceGetUuid) *)hcs_query_in(HCS_INDEX_cuDeviceGetUuid, HCS_DRIVER);
    if (!get_uuid)
        return -ENOENT;
    struct hcs_cuda_uuid uuid;
    int status = get_uuid(&uuid, ordinal);
    if (status == HCS_CU_NOT_INITIALIZED) {
        /* A runtime may answer cudaGetDevice before it initialised the driver; cuInit is idempotent. */
        __typeof__(cuInit) *init = (__typeof__(cuInit) *)hcs_query_in(HCS_INDEX_cuInit, HCS_DRIVER);
        if (init && init(0) == HCS_CU_SUCCESS)
            status = get_uuid(&uuid, ordinal);
    }
    if (status != HCS_CU_SUCCESS)
        return -EIO;
    print_uuid(&uuid, ret_uuid);
    return 0;
}

#define HCS_QUERY_DRIVER(name) ((__typeof__(name) *)hcs_query_in(HCS_INDEX_##name, HCS_DRIVER))

/* A question about memory ends the captures of a thread, or of all, whose mode forbids it; nobody's while the thread that
 * asks is in the relaxed mode, which costs two calls that only exchange a word of the thread's. -1: nothing to restore. */
static int relax(void) {
    __typeof__(cuThreadExchangeStreamCaptureMode) *exchange = HCS_QUERY_DRIVER(cuThreadExchangeStreamCaptureMode);
    int mode = HCS_CU_CAPTURE_RELAXED;
    return exchange && exchange(&mode) == HCS_CU_SUCCESS ? mode : -1;
}
static int restored(int mode, int status) {
    if (mode >= 0)
        (void)HCS_QUERY_DRIVER(cuThreadExchangeStreamCaptureMode)(&mode);
    return status;
}

static int graph_reserved(const void *real, int ordinal, uint64_t *ret_bytes) {
    (void)real;
    __typeof__(cuDeviceGetGraphMemAttribute) *get = HCS_QUERY_DRIVER(cuDeviceGetGraphMemAttribute);
    int mode = relax();
    return restored(mode, get ? get(ordinal, HCS_CU_GRAPH_MEMORY_RESERVED, ret_bytes) : HCS_CU_NOT_FOUND);
}

/* Both layers' pools are the driver's. */
static int current_pool(const void *near, int ordinal, uint64_t *ret_pool) {
    (void)near;
    __typeof__(cuDeviceGetMemPool) *get = HCS_QUERY_DRIVER(cuDeviceGetMemPool);
    void *pool = NULL;
    int mode = relax();
    int status = restored(mode, get ? get(&pool, ordinal) : HCS_CU_NOT_FOUND);
    *ret_pool = (uintptr_t)pool;
    return status;
}
static int pool_reserved(const void *near, uint64_t pool, uint64_t *ret_bytes) {
    (void)near;
    __typeof__(cuMemPoolGetAttribute) *get = HCS_QUERY_DRIVER(cuMemPoolGetAttribute);
    int mode = relax();
    return restored(mode, get ? get((void *)(uintptr_t)pool, HCS_CU_POOL_RESERVED, ret_bytes) : HCS_CU_NOT_FOUND);
}
static int trim_pool(const void *near, uint64_t pool) {
    (void)near;
    __typeof__(cuMemPoolTrimTo) *trim = HCS_QUERY_DRIVER(cuMemPoolTrimTo);
    int mode = relax();
    return restored(mode, trim ? trim((void *)(uintptr_t)pool, 0) : HCS_CU_NOT_FOUND);
}
static const struct hcs_pool_questions pool_questions = {HCS_CU_SUCCESS, 0, current_pool, pool_reserved, trim_pool};

/* The manual: "invalid value" for a pointer that no context with unified addressing has allocated. */
static int knows_pointer(const void *real, uint64_t number) {
    (void)real;
    __typeof__(cuPointerGetAttribute) *get = HCS_QUERY_DRIVER(cuPointerGetAttribute);
    unsigned type;
    int mode = relax();
    int status = restored(mode, get ? get(&type, HCS_CU_POINTER_MEMORY_TYPE, number) : HCS_CU_NOT_FOUND);
    return status == HCS_CU_SUCCESS ? 1 : status == HCS_CU_INVALID_VALUE ? 0 : -1;
}

/* Libraries retain and release the primary context as they come and go: only the last release frees. */
static int is_active(int device) {
    __typeof__(cuDevicePrimaryCtxGetState) *get = HCS_QUERY_DRIVER(cuDevicePrimaryCtxGetState);
    unsigned flags;
    int active = 0;
    return get && get(device, &flags, &active) == HCS_CU_SUCCESS && active;
}

/* A PiB: more than a device has, and what a library may add to it in rounding is still a number. */
static void refuse(void) {
    __typeof__(cudaMalloc) *allocate = (__typeof__(cudaMalloc) *)hcs_real(HCS_INDEX_cudaMalloc, NULL);
    void *pointer = NULL;
    int mode = relax();
    if (allocate && allocate(&pointer, (size_t)1 << 50) == HCS_CUDA_SUCCESS)
        (void)HCS_UNDO(cudaFree, (pointer));
    (void)restored(mode, 0);
}

static const struct hcs_layer cuda_runtime = {
    .vendor = HCS_VENDOR_NVIDIA,
    .success = HCS_CUDA_SUCCESS,
    .out_of_memory = HCS_CUDA_MEMORY_ALLOCATION,
    .missing = HCS_CUDA_INITIALIZATION_ERROR,
    .current_device = runtime_device,
    .device_uuid = device_uuid,
    .graph_reserved = graph_reserved,
    .refuse = refuse,
    .pools = &pool_questions,
    .knows_pointer = knows_pointer,
};

static const struct hcs_layer cuda_driver = {
    .vendor = HCS_VENDOR_NVIDIA,
    .success = HCS_CU_SUCCESS,
    .out_of_memory = HCS_CU_OUT_OF_MEMORY,
    .missing = HCS_CU_NOT_INITIALIZED,
    .current_device = driver_device,
    .device_uuid = device_uuid,
    .graph_reserved = graph_reserved,
    .pools = &pool_questions,
    .knows_pointer = knows_pointer,
};

static const struct hcs_layer nvml = {.vendor = HCS_VENDOR_NVIDIA, .missing = HCS_NVML_FUNCTION_NOT_FOUND};

/* --- where memory comes from ---------------------------------------------------------------------------------------------- */

/* A kind of place that is newer than this list is taken for one of the current device's. */
static int location_device(const struct hcs_cu_memory_location *location) {
    if (location->type == HCS_CU_LOCATION_DEVICE)
        return location->id;
    return location->type >= 0 && location->type <= HCS_CU_LOCATION_HOST_LAST ? HCS_NOWHERE : HCS_CURRENT;
}

/* Managed memory is charged wherever it would rather be, as that of cuMemAllocManaged is. */
static int place_of_pool(const struct hcs_cu_memory_location *location, int type) {
    int ordinal = location ? location_device(location) : HCS_CURRENT;
    return ordinal == HCS_NOWHERE && type == HCS_CU_ALLOCATION_MANAGED ? HCS_CURRENT : ordinal;
}

/* While a stream is captured, a call on it makes a node of a graph and happens at each launch. */
static int is_capturing(void *stream, int per_thread) {
    if ((!stream && !per_thread) || stream == (void *)HCS_CU_STREAM_LEGACY)
        return 0; /* the legacy stream cannot be captured, and asking would end another stream's capture */
    __typeof__(cuStreamIsCapturing) *ask =
        per_thread ? HCS_QUERY_DRIVER(cuStreamIsCapturing_ptsz) : HCS_QUERY_DRIVER(cuStreamIsCapturing);
    int capturing = 0;
    return ask && ask(stream, &capturing) == HCS_CU_SUCCESS && capturing != 0;
}

/* The device of a stream whose context is not the current one. */
static int context_device(void *context) {
    __typeof__(cuCtxPushCurrent_v2) *push = HCS_QUERY_DRIVER(cuCtxPushCurrent_v2);
    __typeof__(cuCtxPopCurrent_v2) *pop = HCS_QUERY_DRIVER(cuCtxPopCurrent_v2);
    int device = HCS_CURRENT;
    if (!push || !pop || push(context) != HCS_CU_SUCCESS)
        return HCS_CURRENT;
    if (driver_device(NULL, &device) != HCS_CU_SUCCESS)
        device = HCS_CURRENT;
    (void)pop(&context);
    return device;
}

static int stream_device(const struct hcs_layer *layer, void *stream, int per_thread) {
    void *theirs = NULL, *current = NULL;
    if (is_capturing(stream, per_thread)) {
        int ordinal;
        if (layer->current_device(NULL, &ordinal) == layer->success)
            hcs_graph_note(layer, ordinal);
        return HCS_NOWHERE; /* the graph pays, at launch */
    }
    if ((uintptr_t)stream <= HCS_CU_STREAM_PER_THREAD)
        return HCS_CURRENT;
    __typeof__(cuStreamGetCtx) *get = HCS_QUERY_DRIVER(cuStreamGetCtx);
    __typeof__(cuCtxGetCurrent) *get_current = HCS_QUERY_DRIVER(cuCtxGetCurrent);
    if (!get || !get_current || get(stream, &theirs) != HCS_CU_SUCCESS || get_current(&current) != HCS_CU_SUCCESS)
        return HCS_CURRENT;
    return theirs == current ? HCS_CURRENT : context_device(theirs);
}

static int pool_device(const struct hcs_layer *layer, void *pool, void *stream, int per_thread) {
    int of_stream = stream_device(layer, stream, per_thread);
    return of_stream == HCS_NOWHERE ? HCS_NOWHERE : hcs_pool_device(layer->vendor, (uintptr_t)pool);
}

/* A free that becomes a graph's node has freed nothing yet. */
static int freed_now(void *stream, int per_thread) { return !is_capturing(stream, per_thread); }

static int is_memory_node(const struct hcs_cu_graph_node *node) { return node && node->type == HCS_CU_GRAPH_NODE_MEMORY; }

/* --- sizes ------------------------------------------------------------------------------------------------------------------ */

/* CUarray_format. An element of a format that is newer than this list counts 4 bytes for each channel. */
static uint64_t element_bytes(int format, unsigned channels) {
    switch (format) {
    case 0x01: /* 8-bit integers */
    case 0x08:
    case 0xb0: /* NV12: a plane of 8-bit luma, chroma in the height */
        return channels;
    case 0x02: /* 16-bit integers, half */
    case 0x09:
    case 0x10:
        return (uint64_t)channels * 2;
    default:
        return (uint64_t)channels * 4;
    }
}

static uint64_t array_bytes(const struct hcs_cu_array *d) {
    return d ? hcs_array_bytes(d->width, d->height, 0, element_bytes(d->format, d->channels)) : 0;
}
static uint64_t array_v1_bytes(const struct hcs_cu_array_v1 *d) {
    return d ? hcs_array_bytes(d->width, d->height, 0, element_bytes(d->format, d->channels)) : 0;
}

static int has_no_memory(unsigned flags) { return (flags & (HCS_CU_ARRAY_SPARSE | HCS_CU_ARRAY_DEFERRED_MAPPING)) != 0; }
static int is_layered(unsigned flags) { return (flags & (HCS_CU_ARRAY_LAYERED | HCS_CU_ARRAY_CUBEMAP)) != 0; }

static uint64_t array3d_bytes(const struct hcs_cu_array3d *d) {
    if (!d || has_no_memory(d->flags))
        return 0;
    return hcs_array_bytes(d->width, d->height, d->depth, element_bytes(d->format, d->channels));
}
static uint64_t array3d_v1_bytes(const struct hcs_cu_array3d_v1 *d) {
    if (!d || has_no_memory(d->flags))
        return 0;
    return hcs_array_bytes(d->width, d->height, d->depth, element_bytes(d->format, d->channels));
}
static uint64_t mipmapped_bytes(const struct hcs_cu_array3d *d, unsigned levels) {
    if (!d || has_no_memory(d->flags))
        return 0;
    return hcs_mipmapped_bytes(d->width, d->height, d->depth, element_bytes(d->format, d->channels), levels,
                               is_layered(d->flags));
}

static uint64_t channel_bytes(const struct hcs_cuda_channels *c) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits += c->bits[i] > 0 ? (uint64_t)c->bits[i] : 0;
    return (bits + 7) / 8;
}
static uint64_t runtime_array_bytes(const struct hcs_cuda_channels *c, struct hcs_cuda_extent e, unsigned flags) {
    return c && !has_no_memory(flags) ? hcs_array_bytes(e.width, e.height, e.depth, channel_bytes(c)) : 0;
}
static uint64_t runtime_mipmapped_bytes(const struct hcs_cuda_channels *c, struct hcs_cuda_extent e, unsigned levels,
                                        unsigned flags) {
    if (!c || has_no_memory(flags))
        return 0;
    return hcs_mipmapped_bytes(e.width, e.height, e.depth, channel_bytes(c), levels, is_layered(flags));
}

/* --- questions -------------------------------------------------------------------------------------------------------------- */

static void narrow_v1(const void *real, int ordinal, unsigned *free_bytes, unsigned *total_bytes) {
    size_t free_now = free_bytes ? *free_bytes : 0, total = total_bytes ? *total_bytes : 0;
    hcs_info_narrow(&cuda_driver, real, ordinal, &free_now, &total);
    if (free_bytes)
        *free_bytes = (unsigned)free_now;
    if (total_bytes)
        *total_bytes = (unsigned)total;
}

static void narrow_properties(const void *real, void *properties, int ordinal) {
    size_t total;
    if (!properties)
        return;
    memcpy(&total, (char *)properties + HCS_CUDA_PROPERTIES_TOTAL, sizeof total);
    hcs_info_narrow(&cuda_runtime, real, ordinal, NULL, &total);
    memcpy((char *)properties + HCS_CUDA_PROPERTIES_TOTAL, &total, sizeof total);
}

static int nvml_uuid(const void *real, void *device, char *ret_uuid, unsigned capacity) {
    int (*get)(void *, char *, unsigned) = (int (*)(void *, char *, unsigned))hcs_query(HCS_INDEX_nvmlDeviceGetUUID, real);
    return get && get(device, ret_uuid, capacity) == nvml.success;
}

static void narrow_nvml(const void *real, void *device, struct hcs_nvml_memory *memory) {
    char uuid[96];
    if (nvml_uuid(real, device, uuid, sizeof uuid) &&
        hcs_report_narrow(HCS_VENDOR_NVIDIA, uuid, -1, &memory->free, &memory->total))
        memory->used = memory->total > memory->free ? memory->total - memory->free : 0;
}

/* What the driver keeps for itself is outside the quota, so no part of the total that is shown. */
static void narrow_nvml_v2(const void *real, void *device, struct hcs_nvml_memory_v2 *memory) {
    char uuid[96];
    if (!nvml_uuid(real, device, uuid, sizeof uuid) ||
        !hcs_report_narrow(HCS_VENDOR_NVIDIA, uuid, -1, &memory->free, &memory->total))
        return;
    memory->reserved = 0;
    memory->used = memory->total > memory->free ? memory->total - memory->free : 0;
}

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
