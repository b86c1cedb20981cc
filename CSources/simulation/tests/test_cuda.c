/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#define CUDA "libcuda.so.1"
#define CU(name, ...) F(CUDA, int, name, __VA_ARGS__)

struct location {
    int type, id;
};
struct properties {
    int type, handle_types;
    struct location location;
    void *security;
    uint8_t flags[8];
};
struct pool_properties {
    int type, handle_types;
    struct location location;
    uint8_t rest[72];
};
struct node_parameters {
    struct pool_properties pool;
    const void *access;
    size_t access_count, bytes;
    uint64_t pointer;
};

static void start(int device) {
    void *context;
    CHECK_EQUAL(CU(cuInit, unsigned)(0), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRetain, void **, int)(&context, device), 0);
    CHECK_EQUAL(CU(cuCtxSetCurrent, void *)(context), 0);
}

static void linear(void) {
    uint64_t a, b, c;
    size_t pitch, left, total;
    start(0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, 100), 0);
    CHECK_TRUTH(NVIDIA0, 100, 2 * MIB, 1);
    CHECK_EQUAL(CU(cuMemAllocPitch_v2, uint64_t *, size_t *, size_t, size_t, unsigned)(&b, &pitch, 1000, 10, 4), 0);
    CHECK_EQUAL(pitch, 1024);
    CHECK_TRUTH(NVIDIA0, 100 + 10240, 4 * MIB, 2);
    CHECK_EQUAL(CU(cuMemAllocManaged, uint64_t *, size_t, unsigned)(&c, 3 * MIB, 1), 0);
    *(volatile char *)(uintptr_t)c = 1; /* the host may touch it */
    CHECK_TRUTH(NVIDIA0, 100 + 10240 + 3 * MIB, 8 * MIB, 3);
    CHECK_EQUAL(CU(cuMemGetInfo_v2, size_t *, size_t *)(&left, &total), 0);
    CHECK_EQUAL(total, 8 * GIB);
    CHECK_EQUAL(left, 8 * GIB - 8 * MIB);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(a), 0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(a), 1);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(b), 0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(c), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, 9 * GIB), 2);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, SIZE_MAX), 2);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, 0), 1);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(NULL, 1), 1);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
}

