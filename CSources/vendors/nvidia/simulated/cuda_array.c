/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: arrays and mipmapped arrays. The driver alone knows how an array lies in memory; here it
 * takes its elements' bytes, rounded as any allocation is. Sparse and deferred arrays take nothing by themselves.
 */
#include "cuda_private.h"

#define SPARSE 0x40u
#define DEFERRED_MAPPING 0x80u

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

/* false where the shape is none; a product that overflows is more than any device has. */
static bool bytes_of(const struct array3d_shape *shape, unsigned levels, size_t *ret) {
    size_t element = element_bytes(shape->format, shape->channels), sum = 0;
    size_t width = shape->width, height = shape->height, depth = shape->depth;
    if (element == 0 || width == 0 || (depth != 0 && height == 0 && (shape->flags & 1) == 0))
        return false;
    for (unsigned level = 0; level < levels; level++) {
        size_t bytes;
        if (__builtin_mul_overflow(width, height == 0 ? 1 : height, &bytes) ||
            __builtin_mul_overflow(bytes, depth == 0 ? 1 : depth, &bytes) ||
            __builtin_mul_overflow(bytes, element, &bytes) || __builtin_add_overflow(sum, bytes, &sum)) {
            sum = SIZE_MAX;
            break;
        }
        width = width > 1 ? width / 2 : 1;
        height = height > 1 ? height / 2 : height;
        if ((shape->flags & 1) == 0) /* layers stay */
            depth = depth > 1 ? depth / 2 : depth;
    }
    *ret = sum;
    return true;
}

static CUresult create(enum hcs_sim_kind kind, const struct array3d_shape *shape, unsigned levels, void **ret) {
    size_t bytes;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (ret == NULL || !bytes_of(shape, levels, &bytes))
        return CUDA_ERROR_INVALID_VALUE;
    if ((shape->flags & (SPARSE | DEFERRED_MAPPING)) != 0)
        return cuda_alias_array(kind, ret);
    return cuda_translate(hcs_sim_allocate(kind, HCS_SIM_CURRENT, bytes, ret));
}

CUresult cuda_alias_array(enum hcs_sim_kind kind, void **ret) {
    return cuda_translate(hcs_sim_alias(kind, HCS_SIM_CURRENT, 1, ret));
}

static CUresult destroy(enum hcs_sim_kind kind, void *array) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    return hcs_sim_release(kind, array) == HCS_SIM_OK ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API cuArrayCreate_v2(void **array, const struct array_shape *shape) {
    hcs_sim_count_call();
    if (shape == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    struct array3d_shape flat = {shape->width, shape->height, 0, shape->format, shape->channels, 0};
    return create(HCS_SIM_ARRAY, &flat, 1, array);
}

API cuArray3DCreate_v2(void **array, const struct array3d_shape *shape) {
    hcs_sim_count_call();
    return shape == NULL ? CUDA_ERROR_INVALID_VALUE : create(HCS_SIM_ARRAY, shape, 1, array);
}

API cuArrayDestroy(void *array) {
    hcs_sim_count_call();
    return destroy(HCS_SIM_ARRAY, array);
}

API cuMipmappedArrayCreate(void **array, const struct array3d_shape *shape, unsigned levels) {
    hcs_sim_count_call();
    if (shape == NULL || levels == 0 || levels > 32)
        return CUDA_ERROR_INVALID_VALUE;
    return create(HCS_SIM_MIPMAP, shape, levels, array);
}

API cuMipmappedArrayDestroy(void *array) {
    hcs_sim_count_call();
    return destroy(HCS_SIM_MIPMAP, array);
}

/* A level is a part of its array: an address within it, which nobody destroys. */
API cuMipmappedArrayGetLevel(void **level, void *array, unsigned index) {
    struct hcs_sim_block block;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (level == NULL || !hcs_sim_block_of(HCS_SIM_MIPMAP, array, &block) || block.address != array)
        return CUDA_ERROR_INVALID_VALUE;
    *level = (char *)array + 64 + index;
    return CUDA_SUCCESS;
}
