/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated HIP: arrays and virtual memory management.
 */
#include "hip_private.h"

#include <string.h>

/* Arrays */

static size_t element_bytes(unsigned format, unsigned channels) {
    if (channels != 1 && channels != 2 && channels != 4)
        return 0;
    switch (format) {
    case 0x01: /* unsigned and signed 8 bits */
    case 0x08:
        return channels;
    case 0x02: /* unsigned, signed and floating 16 bits */
    case 0x09:
    case 0x10:
        return 2u * channels;
    case 0x03: /* unsigned, signed and floating 32 bits */
    case 0x0a:
    case 0x20:
        return 4u * channels;
    default:
        return 0;
    }
}

static size_t times(size_t a, size_t b) {
    size_t product;
    return __builtin_mul_overflow(a, b == 0 ? 1 : b, &product) ? SIZE_MAX : product;
}

static hipError_t create(enum hcs_sim_kind kind, void **array, const struct array3d_shape *shape, unsigned levels) {
    size_t sum = 0;
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (array == NULL || shape == NULL || shape->width == 0 || element_bytes(shape->format, shape->channels) == 0)
        return hip_note(hipErrorInvalidValue);
    for (unsigned level = 0; level < levels; level++) {
        size_t width = shape->width >> level, height = shape->height >> level, depth = shape->depth >> level;
        size_t bytes =
            times(times(times(width == 0 ? 1 : width, height), depth), element_bytes(shape->format, shape->channels));
        if (__builtin_add_overflow(sum, bytes, &sum))
            sum = SIZE_MAX;
    }
    return hip_note(hip_translate(hcs_sim_allocate(kind, HCS_SIM_CURRENT, sum, array)));
}

API hipArray3DCreate(void **array, const struct array3d_shape *shape) {
    hcs_sim_count_call();
    return create(HCS_SIM_ARRAY, array, shape, 1);
}

API hipArrayCreate(void **array, const struct array_shape *shape) {
    hcs_sim_count_call();
    if (shape == NULL)
        return hip_note(hipErrorInvalidValue);
    struct array3d_shape flat = {shape->width, shape->height, 0, shape->format, shape->channels, 0};
    return hipArray3DCreate(array, &flat);
}

API hipArrayDestroy(void *array) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (array == NULL)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hcs_sim_release(HCS_SIM_ARRAY, array) == HCS_SIM_OK ? hipSuccess : hipErrorInvalidHandle);
}

API hipFreeArray(void *array) {
    hcs_sim_count_call();
    return hipArrayDestroy(array);
}

static bool shape_of(const struct hipChannelFormatDesc *format, struct hipExtent extent, unsigned flags,
                     struct array3d_shape *ret) {
    static const unsigned formats[3][3] = {{0x08, 0x09, 0x0a}, {0x01, 0x02, 0x03}, {0, 0x10, 0x20}};
    if (format == NULL || format->f < 0 || format->f > 2)
        return false;
    int size = format->x == 8 ? 0 : format->x == 16 ? 1 : format->x == 32 ? 2 : -1;
    if (size < 0 || formats[format->f][size] == 0)
        return false;
    unsigned channels = 1u + (format->y != 0) + (format->z != 0) + (format->w != 0);
    *ret = (struct array3d_shape){extent.width, extent.height, extent.depth, formats[format->f][size], channels, flags};
    return true;
}

API hipMalloc3DArray(void **array, const struct hipChannelFormatDesc *format, struct hipExtent extent, unsigned flags) {
    struct array3d_shape shape;
    hcs_sim_count_call();
    return shape_of(format, extent, flags, &shape) ? hipArray3DCreate(array, &shape) : hip_note(hipErrorInvalidValue);
}

API hipMallocArray(void **array, const struct hipChannelFormatDesc *format, size_t width, size_t height,
                   unsigned flags) {
    struct array3d_shape shape;
    hcs_sim_count_call();
    if (!shape_of(format, (struct hipExtent){width, height, 0}, flags, &shape))
        return hip_note(hipErrorInvalidValue);
    return hipArray3DCreate(array, &shape);
}

API hipMipmappedArrayCreate(void **array, const struct array3d_shape *shape, unsigned levels) {
    hcs_sim_count_call();
    if (levels == 0 || levels > 32)
        return hip_note(hipErrorInvalidValue);
    return create(HCS_SIM_MIPMAP, array, shape, levels);
}