static void narrow(void) {
    unsigned pointer = 0, total = 0, left = 0;
    start(0);
    CHECK_EQUAL(CU(cuMemAlloc, unsigned *, unsigned)(&pointer, 1000), 0);
    CHECK(pointer != 0);
    CHECK_TRUTH(NVIDIA0, 1000, 2 * MIB, 1);
    CHECK_EQUAL(CU(cuMemGetInfo, unsigned *, unsigned *)(&left, &total), 0);
    CHECK_EQUAL(total, UINT32_MAX);
    CHECK_EQUAL(CU(cuMemFree, unsigned)(pointer), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
}

static void pools(void) {
    uint64_t a, b, value, most = UINT64_MAX;
    void *pool, *own, *context;
    struct pool_properties properties = {.type = 1, .location = {1, 1}};
    start(0);
    CHECK_EQUAL(CU(cuMemAllocAsync, uint64_t *, size_t, void *)(&a, 3 * MIB, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 3 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CU(cuMemAllocAsync_ptsz, uint64_t *, size_t, void *)(&b, MIB, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 4 * MIB, 4 * MIB, 2); /* out of what is reserved */
    CHECK_EQUAL(CU(cuMemFreeAsync, uint64_t, void *)(a, NULL), 0);
    CHECK_EQUAL(CU(cuMemFreeAsync_ptsz, uint64_t, void *)(b, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 0, 4 * MIB, 0); /* kept until a synchronisation */
    CHECK_EQUAL(CU(cuDeviceGetDefaultMemPool, void **, int)(&pool, 0), 0);
    CHECK_EQUAL(CU(cuMemPoolGetAttribute, void *, int, void *)(pool, 5, &value), 0);
    CHECK_EQUAL(value, 4 * MIB);
    CHECK_EQUAL(CU(cuMemPoolGetAttribute, void *, int, void *)(pool, 8, &value), 0);
    CHECK_EQUAL(value, 4 * MIB);
    CHECK_EQUAL(CU(cuStreamSynchronize, void *)(NULL), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);

    CHECK_EQUAL(CU(cuMemPoolSetAttribute, void *, int, void *)(pool, 4, &most), 0);
    CHECK_EQUAL(CU(cuMemAllocAsync, uint64_t *, size_t, void *)(&a, GIB, NULL), 0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(a), 0); /* any free will do */
    CHECK_EQUAL(CU(cuStreamSynchronize, void *)(NULL), 0);
    CHECK_TRUTH(NVIDIA0, 0, GIB, 0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&b, 8 * GIB), 2); /* no pool gives way to cuMemAlloc */
    CHECK_EQUAL(CU(cuMemPoolTrimTo, void *, size_t)(pool, 64 * MIB), 0);
    CHECK_TRUTH(NVIDIA0, 0, 64 * MIB, 0);
    CHECK_EQUAL(CU(cuMemPoolTrimTo, void *, size_t)(pool, 0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);

    CHECK_EQUAL(CU(cuMemPoolCreate, void **, const void *)(&own, &properties), 0);
    CHECK_EQUAL(CU(cuMemAllocFromPoolAsync, uint64_t *, size_t, void *, void *)(&a, 5 * MIB, own, NULL), 0);
    CHECK_TRUTH(NVIDIA1, 5 * MIB, 6 * MIB, 1); /* the pool's device, not the current one */
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemAllocFromPoolAsync_ptsz, uint64_t *, size_t, void *, void *)(&b, MIB, own, NULL), 0);
    CHECK_EQUAL(CU(cuMemPoolDestroy, void *)(own), 0);
    CHECK_TRUTH(NVIDIA1, 6 * MIB, 6 * MIB, 2); /* memory in use outlives its pool */
    CHECK_EQUAL(CU(cuMemFreeAsync, uint64_t, void *)(a, NULL), 0);
    CHECK_EQUAL(CU(cuMemFreeAsync, uint64_t, void *)(b, NULL), 0);
    CHECK_TRUTH(NVIDIA1, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemPoolDestroy, void *)(own), 1);

    CHECK_EQUAL(CU(cuDevicePrimaryCtxRetain, void **, int)(&context, 1), 0);
    CHECK_EQUAL(CU(cuCtxSetCurrent, void *)(context), 0);
    CHECK_EQUAL(CU(cuMemAllocAsync, uint64_t *, size_t, void *)(&a, MIB, NULL), 0);
    CHECK_TRUTH(NVIDIA1, MIB, 2 * MIB, 1);
}

static void virtual_memory(void) {
    uint64_t handle, again, imported, range, foreign;
    size_t granularity;
    int fd = -1;
    struct properties on1 = {.type = 1, .location = {1, 1}}, on_host = {.type = 1, .location = {2, 0}};
    start(0);
    CHECK_EQUAL(CU(cuMemGetAllocationGranularity, size_t *, const void *, int)(&granularity, &on1, 0), 0);
    CHECK_EQUAL(granularity, 2 * MIB);
    CHECK_EQUAL(CU(cuMemCreate, uint64_t *, size_t, const void *, uint64_t)(&handle, 3 * MIB, &on1, 0), 1);
    CHECK_EQUAL(CU(cuMemCreate, uint64_t *, size_t, const void *, uint64_t)(&handle, 4 * MIB, &on1, 0), 0);
    CHECK_TRUTH(NVIDIA1, 4 * MIB, 4 * MIB, 1);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemCreate, uint64_t *, size_t, const void *, uint64_t)(&again, 4 * MIB, &on_host, 0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(again), 0);
    CHECK_EQUAL(CU(cuMemAddressReserve, uint64_t *, size_t, size_t, uint64_t, uint64_t)(&range, 16 * MIB, 0, 0, 0), 0);
    CHECK_TRUTH(NVIDIA1, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CU(cuMemMap, uint64_t, size_t, size_t, uint64_t, uint64_t)(range, 4 * MIB, 0, handle, 0), 0);
    CHECK_EQUAL(CU(cuMemMap, uint64_t, size_t, size_t, uint64_t, uint64_t)(range, 4 * MIB, 0, handle, 0), 1);
    CHECK_EQUAL(CU(cuMemSetAccess, uint64_t, size_t, const void *, size_t)(range, 4 * MIB, &on1.location, 1), 0);
    CHECK_EQUAL(CU(cuMemsetD8_v2, uint64_t, unsigned char, size_t)(range, 0, 4 * MIB), 0);
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(handle), 0);
    CHECK_TRUTH(NVIDIA1, 4 * MIB, 4 * MIB, 1); /* the mapping holds it */
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(handle), 1);
    CHECK_EQUAL(CU(cuMemRetainAllocationHandle, uint64_t *, void *)(&again, (void *)(uintptr_t)range), 0);
    CHECK_EQUAL(CU(cuMemExportToShareableHandle, void *, uint64_t, int, uint64_t)(&fd, again, 1, 0), 0);
    CHECK_EQUAL(CU(cuMemImportFromShareableHandle, uint64_t *, void *, int)(&imported, (void *)(intptr_t)fd, 1), 0);
    CHECK_TRUTH(NVIDIA1, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CU(cuMemAddressFree, uint64_t, size_t)(range, 16 * MIB), 1); /* something is mapped */
    CHECK_EQUAL(CU(cuMemUnmap, uint64_t, size_t)(range, 2 * MIB), 1);        /* whole mappings only */
    CHECK_EQUAL(CU(cuMemUnmap, uint64_t, size_t)(range, 4 * MIB), 0);
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(imported), 0);
    CHECK_TRUTH(NVIDIA1, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(again), 0);
    CHECK_TRUTH(NVIDIA1, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemAddressFree, uint64_t, size_t)(range, 16 * MIB), 0);
    CHECK_EQUAL(CU(cuMemImportFromShareableHandle, uint64_t *, void *, int)(&foreign, (void *)(intptr_t)fd, 1), 0);
    CHECK_TRUTH(NVIDIA1, 0, 0, 0); /* its creator pays */
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(foreign), 0);
}

