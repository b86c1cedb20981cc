/* SPDX-License-Identifier: Apache-2.0
 *
 * HIP, Hygon's and AMD's. Its calls re-enter each other through exported names, which the per-thread depth answers.
 */
#include <string.h>

#include "bodies.h"

#include "hip_abi.h"

static int current_device(const void *real, int *ret_ordinal) {
    __typeof__(hipGetDevice) *get_device = (__typeof__(hipGetDevice) *)hcs_query(HCS_INDEX_hipGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_HIP_NOT_FOUND;
}

static int device_uuid(const void *real, int ordinal, char *ret_uuid) {
    __typeof__(hipDeviceGetUuid) *get_uuid = (__typeof__(hipDeviceGetUuid) *)hcs_query(HCS_INDEX_hipDeviceGetUuid, real);
    if (!get_uuid)
        return -ENOSYS;
    struct hcs_hip_uuid uuid;
    if (get_uuid(&uuid, ordinal) != HCS_HIP_SUCCESS)
        return -EIO;
    memcpy(ret_uuid, "GPU-", 4);
    for (int i = 0; i < 16; i++) {
        char c = uuid.bytes[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return -EIO;
        ret_uuid[4 + i] = c;
    }
    ret_uuid[20] = '\0';
    return 0;
}

/* As with CUDA: what is asked of memory may end a capture, but for a thread in the relaxed mode. -1: nothing to restore. */
static int relax(const void *near) {
    __typeof__(hipThreadExchangeStreamCaptureMode) *exchange =
        (__typeof__(hipThreadExchangeStreamCaptureMode) *)hcs_query(HCS_INDEX_hipThreadExchangeStreamCaptureMode, near);
    int mode = HCS_HIP_CAPTURE_RELAXED;
    return exchange && exchange(&mode) == HCS_HIP_SUCCESS ? mode : -1;
}
static int restored(const void *near, int mode, int status) {
    if (mode >= 0)
        (void)((__typeof__(hipThreadExchangeStreamCaptureMode) *)hcs_query(
            HCS_INDEX_hipThreadExchangeStreamCaptureMode, near))(&mode);
    return status;
}

static int graph_reserved(const void *real, int ordinal, uint64_t *ret_bytes) {
    __typeof__(hipDeviceGetGraphMemAttribute) *get =
        (__typeof__(hipDeviceGetGraphMemAttribute) *)hcs_query(HCS_INDEX_hipDeviceGetGraphMemAttribute, real);
    int mode = relax(real);
    return restored(real, mode, get ? get(ordinal, HCS_HIP_GRAPH_MEMORY_RESERVED, ret_bytes) : HCS_HIP_NOT_FOUND);
}

static int current_pool(const void *near, int ordinal, uint64_t *ret_pool) {
    __typeof__(hipDeviceGetMemPool) *get = (__typeof__(hipDeviceGetMemPool) *)hcs_query(HCS_INDEX_hipDeviceGetMemPool, near);
    void *pool = NULL;
    int mode = relax(near);
    int status = restored(near, mode, get ? get(&pool, ordinal) : HCS_HIP_NOT_FOUND);
    *ret_pool = (uintptr_t)pool;
    return status;
}
static int pool_reserved(const void *near, uint64_t pool, uint64_t *ret_bytes) {
    __typeof__(hipMemPoolGetAttribute) *get =
        (__typeof__(hipMemPoolGetAttribute) *)hcs_query(HCS_INDEX_hipMemPoolGetAttribute, near);
    int mode = relax(near);
    return restored(near, mode, get ? get((void *)(uintptr_t)pool, HCS_HIP_POOL_RESERVED, ret_bytes) : HCS_HIP_NOT_FOUND);
}
static int trim_pool(const void *near, uint64_t pool) {
    __typeof__(hipMemPoolTrimTo) *trim = (__typeof__(hipMemPoolTrimTo) *)hcs_query(HCS_INDEX_hipMemPoolTrimTo, near);
    int mode = relax(near);
    return restored(near, mode, trim ? trim((void *)(uintptr_t)pool, 0) : HCS_HIP_NOT_FOUND);
}
static const struct hcs_pool_questions pool_questions = {HCS_HIP_SUCCESS, 1, current_pool, pool_reserved, trim_pool};

/* A "no" would stay behind as the program's last error: it is cleared again, and not asked for where there is one. */
static int knows_pointer(const void *real, uint64_t number) {
    __typeof__(hipPointerGetAttribute) *get =
        (__typeof__(hipPointerGetAttribute) *)hcs_query(HCS_INDEX_hipPointerGetAttribute, real);
    __typeof__(hipPeekAtLastError) *peek = (__typeof__(hipPeekAtLastError) *)hcs_query(HCS_INDEX_hipPeekAtLastError, real);
    __typeof__(hipGetLastError) *clear = (__typeof__(hipGetLastError) *)hcs_query(HCS_INDEX_hipGetLastError, real);
    unsigned type;
    if (!get || !peek || !clear || peek() != HCS_HIP_SUCCESS)
        return -1;
    int status = get(&type, HCS_HIP_POINTER_MEMORY_TYPE, (void *)(uintptr_t)number);
    if (status != HCS_HIP_SUCCESS)
        (void)clear();
    return status == HCS_HIP_SUCCESS ? 1 : status == HCS_HIP_INVALID_VALUE ? 0 : -1;
}

/* A PiB: more than a device has. Before HIP 7 a call that succeeds, as the last one here, forgets the error again. */
static void refuse(void) {
    __typeof__(hipMalloc) *allocate = (__typeof__(hipMalloc) *)hcs_real(HCS_INDEX_hipMalloc, NULL);
    void *pointer = NULL;
    int mode = relax((const void *)allocate);
    if (allocate && allocate(&pointer, (size_t)1 << 50) == HCS_HIP_SUCCESS)
        (void)HCS_UNDO(hipFree, (pointer));
    (void)restored((const void *)allocate, mode, 0);
}

static const struct hcs_layer hip_runtime = {
    .vendor = HCS_VENDOR_HYGON,
    .success = HCS_HIP_SUCCESS,
    .out_of_memory = HCS_HIP_OUT_OF_MEMORY,
    .missing = HCS_HIP_NOT_INITIALIZED,
    .current_device = current_device,
    .device_uuid = device_uuid,
    .graph_reserved = graph_reserved,
    .pools = &pool_questions,
    .knows_pointer = knows_pointer,
    .reset_ends_pools = 1,
    .refuse = refuse,
    .visibility = {"HIP_VISIBLE_DEVICES"}, /* for a runtime older than 5.2, which has no hipDeviceGetUuid */
};

static const struct hcs_layer rsmi = {.vendor = HCS_VENDOR_HYGON, .missing = HCS_RSMI_NOT_SUPPORTED};

/* --- where memory comes from ---------------------------------------------------------------------------------------------- */

static int location_device(const struct hcs_hip_location *location) {
    return location->type == HCS_HIP_LOCATION_DEVICE ? location->id : HCS_NOWHERE;
}

#define HCS_QUERY_HIP(name) ((__typeof__(name) *)hcs_query(HCS_INDEX_##name, hcs_real(HCS_INDEX_hipMallocAsync, NULL)))

/* While a stream is captured, a call on it makes a node of a graph and happens at each launch. */
static int is_capturing(void *stream) {
    __typeof__(hipStreamIsCapturing) *ask = stream ? HCS_QUERY_HIP(hipStreamIsCapturing) : NULL;
    int capturing = 0;
    return ask && ask(stream, &capturing) == HCS_HIP_SUCCESS && capturing != 0;
}

static int stream_device(void *stream) {
    int ordinal;
    if (is_capturing(stream)) {
        if (current_device(hcs_real(HCS_INDEX_hipMallocAsync, NULL), &ordinal) == HCS_HIP_SUCCESS)
            hcs_graph_note(&hip_runtime, ordinal);
        return HCS_NOWHERE; /* the graph pays, at launch */
    }
    __typeof__(hipStreamGetDevice) *get = stream ? HCS_QUERY_HIP(hipStreamGetDevice) : NULL;
    return get && get(stream, &ordinal) == HCS_HIP_SUCCESS ? ordinal : HCS_CURRENT;
}

static int pool_device(void *pool, void *stream) {
    return stream_device(stream) == HCS_NOWHERE ? HCS_NOWHERE : hcs_pool_device(HCS_VENDOR_HYGON, (uintptr_t)pool);
}

/* --- sizes ------------------------------------------------------------------------------------------------------------------ */

/* hipArray_Format; formats are CUDA's numbers. */
static uint64_t element_bytes(int format, unsigned channels) {
    switch (format) {
    case 0x01:
    case 0x08:
        return channels;
    case 0x02:
    case 0x09:
    case 0x10:
        return (uint64_t)channels * 2;
    default:
        return (uint64_t)channels * 4;
    }
}

static int is_layered(unsigned flags) { return (flags & 5) != 0; }

static uint64_t array_bytes(const struct hcs_hip_array *d) {
    return d ? hcs_array_bytes(d->width, d->height, 0, element_bytes(d->format, d->channels)) : 0;
}
static uint64_t array3d_bytes(const struct hcs_hip_array3d *d) {
    return d ? hcs_array_bytes(d->width, d->height, d->depth, element_bytes(d->format, d->channels)) : 0;
}
static uint64_t mipmapped_bytes(const struct hcs_hip_array3d *d, unsigned levels) {
    if (!d)
        return 0;
    return hcs_mipmapped_bytes(d->width, d->height, d->depth, element_bytes(d->format, d->channels), levels,
                               is_layered(d->flags));
}

static uint64_t channel_bytes(const struct hcs_hip_channels *c) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits += c->bits[i] > 0 ? (uint64_t)c->bits[i] : 0;
    return (bits + 7) / 8;
}
static uint64_t runtime_array_bytes(const struct hcs_hip_channels *c, struct hcs_hip_extent e) {
    return c ? hcs_array_bytes(e.width, e.height, e.depth, channel_bytes(c)) : 0;
}
static uint64_t runtime_mipmapped_bytes(const struct hcs_hip_channels *c, struct hcs_hip_extent e, unsigned levels,
                                        unsigned flags) {
    return c ? hcs_mipmapped_bytes(e.width, e.height, e.depth, channel_bytes(c), levels, is_layered(flags)) : 0;
}

/* --- questions -------------------------------------------------------------------------------------------------------------- */

static void narrow_properties(const void *real, void *properties, size_t offset, int ordinal) {
    size_t total;
    if (!properties)
        return;
    memcpy(&total, (char *)properties + offset, sizeof total);
    hcs_info_narrow(&hip_runtime, real, ordinal, NULL, &total);
    memcpy((char *)properties + offset, &total, sizeof total);
}

static int rsmi_uuid(const void *real, uint32_t index, char *ret_uuid) {
    __typeof__(rsmi_dev_unique_id_get) *get =
        (__typeof__(rsmi_dev_unique_id_get) *)hcs_query(HCS_INDEX_rsmi_dev_unique_id_get, real);
    uint64_t id = 0;
    if (!get || get(index, &id) != rsmi.success)
        return 0;
    memcpy(ret_uuid, "GPU-", 4);
    for (int i = 0; i < 16; i++)
        ret_uuid[4 + i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
    ret_uuid[20] = '\0';
    return 1;
}

static void narrow_rsmi_total(const void *real, uint32_t index, uint64_t *bytes) {
    char uuid[24];
    if (rsmi_uuid(real, index, uuid))
        (void)hcs_report_narrow(HCS_VENDOR_HYGON, uuid, -1, NULL, bytes);
}

static void narrow_rsmi_usage(const void *real, uint32_t index, uint64_t *bytes) {
    char uuid[24];
    __typeof__(rsmi_dev_memory_total_get) *get_total =
        (__typeof__(rsmi_dev_memory_total_get) *)hcs_query(HCS_INDEX_rsmi_dev_memory_total_get, real);
    uint64_t total = 0;
    if (!get_total || get_total(index, HCS_RSMI_VRAM, &total) != rsmi.success || !rsmi_uuid(real, index, uuid))
        return;
    uint64_t remaining = total > *bytes ? total - *bytes : 0;
    if (hcs_report_narrow(HCS_VENDOR_HYGON, uuid, -1, &remaining, &total))
        *bytes = total > remaining ? total - remaining : 0;
}

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
