/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of the simulated HIP libraries: libgalaxyhip.so.5 of Hygon's DTK, whose symbols carry no version
 * nodes, and libamdhip64.so.5 and .6 (HIP_MAJOR), whose do. HIP_VISIBLE_DEVICES rules; without it HIP reads
 * CUDA_VISIBLE_DEVICES. As in the real ones, public functions call public functions, and what interposes one sees that.
 */
#ifndef HIP_PRIVATE_H
#define HIP_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"

#ifndef HIP_MAJOR
#define HIP_MAJOR 5
#endif
#define API HCS_SIM_EXPORT hipError_t

typedef int hipError_t;
enum {
    hipSuccess = 0,
    hipErrorInvalidValue = 1,
    hipErrorOutOfMemory = 2,
    hipErrorNoDevice = 100,
    hipErrorInvalidDevice = 101,
    hipErrorInvalidContext = 201,
    hipErrorInvalidHandle = 400,
    hipErrorNotFound = 500,
    hipErrorNotSupported = 801,
    hipErrorUnknown = 999,
};

struct hipExtent {
    size_t width, height, depth;
};
struct hipPitchedPtr {
    void *ptr;
    size_t pitch, xsize, ysize;
};
struct hipChannelFormatDesc {
    int x, y, z, w; /* bits */
    int f;          /* 0 signed, 1 unsigned, 2 float */
};
struct location {
    int type; /* 1 = device */
    int id;
};
/* hipMemAllocationProp, 32 bytes. */
struct allocation_properties {
    int type; /* 1 = pinned */
    int handle_types;
    struct location location;
    void *security;
    uint8_t flags[8];
};
/* hipMemPoolProps, 88 bytes. */
struct pool_properties {
    int type;
    int handle_types;
    struct location location;
    void *security;
    size_t maximum;
    uint8_t rest[56];
};
/* HIP_ARRAY_DESCRIPTOR, 24 bytes, and HIP_ARRAY3D_DESCRIPTOR, 40 bytes. */
struct array_shape {
    size_t width, height;
    unsigned format, channels;
};
struct array3d_shape {
    size_t width, height, depth;
    unsigned format, channels, flags;
};
_Static_assert(sizeof(struct allocation_properties) == 32 && sizeof(struct pool_properties) == 88, "properties");
_Static_assert(sizeof(struct array_shape) == 24 && sizeof(struct array3d_shape) == 40, "array descriptors");

hipError_t hip_translate(enum hcs_sim_result result);
hipError_t hip_note(hipError_t result); /* remembered as the thread's last error */
hipError_t hip_ready(void);
hipError_t hip_device_at(int ordinal, const void *out, struct hcs_sim_view *view);

/* Public functions that others call. */
hipError_t hipMalloc(void **pointer, size_t bytes);
hipError_t hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
hipError_t hipMallocFromPoolAsync(void **pointer, size_t bytes, struct hcs_sim_pool *pool, void *stream);
hipError_t hipFree(void *pointer);
hipError_t hipArray3DCreate(void **array, const struct array3d_shape *shape);
hipError_t hipArrayDestroy(void *array);
hipError_t hipMipmappedArrayCreate(void **array, const struct array3d_shape *shape, unsigned levels);
hipError_t hipMipmappedArrayDestroy(void *array);
hipError_t hipHostMalloc(void **pointer, size_t bytes, unsigned flags);
hipError_t hipHostFree(void *pointer);

#endif