static void arrays(void) {
    struct {
        size_t width, height;
        unsigned format, channels;
    } flat = {1000, 1000, 0x20, 4};
    struct {
        size_t width, height, depth;
        unsigned format, channels, flags;
    } deep = {64, 64, 64, 0x01, 1, 0}, pyramid = {256, 256, 0, 0x01, 4, 0}, sparse = {4096, 4096, 0, 0x20, 4, 0x40};
    void *a, *b, *c, *level, *d;
    uint64_t mips = 4 * (256 * 256 + 128 * 128 + 64 * 64);
    start(0);
    CHECK_EQUAL(CU(cuArrayCreate_v2, void **, const void *)(&a, &flat), 0);
    CHECK_TRUTH(NVIDIA0, 16000000, 16 * MIB, 1);
    CHECK_EQUAL(CU(cuArray3DCreate_v2, void **, const void *)(&b, &deep), 0);
    CHECK_TRUTH(NVIDIA0, 16000000 + 64 * 64 * 64, 18 * MIB, 2);
    CHECK_EQUAL(CU(cuMipmappedArrayCreate, void **, const void *, unsigned)(&c, &pyramid, 3), 0);
    CHECK_TRUTH(NVIDIA0, 16000000 + 64 * 64 * 64 + mips, 20 * MIB, 3);
    CHECK_EQUAL(CU(cuMipmappedArrayGetLevel, void **, void *, unsigned)(&level, c, 1), 0);
    CHECK_EQUAL(CU(cuArrayDestroy, void *)(level), 400);
    CHECK_EQUAL(CU(cuArray3DCreate_v2, void **, const void *)(&d, &sparse), 0);
    CHECK_TRUTH(NVIDIA0, 16000000 + 64 * 64 * 64 + mips, 20 * MIB, 3);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)((uintptr_t)a), 1);
    CHECK_EQUAL(CU(cuArrayDestroy, void *)(a), 0);
    CHECK_EQUAL(CU(cuArrayDestroy, void *)(a), 400);
    CHECK_EQUAL(CU(cuArrayDestroy, void *)(b), 0);
    CHECK_EQUAL(CU(cuArrayDestroy, void *)(d), 0);
    CHECK_EQUAL(CU(cuMipmappedArrayDestroy, void *)(c), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    flat.width = SIZE_MAX / 2;
    CHECK_EQUAL(CU(cuArrayCreate_v2, void **, const void *)(&a, &flat), 2);
}