API hipMallocMipmappedArray(void **array, const struct hipChannelFormatDesc *format, struct hipExtent extent,
                            unsigned levels, unsigned flags) {
    struct array3d_shape shape;
    hcs_sim_count_call();
    if (!shape_of(format, extent, flags, &shape))
        return hip_note(hipErrorInvalidValue);
    return hipMipmappedArrayCreate(array, &shape, levels);
}

API hipMipmappedArrayDestroy(void *array) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    return hip_note(hcs_sim_release(HCS_SIM_MIPMAP, array) == HCS_SIM_OK ? hipSuccess : hipErrorInvalidHandle);
}

API hipFreeMipmappedArray(void *array) {
    hcs_sim_count_call();
    return hipMipmappedArrayDestroy(array);
}

/* Virtual memory */

static hipError_t granularity_of(const struct allocation_properties *properties, uint64_t *ret) {
    struct hcs_sim_view view;
    if (properties == NULL || properties->type != 1 || properties->location.type != 1)
        return hip_note(hipErrorInvalidValue);
    hipError_t result = hip_device_at(properties->location.id, ret, &view);
    if (result == hipSuccess)
        *ret = hcs_sim_granularity(&view);
    return result;
}

API hipMemGetAllocationGranularity(size_t *granularity, const struct allocation_properties *properties, int option) {
    if (granularity == NULL || option < 0 || option > 1)
        return hip_note(hipErrorInvalidValue);
    return granularity_of(properties, granularity);
}

API hipMemCreate(struct hcs_sim_physical **handle, size_t bytes, const struct allocation_properties *properties,
                 uint64_t flags) {
    uint64_t granularity = 0;
    hcs_sim_count_call();
    hipError_t result = granularity_of(properties, &granularity);
    if (result != hipSuccess)
        return result;
    if (handle == NULL || bytes == 0 || bytes % granularity != 0 || flags != 0)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_physical_create(HCS_SIM_ON_DEVICE, properties->location.id, bytes, handle)));
}

API hipMemRelease(struct hcs_sim_physical *handle) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    return hip_note(result == hipSuccess ? hip_translate(hcs_sim_physical_release(handle)) : result);
}

API hipMemAddressReserve(void **pointer, size_t bytes, size_t alignment, void *hint, uint64_t flags) {
    (void)alignment;
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (pointer == NULL || bytes == 0 || flags != 0)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_address_reserve(bytes, hint, pointer)));
}

API hipMemAddressFree(void *pointer, size_t bytes) {
    hipError_t result = hip_ready();
    return hip_note(result == hipSuccess ? hip_translate(hcs_sim_address_free(pointer, bytes)) : result);
}

API hipMemMap(void *pointer, size_t bytes, size_t offset, struct hcs_sim_physical *handle, uint64_t flags) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (flags != 0 || offset != 0)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_map(pointer, bytes, offset, handle)));
}

API hipMemUnmap(void *pointer, size_t bytes) {
    hipError_t result = hip_ready();
    return hip_note(result == hipSuccess ? hip_translate(hcs_sim_unmap(pointer, bytes)) : result);
}

API hipMemSetAccess(void *pointer, size_t bytes, const void *access, size_t count) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (access == NULL || count == 0)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_set_access(pointer, bytes)));
}

API hipMemRetainAllocationHandle(struct hcs_sim_physical **handle, void *address) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    return hip_note(handle == NULL ? hipErrorInvalidValue : hip_translate(hcs_sim_physical_retain(address, handle)));
}

API hipMemExportToShareableHandle(void *shareable, struct hcs_sim_physical *handle, int type, uint64_t flags) {
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (shareable == NULL || type != 1 || flags != 0)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_physical_export(handle, shareable)));
}

/* Here the descriptor is behind the pointer, where CUDA has it in the pointer. */
API hipMemImportFromShareableHandle(struct hcs_sim_physical **handle, void *shareable, int type) {
    hcs_sim_count_call();
    hipError_t result = hip_ready();
    if (result != hipSuccess)
        return hip_note(result);
    if (handle == NULL || shareable == NULL || type != 1)
        return hip_note(hipErrorInvalidValue);
    return hip_note(hip_translate(hcs_sim_physical_import(*(const int *)shareable, handle)));
}
