/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of the simulated libcuda.so.1. Layouts and codes: "CUDA Driver API" reference manual 12.9, cuda.h.
 * The library is linked -Bsymbolic-functions: like the real one it never calls itself through its exported names, and
 * the addresses that cuGetProcAddress gives out are its own, whoever interposes.
 */
#ifndef CUDA_PRIVATE_H
#define CUDA_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"

#define DRIVER_VERSION 13000
#define API HCS_SIM_EXPORT CUresult

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct context *CUcontext;
typedef struct stream *CUstream;
typedef struct hcs_sim_pool *CUmemoryPool;
enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_INVALID_HANDLE = 400,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_SUPPORTED = 801,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
};

/* CUmemLocation; type 1 is a device, 2 and above are host memory. */
struct location {
    int type;
    int id;
};

/* CUmemAllocationProp, 32 bytes. */
struct allocation_properties {
    int type; /* 1 = pinned */
    int handle_types;
    struct location location;
    void *security;
    uint8_t flags[8];
};

/* CUmemPoolProps, 88 bytes. */
struct pool_properties {
    int type;
    int handle_types;
    struct location location;
    void *security;
    size_t maximum;
    uint8_t rest[56];
};

/* CUDA_MEM_ALLOC_NODE_PARAMS, 120 bytes. */
struct node_parameters {
    struct pool_properties pool;
    const void *access;
    size_t access_count;
    size_t bytes;
    CUdeviceptr pointer;
};

/* CUDA_ARRAY_DESCRIPTOR, 24 bytes, and CUDA_ARRAY3D_DESCRIPTOR, 40 bytes. */
struct array_shape {
    size_t width, height;
    unsigned format, channels;
};
struct array3d_shape {
    size_t width, height, depth;
    unsigned format, channels, flags;
};

_Static_assert(sizeof(struct allocation_properties) == 32, "CUmemAllocationProp");
_Static_assert(sizeof(struct pool_properties) == 88, "CUmemPoolProps");
_Static_assert(sizeof(struct node_parameters) == 120 && offsetof(struct node_parameters, pointer) == 112, "alloc node");
_Static_assert(sizeof(struct array_shape) == 24 && sizeof(struct array3d_shape) == 40, "array descriptors");

static inline void *address_of(CUdeviceptr pointer) {
    return (void *)(uintptr_t)pointer;
}

/* cuda_device.c */
CUresult cuda_translate(enum hcs_sim_result result);
CUresult cuda_ready(void);
CUresult cuda_in_context(void); /* and the context's device is the thread's current one */
CUresult cuda_device_at(CUdevice ordinal, const void *out, struct hcs_sim_view *view);

/* cuda_graph.c: the graph that a stream is being captured into, or NULL */
struct graph *cuda_capture_of(CUstream stream);
CUresult cuda_unsafe(void); /* first in what may not be called while a stream is captured, and ends the capture */
CUresult cuda_graph_allocate(struct graph *graph, int ordinal, size_t bytes, CUdeviceptr *ret);
CUresult cuda_graph_free(struct graph *graph, CUdeviceptr pointer);

/* cuda_array.c: a mipmapped array over external memory */
CUresult cuda_alias_array(enum hcs_sim_kind kind, void **ret);

#endif