/* Memory by address goes with its context, and with no other; pools and physical memory with none. */
static void contexts(void) {
    struct properties properties = {.type = 1, .location = {1, 0}};
    uint64_t a, b, c, d, handle;
    void *primary, *second, *current;
    unsigned flags;
    int active = 1;
    CHECK_EQUAL(CU(cuInit, unsigned)(0), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRelease_v2, int)(0), 201);
    start(0);
    CHECK_EQUAL(CU(cuCtxGetCurrent, void **)(&primary), 0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, 2 * MIB), 0);
    CHECK_EQUAL(CU(cuMemAllocAsync, uint64_t *, size_t, void *)(&b, 2 * MIB, NULL), 0);
    CHECK_EQUAL(CU(cuMemCreate, uint64_t *, size_t, const void *, uint64_t)(&handle, 2 * MIB, &properties, 0), 0);
    CHECK_EQUAL(CU(cuCtxCreate_v2, void **, unsigned, int)(&second, 0, 0), 0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&c, 4 * MIB), 0);
    CHECK_EQUAL(CU(cuMemAllocManaged, uint64_t *, size_t, unsigned)(&d, 2 * MIB, 1), 0);
    CHECK_TRUTH(NVIDIA0, 12 * MIB, 12 * MIB, 5);
    CHECK_EQUAL(CU(cuCtxDestroy_v2, void *)(second), 0);
    CHECK_TRUTH(NVIDIA0, 6 * MIB, 6 * MIB, 3);
    CHECK_EQUAL(CU(cuCtxDestroy_v2, void *)(second), 201);
    CHECK_EQUAL(CU(cuCtxDestroy_v2, void *)(primary), 201);
    CHECK_EQUAL(CU(cuCtxGetCurrent, void **)(&current), 0);
    CHECK(current == primary);
    CHECK_EQUAL(CU(cuPointerGetAttribute, void *, int, uint64_t)(&flags, 2, c), 1);
    CHECK_EQUAL(CU(cuPointerGetAttribute, void *, int, uint64_t)(&flags, 2, a), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRetain, void **, int)(&primary, 0), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRelease_v2, int)(0), 0);
    CHECK_TRUTH(NVIDIA0, 6 * MIB, 6 * MIB, 3);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRelease_v2, int)(0), 0);
    CHECK_TRUTH(NVIDIA0, 4 * MIB, 4 * MIB, 2);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxGetState, int, unsigned *, int *)(0, &flags, &active), 0);
    CHECK_EQUAL(active, 0);
    CHECK_EQUAL(CU(cuMemRelease, uint64_t)(handle), 0);
    start(0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(b), 0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&a, 2 * MIB), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxReset_v2, int)(0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
}

static void graphs(void) {
    struct node_parameters parameters = {.pool = {.type = 1, .location = {1, 0}}, .bytes = 10 * MIB};
    void *graph, *node, *exec, *stream, *automatic;
    uint64_t used, reserved, captured;
    start(0);
    CHECK_EQUAL(CU(cuGraphCreate, void **, unsigned)(&graph, 0), 0);
    CHECK_EQUAL(CU(cuGraphAddMemAllocNode, void **, void *, void *, size_t, void *)(&node, graph, NULL, 0, &parameters),
                0);
    CHECK(parameters.pointer != 0);
    CHECK_EQUAL(CU(cuGraphInstantiateWithFlags, void **, void *, uint64_t)(&exec, graph, 0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0); /* a launch takes it, nothing before */
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 10 * MIB, 10 * MIB, 1);
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, NULL), 1); /* not freed yet */
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(parameters.pointer), 0);
    CHECK_TRUTH(NVIDIA0, 0, 10 * MIB, 0); /* graph memory stays */
    CHECK_EQUAL(CU(cuDeviceGetGraphMemAttribute, int, int, void *)(0, 0, &used), 0);
    CHECK_EQUAL(CU(cuDeviceGetGraphMemAttribute, int, int, void *)(0, 2, &reserved), 0);
    CHECK_EQUAL(used, 0);
    CHECK_EQUAL(reserved, 10 * MIB);
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 10 * MIB, 10 * MIB, 1);
    CHECK_EQUAL(CU(cuGraphInstantiateWithFlags, void **, void *, uint64_t)(&automatic, graph, 1), 0);
    CHECK_EQUAL(CU(cuGraphLaunch_ptsz, void *, void *)(automatic, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 10 * MIB, 10 * MIB, 1);
    CHECK_EQUAL(
        CU(cuGraphAddMemFreeNode, void **, void *, void *, size_t, uint64_t)(&node, graph, NULL, 0, parameters.pointer),
        0);
    CHECK_EQUAL(CU(cuMemFreeAsync, uint64_t, void *)(parameters.pointer, NULL), 0);
    CHECK_EQUAL(CU(cuGraphInstantiate_v2, void **, void *, void **, char *, size_t)(&exec, graph, NULL, NULL, 0), 0);
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, NULL), 0);
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 0, 10 * MIB, 0);
    CHECK_EQUAL(CU(cuDeviceGraphMemTrim, int)(0), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);

    CHECK_EQUAL(CU(cuStreamCreate, void **, unsigned)(&stream, 0), 0);
    CHECK_EQUAL(CU(cuStreamBeginCapture_v2, void *, int)(stream, 0), 0);
    CHECK_EQUAL(CU(cuMemAllocAsync, uint64_t *, size_t, void *)(&captured, 6 * MIB, stream), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0); /* captured, not done */
    CHECK_EQUAL(CU(cuStreamEndCapture, void *, void **)(stream, &graph), 0);
    CHECK_EQUAL(CU(cuGraphInstantiateWithFlags, void **, void *, uint64_t)(&exec, graph, 0), 0);
    CHECK_EQUAL(CU(cuGraphLaunch, void *, void *)(exec, stream), 0);
    CHECK_TRUTH(NVIDIA0, 6 * MIB, 6 * MIB, 1);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(captured), 0);
    CHECK_TRUTH(NVIDIA0, 0, 6 * MIB, 0);
}

/* What is unsafe during a capture, and whose captures it ends. */
static void captures(void) {
    void *pool, *stream, *graph;
    int relaxed = 2;
    start(0);
    CHECK_EQUAL(CU(cuDeviceGetDefaultMemPool, void **, int)(&pool, 0), 0);
    CHECK_EQUAL(CU(cuStreamCreate, void **, unsigned)(&stream, 0), 0);
    for (int mode = 0; mode <= 2; mode++) {
        int refused = mode == 2 ? 0 : 900;
        CHECK_EQUAL(CU(cuStreamBeginCapture_v2, void *, int)(stream, mode), 0);
        CHECK_EQUAL(CU(cuMemPoolTrimTo, void *, size_t)(pool, 0), refused);
        CHECK_EQUAL(CU(cuStreamEndCapture, void *, void **)(stream, &graph), refused ? 901 : 0);
    }
    CHECK_EQUAL(CU(cuStreamBeginCapture_v2, void *, int)(stream, 0), 0);
    CHECK_EQUAL(CU(cuThreadExchangeStreamCaptureMode, int *)(&relaxed), 0);
    CHECK_EQUAL(relaxed, 0);
    CHECK_EQUAL(CU(cuMemPoolTrimTo, void *, size_t)(pool, 0), 0);
    CHECK_EQUAL(CU(cuStreamEndCapture, void *, void **)(stream, &graph), 0);
    CHECK_EQUAL(CU(cuMemPoolTrimTo, void *, size_t)(pool, 0), 0);
}

static struct hcs_sim_ticket {
    uint64_t words[8];
} *ticket;

static void own_block(void *ignored) {
    uint64_t pointer;
    (void)ignored;
    start(0);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 32 * MIB), 0);
    CHECK_EQUAL(CU(cuIpcGetMemHandle, void *, uint64_t)(ticket, pointer), 0);
    uint64_t again;
    CHECK_EQUAL(CU(cuIpcOpenMemHandle_v2, uint64_t *, struct hcs_sim_ticket, unsigned)(&again, *ticket, 1), 201);
}

static void shared(void) {
    uint64_t pointer;
    ticket = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t owner = check_child(own_block, NULL);
    start(0);
    CHECK_EQUAL(CU(cuIpcOpenMemHandle_v2, uint64_t *, struct hcs_sim_ticket, unsigned)(&pointer, *ticket, 1), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0); /* the owner pays */
    CHECK_EQUAL(check_usage(owner, NVIDIA0).requested, 32 * MIB);
    CHECK_EQUAL(CU(cuMemsetD8_v2, uint64_t, unsigned char, size_t)(pointer, 0, 32 * MIB), 0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(pointer), 1);
    CHECK_EQUAL(CU(cuIpcCloseMemHandle, uint64_t)(pointer), 0);
    check_end(owner, 9);

    struct {
        int type;
        union {
            int fd;
            void *pointers[2];
        } handle;
        uint64_t bytes;
        unsigned rest[18];
    } description = {.type = 1, .handle.fd = 0, .bytes = 64 * MIB};
    struct {
        uint64_t offset, bytes;
        unsigned rest[18];
    } buffer = {0, 64 * MIB, {0}};
    void *external;
    CHECK_EQUAL(CU(cuImportExternalMemory, void **, const void *)(&external, &description), 0);
    CHECK_EQUAL(CU(cuExternalMemoryGetMappedBuffer, uint64_t *, void *, const void *)(&pointer, external, &buffer), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(pointer), 0);
    CHECK_EQUAL(CU(cuDestroyExternalMemory, void *)(external), 0);
}

static void *v2(const char *name, int version, uint64_t flags, int code, int status) {
    void *function = (void *)1;
    int found = -1;
    CHECK_EQUAL(
        CU(cuGetProcAddress_v2, const char *, void **, int, uint64_t, int *)(name, &function, version, flags, &found),
        code);
    CHECK_EQUAL(found, status);
    return function;
}

/* The program's own, before the library's in every look-up of the dynamic linker. libcuda does not notice. */
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    (void)pointer, (void)bytes;
    return 999;
}

static void lookup(void) {
    void *function;
    const void *table;
    CHECK(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2") == (void *)cuMemAlloc_v2);
    CHECK(check_symbol(CUDA, "cuMemAlloc_v2") != (void *)cuMemAlloc_v2);
    CHECK(v2("cuMemAlloc", 3020, 0, 0, 0) == check_symbol(CUDA, "cuMemAlloc_v2"));
    CHECK(v2("cuMemAlloc", 3010, 0, 0, 0) == check_symbol(CUDA, "cuMemAlloc"));
    CHECK(v2("cuMemAllocAsync", 11020, 0, 0, 0) == check_symbol(CUDA, "cuMemAllocAsync"));
    CHECK(v2("cuMemAllocAsync", 11020, 1, 0, 0) == check_symbol(CUDA, "cuMemAllocAsync"));
    CHECK(v2("cuMemAllocAsync", 11020, 2, 0, 0) == check_symbol(CUDA, "cuMemAllocAsync_ptsz"));
    CHECK(v2("cuMemAlloc", 12000, 2, 0, 0) == check_symbol(CUDA, "cuMemAlloc_v2"));
    CHECK(v2("cuMemcpyHtoD", 6000, 2, 0, 0) == check_symbol(CUDA, "cuMemcpyHtoD_v2"));
    CHECK(v2("cuMemcpyHtoD", 7000, 2, 0, 0) == check_symbol(CUDA, "cuMemcpyHtoD_v2_ptds"));
    CHECK(v2("cuGraphInstantiate", 11000, 0, 0, 0) == check_symbol(CUDA, "cuGraphInstantiate_v2"));
    CHECK(v2("cuGraphInstantiate", 12000, 0, 0, 0) == check_symbol(CUDA, "cuGraphInstantiateWithFlags"));
    CHECK(v2("cuGetProcAddress", 12000, 0, 0, 0) == check_symbol(CUDA, "cuGetProcAddress_v2"));
    CHECK(v2("cuGetProcAddress", 11030, 0, 0, 0) == check_symbol(CUDA, "cuGetProcAddress"));
    CHECK(v2("cuMemAllocAsync", 11010, 0, 0, 2) == NULL);
    CHECK(v2("cuMemAlloc_v2", 12000, 0, 0, 1) == NULL);
    CHECK(v2("", 0, 0, 0, 1) == NULL);
    CHECK(v2("cuMemAlloc", 99000, 0, 1, 1) == NULL);
    CHECK(v2("cuMemAlloc", 12000, 3, 1, 1) == NULL);
    CHECK_EQUAL(CU(cuGetProcAddress, const char *, void **, int, uint64_t)("cuMemFreeAsync", &function, 11020, 2), 0);
    CHECK(function == check_symbol(CUDA, "cuMemFreeAsync_ptsz"));
    CHECK_EQUAL(CU(cuGetProcAddress, const char *, void **, int, uint64_t)("cuNothing", &function, 11020, 0), 500);
    CHECK_EQUAL(CU(cuGetExportTable, const void **, const void *)(&table, "0123456789abcdef"), 500);
}

const struct check_case check_cuda[] = {
    {"cuda: memory by address is charged and given back", linear, NULL},
    {"cuda: the 32-bit interface allocates below 4 GiB", narrow, NULL},
    {"cuda: memory goes with its context", contexts, NULL},
    {"cuda: pools charge what they reserve until it is trimmed", pools, NULL},
    {"cuda: physical memory is charged to its location until handle and mapping are gone", virtual_memory, NULL},
    {"cuda: arrays are charged by their elements", arrays, NULL},
    {"cuda: graph memory is charged at launch and kept until trimmed", graphs, NULL},
    {"cuda: a question about a pool ends a capture, but in the relaxed mode", captures, NULL},
    {"cuda: memory of others is charged to its owner", shared, NULL},
    {"cuda: entry points by version and flags", lookup, NULL},
    {NULL, NULL, NULL},
};
