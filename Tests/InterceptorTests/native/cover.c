/* SPDX-License-Identifier: Apache-2.0
 *
 * Every way to take device memory, one by one: `cover SCENARIO`, under 1 GiB on device 0 and 1 GiB on device 1 of each
 * vendor. Linked against every fake vendor library.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "acl_abi.h"
#include "cnrt_abi.h"
#include "cuda_abi.h"
#include "hcs_segment.h"
#include "hip_abi.h"
#include "truth.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "cover: line %d: %s does not hold\n", __LINE__, #condition);                               \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static struct truth *truth;
static struct hcs_segment *segment;

static void *map_shared(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CLOEXEC); /* stays open: closing it would drop our locks on the segment */
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static uint64_t charged(void) {
    uint64_t sum = 0;
    for (int i = 0; i < (int)HCS_SEGMENT_DEVICES; i++)
        sum += hcs_load_u64(&segment->devices[i].used);
    return sum;
}
static uint64_t in_slots(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
            sum += hcs_load_u64(&segment->slots[i].used[d]);
    return sum;
}
static int quiet(void) { return segment->slots[0].begin == segment->slots[0].end && in_slots() == charged(); }
static uint64_t used(uint32_t vendor, uint32_t device) { return hcs_load_u64(&segment->devices[(vendor - 1) * 2 + device].used); }
static uint64_t given(void) { return truth->used[0] + truth->used[1] + truth->used[2] + truth->used[3]; }

/* --- one row for each function: take n bytes (a multiple of 4 MiB) as *t, give it back ------------------------------------------ */

static const struct hcs_cuda_channels byte_channel = {{8, 0, 0, 0}, 1};
static const struct hcs_hip_channels hip_byte_channel = {{8, 0, 0, 0}, 1};
static void *default_pool(void) {
    void *pool;
    return cuDeviceGetDefaultMemPool(&pool, 0) == 0 ? pool : NULL;
}
static void *hip_pool(void) {
    static void *pool;
    struct hcs_hip_allocation on_first = {.location = {HCS_HIP_LOCATION_DEVICE, 0}};
    return pool || hipMemPoolCreate(&pool, &on_first) == 0 ? pool : NULL;
}

#define P ((void **)t)
#define V ((void *)(uintptr_t)*t)
#define STREAM ((void *)0x1000)
#define SIDE UINT64_C(4096)
#define ROWS(X)                                                                                                        \
    X(cuMemAlloc_v2, 2, cuMemAlloc_v2(t, n), cuMemFree_v2(*t))                                                         \
    X(cuMemAllocManaged, 2, cuMemAllocManaged(t, n, 1), cuMemFree_v2(*t))                                              \
    X(cuMemAllocPitch_v2, 2, cuMemAllocPitch_v2(t, &pitch, SIDE, n / SIDE, 8), cuMemFree_v2(*t))                       \
    X(cuMemAllocAsync, 2, cuMemAllocAsync(t, n, STREAM), cuMemFreeAsync(*t, STREAM))                                   \
    X(cuMemAllocAsync_null, 2, cuMemAllocAsync(t, n, NULL), cuMemFree_v2(*t))                                          \
    X(cuMemAllocAsync_ptsz, 2, cuMemAllocAsync_ptsz(t, n, NULL), cuMemFreeAsync_ptsz(*t, NULL))                        \
    X(cuMemAllocFromPoolAsync, 2, cuMemAllocFromPoolAsync(t, n, default_pool(), NULL), cuMemFreeAsync(*t, NULL))       \
    X(cuMemAllocFromPoolAsync_ptsz, 2, cuMemAllocFromPoolAsync_ptsz(t, n, default_pool(), NULL), cuMemFree_v2(*t))     \
    X(cuArrayCreate_v2, 2, cuArrayCreate_v2(P, (&(struct hcs_cu_array){SIDE, n / SIDE, 1, 1})), cuArrayDestroy(V))     \
    X(cuArray3DCreate_v2, 2, cuArray3DCreate_v2(P, (&(struct hcs_cu_array3d){SIDE, n / SIDE / 2, 2, 8, 1, 1})),        \
      cuArrayDestroy(V))                                                                                               \
    X(cuMipmappedArrayCreate, 2, cuMipmappedArrayCreate(P, (&(struct hcs_cu_array3d){SIDE, n / SIDE, 0, 1, 1, 0}), 1), \
      cuMipmappedArrayDestroy(V))                                                                                      \
    X(cuMemAlloc, 2, cuMemAlloc((uint32_t *)t, (unsigned)n), cuMemFree((uint32_t)*t))                                  \
    X(cuMemAllocPitch, 2, cuMemAllocPitch((uint32_t *)t, (unsigned *)&pitch, 4096, (unsigned)(n / SIDE), 8),           \
      cuMemFree((uint32_t)*t))                                                                                         \
    X(cuArrayCreate, 2, cuArrayCreate(P, (&(struct hcs_cu_array_v1){4096, (unsigned)(n / SIDE), 1, 1})),               \
      cuArrayDestroy(V))                                                                                               \
    X(cuArray3DCreate, 2, cuArray3DCreate(P, (&(struct hcs_cu_array3d_v1){4096, (unsigned)(n / SIDE), 0, 1, 1, 0})),   \
      cuArrayDestroy(V))                                                                                               \
    X(cuMemCreate, 2, cuMemCreate(t, n, (&(struct hcs_cu_allocation){1, 0, {1, 0}, NULL, {0}}), 0), cuMemRelease(*t))  \
    X(cudaMalloc, 2, cudaMalloc(P, n), cudaFree(V))                                                                    \
    X(cudaMallocManaged, 2, cudaMallocManaged(P, n, 1), cudaFree(V))                                                   \
    X(cudaMallocPitch, 2, cudaMallocPitch(P, &pitch, SIDE, n / SIDE), cudaFree(V))                                     \
    X(cudaMalloc3D, 2, malloc_3d(t, n), cudaFree(V))                                                                   \
    X(cudaMallocAsync, 2, cudaMallocAsync(P, n, STREAM), cudaFreeAsync(V, STREAM))                                     \
    X(cudaMallocAsync_ptsz, 2, cudaMallocAsync_ptsz(P, n, NULL), cudaFreeAsync_ptsz(V, NULL))                          \
    X(cudaMallocFromPoolAsync, 2, cudaMallocFromPoolAsync(P, n, default_pool(), NULL), cudaFreeAsync(V, NULL))         \
    X(cudaMallocFromPoolAsync_ptsz, 2, cudaMallocFromPoolAsync_ptsz(P, n, default_pool(), NULL), cudaFree(V))          \
    X(cudaMallocArray, 2, cudaMallocArray(P, &byte_channel, SIDE, n / SIDE, 0), cudaFreeArray(V))                      \
    X(cudaMalloc3DArray, 2, cudaMalloc3DArray(P, &byte_channel, ((struct hcs_cuda_extent){SIDE, n / SIDE / 4, 4}), 0), \
      cudaFreeArray(V))                                                                                                \
    X(cudaMallocMipmappedArray, 2,                                                                                     \
      cudaMallocMipmappedArray(P, &byte_channel, ((struct hcs_cuda_extent){SIDE, n / SIDE, 0}), 1, 0),                 \
      cudaFreeMipmappedArray(V))                                                                                       \
    ACL(X, )                                                                                                           \
    ACL(X, Impl)                                                                                                       \
    X(rtMalloc, 207001, rtMalloc(P, n, 0, 7), rtFree(V))                                                               \
    X(rtMallocCached, 207001, rtMallocCached(P, n, 0, 7), rtFreeWithDevSync(V))                                        \
    X(rtMemAllocManaged, 207001, rtMemAllocManaged(P, n, 0, 7), rtFree(V))                                             \
    X(rtMallocPhysical, 207001, rtMallocPhysical(P, n, (&(struct hcs_rt_physical){.side = 1}), 0), rtFreePhysical(V))  \
    X(hipMalloc, 2, hipMalloc(P, n), hipFree(V))                                                                       \
    X(hipExtMallocWithFlags, 2, hipExtMallocWithFlags(P, n, 1), hipFree(V))                                            \
    X(hipMallocManaged, 2, hipMallocManaged(P, n, 1), hipFree(V))                                                      \
    X(hipMallocAsync, 2, hipMallocAsync(P, n, STREAM), hipFreeAsync(V, STREAM))                                        \
    X(hipMallocFromPoolAsync, 2, hipMallocFromPoolAsync(P, n, hip_pool(), NULL), hipFreeAsync(V, NULL))                \
    X(hipMallocPitch, 2, hipMallocPitch(P, &pitch, SIDE, n / SIDE), hipFree(V))                                        \
    X(hipMemAllocPitch, 2, hipMemAllocPitch(P, &pitch, SIDE, n / SIDE, 8), hipFree(V))                                 \
    X(hipMalloc3D, 2, hip_malloc_3d(t, n), hipFree(V))                                                                 \
    X(hipMallocArray, 2, hipMallocArray(P, &hip_byte_channel, SIDE, n / SIDE, 0), hipFreeArray(V))                     \
    X(hipMalloc3DArray, 2, hipMalloc3DArray(P, &hip_byte_channel, ((struct hcs_hip_extent){SIDE, n / SIDE, 0}), 0),    \
      hipFreeArray(V))                                                                                                 \
    X(hipMallocMipmappedArray, 2,                                                                                      \
      hipMallocMipmappedArray(P, &hip_byte_channel, ((struct hcs_hip_extent){SIDE, n / SIDE, 0}), 1, 0),               \
      hipFreeMipmappedArray(V))                                                                                        \
    X(hipArrayCreate, 2, hipArrayCreate(P, (&(struct hcs_hip_array){SIDE, n / SIDE, 1, 1})), hipArrayDestroy(V))       \
    X(hipArray3DCreate, 2, hipArray3DCreate(P, (&(struct hcs_hip_array3d){SIDE, n / SIDE, 0, 1, 1, 0})),               \
      hipArrayDestroy(V))                                                                                              \
    X(hipMipmappedArrayCreate, 2, hipMipmappedArrayCreate(P, (&(struct hcs_hip_array3d){SIDE, n / SIDE, 0, 1, 1, 0}), 1), \
      hipMipmappedArrayDestroy(V))                                                                                     \
    X(hipMemCreate, 2, hipMemCreate(P, n, (&(struct hcs_hip_allocation){1, 0, {1, 0}}), 0), hipMemRelease(V))          \
    X(cnrtMalloc, 100100, cnrtMalloc(P, n), cnrtFree(V))                                                               \
    X(cnrtMallocConstant, 100100, cnrtMallocConstant(P, n), cnrtFree(V))                                               \
    X(cnrtMallocAsync, 100100, cnrtMallocAsync(P, n, NULL), cnrtFreeAsync(V, NULL))                                    \
    X(cnMalloc, 100100, cnMalloc(t, n), cnFree(*t))                                                                    \
    X(cnMallocSecurity, 100100, cnMallocSecurity(t, n), cnFree(*t))                                                    \
    X(cnZmalloc, 100100, cnZmalloc(t, n), cnFree(*t))                                                                  \
    X(cnMallocConstant, 100100, cnMallocConstant(t, n), cnFree(*t))                                                    \
    X(cnMallocPeerAble, 100100, cnMallocPeerAble(t, n), cnFree(*t))                                                    \
    X(cnMallocNode, 100100, cnMallocNode(t, n, 3), cnFree(*t))                                                         \
    X(cnZmallocNode, 100100, cnZmallocNode(t, n, 3), cnFree(*t))                                                       \
    X(cnMallocNodeConstant, 100100, cnMallocNodeConstant(t, n, 3), cnFree(*t))                                         \
    X(cnMallocFrameBuffer, 100100, cnMallocFrameBuffer(t, n, 3), cnFree(*t))                                           \
    X(cnMemAllocAsync, 100100, cnMemAllocAsync(t, n, NULL), cnMemFreeAsync(*t, NULL))                                  \
    X(cnMemAllocFromPoolAsync, 100100, cnMemAllocFromPoolAsync(t, n, NULL, NULL), cnMemFreeAsync(*t, NULL))            \
    X(cnMemCreate, 100100, cnMemCreate(t, n, (&(struct hcs_cn_allocation){.location = 1}), 0), cnMemRelease(*t))
#define ACL(X, suffix)                                                                                                 \
    X(aclrtMalloc##suffix, 207001, aclrtMalloc##suffix(P, n, 0), aclrtFree##suffix(V))                                 \
    X(aclrtMallocAlign32##suffix, 207001, aclrtMallocAlign32##suffix(P, n, 0), aclrtFree##suffix(V))                   \
    X(aclrtMallocCached##suffix, 207001, aclrtMallocCached##suffix(P, n, 0), aclrtFreeWithDevSync##suffix(V))          \
    X(aclrtMallocWithCfg##suffix, 207001, aclrtMallocWithCfg##suffix(P, n, 0, NULL), aclrtFree##suffix(V))             \
    X(aclrtMallocForTaskScheduler##suffix, 207001, aclrtMallocForTaskScheduler##suffix(P, n, 0, NULL),                 \
      aclrtFree##suffix(V))                                                                                            \
    X(aclrtMemAllocManaged##suffix, 207001, aclrtMemAllocManaged##suffix(P, n, 0), aclrtFree##suffix(V))               \
    X(aclrtMemPoolMallocAsync##suffix, 207001, aclrtMemPoolMallocAsync##suffix(P, n, NULL, NULL),                      \
      aclrtMemPoolFreeAsync##suffix(V, NULL))                                                                          \
    X(aclrtMallocPhysical##suffix, 207001,                                                                             \
      aclrtMallocPhysical##suffix(P, n, (&(struct hcs_acl_physical){.location = 1}), 0), aclrtFreePhysical##suffix(V))

static size_t pitch;
static int malloc_3d(uint64_t *t, uint64_t n) {
    struct hcs_cuda_pitched pitched = {0};
    int status = cudaMalloc3D(&pitched, (struct hcs_cuda_extent){SIDE, n / SIDE / 4, 4});
    if (status == 0)
        *t = (uintptr_t)pitched.pointer;
    return status;
}
static int hip_malloc_3d(uint64_t *t, uint64_t n) {
    struct hcs_hip_pitched pitched = {0};
    int status = hipMalloc3D(&pitched, (struct hcs_hip_extent){SIDE, n / SIDE / 4, 4});
    if (status == 0)
        *t = (uintptr_t)pitched.pointer;
    return status;
}

#define TAKE_AND_GIVE(name, code, take, give)                                                                          \
    static int take_##name(uint64_t *t, uint64_t n) { return take; }                                                   \
    static int give_##name(uint64_t *t) { return give; }
ROWS(TAKE_AND_GIVE)

static const struct row {
    const char *name;
    int out_of_memory;
    int (*take)(uint64_t *, uint64_t);
    int (*give)(uint64_t *);
} rows[] = {
#define ROW(name, code, take, give) {#name, code, take_##name, give_##name},
    ROWS(ROW)};

static int check_row(const struct row *row) {
    uint64_t first = 0, second = 0, third = 7;
    uint64_t before = charged(), calls = truth->allocations;
    EXPECT(row->take(&first, 600 * MIB) == 0 && charged() == before + 600 * MIB && given() == 600 * MIB);
    EXPECT(row->take(&second, 600 * MIB) == row->out_of_memory && truth->allocations == calls + 1);
    EXPECT(row->take(&second, 424 * MIB) == 0 && charged() == before + GIB && quiet());
    EXPECT(row->take(&third, 4 * MIB) == row->out_of_memory && third == 7);
    truth->fail_frees = 1;
    EXPECT(row->give(&first) != 0 && charged() == before + GIB && quiet());
    truth->fail_frees = 0;
    EXPECT(row->give(&first) == 0 && charged() == before + 424 * MIB);
    EXPECT(row->give(&first) != 0 && charged() == before + 424 * MIB); /* twice: the driver's own answer */
    EXPECT(row->give(&second) == 0 && charged() == before && given() == 0 && quiet());
    truth->fail_allocations = 1;
    EXPECT(row->take(&first, 4 * MIB) != 0 && charged() == before && quiet());
    truth->fail_allocations = 0;
    return 0;
}

static int functions(void) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (check_row(&rows[i])) {
            fprintf(stderr, "cover: that was %s\n", rows[i].name);
            return 1;
        }
    printf("%zu functions\n", sizeof rows / sizeof *rows);
    return 0;
}

/* A pitch is known after the call: the charge follows it up and down, and where up does not fit the memory goes back. */
static int pitches(void) {
    uint64_t p = 0, q = 0;
    size_t row_bytes = 0;
    EXPECT(cuMemAllocPitch_v2(&p, &row_bytes, 100, 1000, 4) == 0 && row_bytes == 128 && charged() == 512 * 1000);
    EXPECT(cuMemFree_v2(p) == 0 && charged() == 0);
    EXPECT(cuMemAllocPitch_v2(&p, &row_bytes, 1536, 1000, 4) == 0 && charged() == 1536 * 1000);
    EXPECT(cuMemAllocPitch_v2(&q, &row_bytes, 1000, 1000, 8) == 0 && row_bytes == 4096 && charged() == (1536 + 4096) * 1000);
    EXPECT(cuMemFree_v2(p) == 0 && cuMemFree_v2(q) == 0 && charged() == 0 && given() == 0);
    EXPECT(cuMemAllocPitch_v2(&p, &row_bytes, 512, MIB, 8) == 2); /* reserved 512 MiB, taken 4 GiB */
    EXPECT(charged() == 0 && given() == 0 && quiet());
    EXPECT(cuMemAllocPitch_v2(&p, &row_bytes, SIZE_MAX, 2, 8) == 2 && cuMemAllocPitch_v2(&p, &row_bytes, 1 << 20, SIZE_MAX, 8) == 2);
    return 0;
}

/* 64 KiB is the least that an array takes; a sparse one takes nothing; levels add up. */
static int arrays(void) {
    void *a = NULL, *b = NULL, *c = NULL;
    struct hcs_cu_array tiny = {10, 0, 1, 1};
    struct hcs_cu_array3d sparse = {1 << 20, 1 << 20, 0, 1, 1, HCS_CU_ARRAY_SPARSE};
    struct hcs_cu_array3d levels = {1024, 1024, 0, 1, 1, 0}, layers = {1024, 1024, 4, 1, 1, HCS_CU_ARRAY_LAYERED};
    EXPECT(cuArrayCreate_v2(&a, &tiny) == 0 && charged() == 65536);
    EXPECT(cuArray3DCreate_v2(&b, &sparse) == 0 && charged() == 65536);
    EXPECT(cuMipmappedArrayCreate(&c, &levels, 3) == 0 && charged() == 65536 + (1 << 20) + (1 << 18) + (1 << 16));
    EXPECT(cuMipmappedArrayDestroy(c) == 0 && cuArrayDestroy(a) == 0 && charged() == 0);
    EXPECT(cuMipmappedArrayCreate(&c, &layers, 2) == 0 && charged() == 4 * ((1 << 20) + (1 << 18)));
    EXPECT(cuMipmappedArrayDestroy(c) == 0 && charged() == 0);
    struct hcs_cu_array absurd = {SIZE_MAX, SIZE_MAX, 0x20, 4}, wide = {SIZE_MAX / 2, 0, 1, 1};
    EXPECT(cuArrayCreate_v2(&a, &absurd) == 2 && cuArrayCreate_v2(&a, &wide) == 2);
    struct hcs_cu_array floats = {1024, 1024, 0x20, 4};
    EXPECT(cuArrayCreate_v2(&a, &floats) == 0 && charged() == 16 * MIB && cuArrayDestroy(a) == 0 && charged() == 0);
    return 0;
}

/* The memory lives until its last handle and its last mapping, whatever comes first, on the device of the handle. */
static int virtual_memory(void) {
    uint64_t h = 0, again = 0, imported = 0;
    struct hcs_cu_allocation on_second = {1, 0, {HCS_CU_LOCATION_DEVICE, 1}, NULL, {0}};
    struct hcs_cu_allocation on_host = {1, 0, {HCS_CU_LOCATION_HOST, 0}, NULL, {0}};
    const uint64_t at = 0x7f0000000000;
    EXPECT(cuMemCreate(&h, 600 * MIB, &on_second, 0) == 0 && used(1, 1) == 600 * MIB && used(1, 0) == 0);
    EXPECT(cuMemMap(at, 300 * MIB, 0, h, 0) == 0 && cuMemMap(at + 300 * MIB, 300 * MIB, 300 * MIB, h, 0) == 0);
    EXPECT(cuMemRelease(h) == 0 && used(1, 1) == 600 * MIB); /* mapped still */
    EXPECT(cuMemRelease(h) == 1 && used(1, 1) == 600 * MIB);
    EXPECT(cuMemRetainAllocationHandle(&again, (void *)(at + 5)) == 0 && again == h);
    EXPECT(cuMemUnmap(at, 600 * MIB) == 0 && used(1, 1) == 600 * MIB); /* a handle still */
    EXPECT(cuMemRelease(again) == 0 && used(1, 1) == 0 && given() == 0);
    /* the number is given again, while the first owner's mapping lives: they are two memories */
    EXPECT(cuMemCreate(&h, 300 * MIB, &on_second, 0) == 0 && cuMemMap(at, 300 * MIB, 0, h, 0) == 0 && cuMemRelease(h) == 0);
    EXPECT(cuMemCreate(&again, 500 * MIB, &on_second, 0) == 0 && used(1, 1) == 800 * MIB);
    EXPECT(cuMemMap(at + GIB, 500 * MIB, 0, again, 0) == 0);
    EXPECT(cuMemUnmap(at, 300 * MIB) == 0 && used(1, 1) == 500 * MIB);
    truth->fail_frees = 1;
    EXPECT(cuMemUnmap(at + GIB, 500 * MIB) != 0 && cuMemRelease(again) != 0 && used(1, 1) == 500 * MIB && quiet());
    truth->fail_frees = 0;
    EXPECT(cuMemUnmap(at + GIB, 500 * MIB) == 0 && used(1, 1) == 500 * MIB);
    EXPECT(cuMemImportFromShareableHandle(&imported, (void *)(uintptr_t)again, 7) == 0 && imported == again);
    EXPECT(cuMemRelease(again) == 0 && used(1, 1) == 500 * MIB && cuMemRelease(imported) == 0 && used(1, 1) == 0);
    /* memory of the host, and another process's */
    EXPECT(cuMemCreate(&h, 8 * GIB, &on_host, 0) == 0 && charged() == 0 && cuMemRelease(h) == 0);
    EXPECT(cuMemImportFromShareableHandle(&h, NULL, 1) == 0 && cuMemMap(at, MIB, 0, h, 0) == 0 && charged() == 0);
    EXPECT(cuMemUnmap(at, MIB) == 0 && charged() == 0 && quiet());
    EXPECT(cuMemCreate(&h, 2 * GIB, &on_second, 0) == 2 && cuMemCreate(NULL, MIB, &on_second, 0) == 1);
    EXPECT(cuMemCreate(&h, MIB, NULL, 0) == 1 && charged() == 0 && quiet());
    /* a pointer and a handle of the same number are two things */
    EXPECT(cuMemCreate(&h, MIB, &on_second, 0) == 0 && cuMemFree_v2(h) == 1 && charged() == MIB && cuMemRelease(h) == 0);
    /* what went away behind our back goes when the driver gives its number, or its address, again */
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    int (*release_unseen)(uint64_t) = (int (*)(uint64_t))dlsym(library, "fake_release_unseen");
    int (*unmap_unseen)(uint64_t, uint64_t) = (int (*)(uint64_t, uint64_t))dlsym(library, "fake_unmap_unseen");
    EXPECT(cuMemCreate(&h, 600 * MIB, &on_second, 0) == 0 && release_unseen(h) == 0 && used(1, 1) == 600 * MIB);
    EXPECT(cuMemCreate(&again, 100 * MIB, &on_second, 0) == 0 && again == h && used(1, 1) == 100 * MIB);
    EXPECT(cuMemMap(at, 100 * MIB, 0, again, 0) == 0 && cuMemRelease(again) == 0 && unmap_unseen(at, 100 * MIB) == 0);
    EXPECT(cuMemCreate(&h, 200 * MIB, &on_second, 0) == 0 && used(1, 1) == 300 * MIB);
    EXPECT(cuMemMap(at, 200 * MIB, 0, h, 0) == 0 && used(1, 1) == 200 * MIB && cuMemRelease(h) == 0);
    EXPECT(cuMemUnmap(at, 200 * MIB) == 0 && charged() == 0 && given() == 0 && quiet());
    return 0;
}

static int many_handles(void) {
    enum { N = 3000 };
    static uint64_t h[N];
    struct hcs_cu_allocation on_first = {1, 0, {HCS_CU_LOCATION_DEVICE, 0}, NULL, {0}};
    for (uint64_t i = 0; i < N; i++)
        EXPECT(cuMemCreate(&h[i], 65536, &on_first, 0) == 0 && cuMemMap(0x10000000 + i * 65536, 65536, 0, h[i], 0) == 0);
    EXPECT(charged() == N * UINT64_C(65536));
    for (int i = 0; i < N; i++)
        EXPECT(cuMemRelease(h[(i * 7) % N]) == 0);
    EXPECT(charged() == N * UINT64_C(65536));
    EXPECT(cuMemUnmap(0x10000000, N * UINT64_C(65536)) == 0 && charged() == 0 && given() == 0 && quiet());
    return 0;
}

/* The vendor's other spellings of the same. */
static int virtual_memory_elsewhere(void) {
    void *h = NULL, *again = NULL;
    uint64_t n = 0;
    void *const at = (void *)0x7f0000000000;
    EXPECT(hipMemCreate(&h, 600 * MIB, &(struct hcs_hip_allocation){1, 0, {1, 1}}, 0) == 0 && used(3, 1) == 600 * MIB);
    EXPECT(hipMemMap(at, 600 * MIB, 0, h, 0) == 0 && hipMemRelease(h) == 0 && used(3, 1) == 600 * MIB);
    EXPECT(hipMemRetainAllocationHandle(&again, at) == 0 && hipMemUnmap(at, 600 * MIB) == 0 && used(3, 1) == 600 * MIB);
    EXPECT(hipMemRelease(again) == 0 && used(3, 1) == 0);
    struct hcs_acl_physical acl = {.id = 1, .location = HCS_ACL_LOCATION_DEVICE}, acl_host = {.id = 1};
    EXPECT(aclrtMallocPhysical(&h, 600 * MIB, &acl, 0) == 0 && used(2, 1) == 600 * MIB);
    EXPECT(aclrtMapMem(at, 600 * MIB, 0, h, 0) == 0 && aclrtFreePhysical(h) == 0 && used(2, 1) == 600 * MIB);
    EXPECT(aclrtUnmapMem(at) == 0 && used(2, 1) == 0);
    EXPECT(aclrtMallocPhysical(&h, 9 * GIB, &acl_host, 0) == 0 && used(2, 1) == 0 && aclrtFreePhysical(h) == 0);
    EXPECT(rtMallocPhysical(&h, MIB, &(struct hcs_rt_physical){.side = 1, .device = 1}, 0) == 0 && used(2, 1) == MIB);
    EXPECT(rtMapMem(at, MIB, 0, h, 0) == 0 && rtFreePhysical(h) == 0 && rtUnmapMem(at) == 0 && used(2, 1) == 0);
    EXPECT(cnMemCreate(&n, 600 * MIB, &(struct hcs_cn_allocation){1, 0, 1, 1}, 0) == 0 && used(4, 1) == 600 * MIB);
    EXPECT(cnMemMap(0x1000, 600 * MIB, 0, n, 0) == 0 && cnMemRelease(n) == 0 && used(4, 1) == 600 * MIB);
    EXPECT(cnMemUnmap(0x1000, 600 * MIB) == 0 && used(4, 1) == 0 && quiet() && given() == 0);
    return 0;
}

/* Asynchronous requests are the stream's device's, pool requests the pool's. */
static int streams_and_pools(void) {
    uint64_t p = 0;
    void *q = NULL, *pool = NULL;
    struct hcs_cu_pool second = {.location = {HCS_CU_LOCATION_DEVICE, 1}}, host = {.location = {HCS_CU_LOCATION_HOST, 0}};
    EXPECT(cuMemAllocAsync(&p, 600 * MIB, (void *)0x1001) == 0 && used(1, 1) == 600 * MIB && used(1, 0) == 0);
    EXPECT(truth->used[1] == 600 * MIB && cuMemAllocAsync(&p, 600 * MIB, (void *)0x1001) == 2);
    EXPECT(cuMemFreeAsync(p, (void *)0x1001) == 0 && used(1, 1) == 0);
    EXPECT(hipMallocAsync(&q, 600 * MIB, (void *)0x1001) == 0 && used(3, 1) == 600 * MIB && hipFree(q) == 0);
    EXPECT(cuMemPoolCreate(&pool, &second) == 0);
    EXPECT(cuMemAllocFromPoolAsync(&p, 600 * MIB, pool, NULL) == 0 && used(1, 1) == 600 * MIB && truth->used[1] == 600 * MIB);
    EXPECT(cudaMallocFromPoolAsync(&q, 600 * MIB, pool, NULL) == 2);
    EXPECT(cuMemPoolDestroy(pool) == 0 && used(1, 1) == 600 * MIB && cuMemFree_v2(p) == 0 && used(1, 1) == 0);
    EXPECT(cudaMemPoolCreate(&pool, &host) == 0 && cuMemAllocFromPoolAsync(&p, 9 * GIB, pool, NULL) == 0 && charged() == 0);
    EXPECT(quiet());
    return 0;
}

/* The driver may give one number to a pointer, an array and a handle. */
static int same_numbers(void) {
    uint64_t p = 0, h = 0, *next = dlsym(dlopen("libcuda.so.1", RTLD_NOW), "fake_array_number");
    void *a = NULL;
    struct hcs_cu_allocation on_first = {1, 0, {HCS_CU_LOCATION_DEVICE, 0}, NULL, {0}};
    EXPECT(cuMemAlloc_v2(&p, 100 * MIB) == 0 && next);
    *next = p;
    EXPECT(cuArrayCreate_v2(&a, (&(struct hcs_cu_array){8192, 8192, 1, 1})) == 0 && (uintptr_t)a == p && charged() == 164 * MIB);
    EXPECT(cuMemFree_v2(p) == 0 && charged() == 64 * MIB && cuArrayDestroy(a) == 0 && charged() == 0);
    EXPECT(cuMemCreate(&h, 100 * MIB, &on_first, 0) == 0);
    *next = h;
    EXPECT(cuArrayCreate_v2(&a, (&(struct hcs_cu_array){8192, 8192, 1, 1})) == 0 && (uintptr_t)a == h && charged() == 164 * MIB);
    EXPECT(cuMemRelease(h) == 0 && charged() == 64 * MIB && cuArrayDestroy(a) == 0 && charged() == 0 && quiet());
    return 0;
}

/* A graph's memory is what the driver holds for it, from the launch to the trim. */
static int graphs(void) {
    void *node = NULL, *p = NULL;
    uint64_t q = 0;
    struct hcs_cu_memory_node m = {.pool = {.location = {HCS_CU_LOCATION_DEVICE, 0}}, .bytes = 600 * MIB};
    struct hcs_cu_graph_node any = {.type = HCS_CU_GRAPH_NODE_MEMORY, .memory = m}, kernel = {.type = 0};
    EXPECT(cuGraphAddMemAllocNode(&node, NULL, NULL, 0, &m) == 0 && charged() == 0);
    EXPECT(cuGraphLaunch(NULL, NULL) == 0 && charged() == 600 * MIB && quiet());
    EXPECT(cuGraphLaunch(NULL, NULL) == 0 && charged() == 600 * MIB);
    EXPECT(cuMemAlloc_v2(&q, 600 * MIB) == 2);
    any.memory.bytes = 600 * MIB;
    EXPECT(cuGraphAddNode_v2(&node, NULL, NULL, NULL, 0, &any) == 2 && cuGraphAddNode_v2(&node, NULL, NULL, NULL, 0, &kernel) == 0);
    EXPECT(cuDeviceGraphMemTrim(0) == 0 && charged() == 0 && given() == 0);
    EXPECT(cuMemAllocAsync(&q, 300 * MIB, (void *)0x3000) == 0 && charged() == 0); /* captured */
    EXPECT(cuMemFreeAsync(q, (void *)0x3000) == 0 && charged() == 0);
    EXPECT(cuGraphLaunch(NULL, NULL) == 0 && charged() == 300 * MIB);
    EXPECT(cuDeviceGraphMemTrim(0) == 0 && charged() == 0);
    EXPECT(cuMemAlloc_v2(&q, MIB) == 0 && cuMemFreeAsync(q, (void *)0x3000) == 0 && charged() == MIB); /* freed at a launch */
    EXPECT(cuMemFree_v2(q) == 0 && charged() == 0);
    EXPECT(hipMallocAsync(&p, 300 * MIB, (void *)0x3000) == 0 && charged() == 0 && hipGraphLaunch(NULL, NULL) == 0);
    EXPECT(used(3, 0) == 300 * MIB && hipDeviceGraphMemTrim(0) == 0 && used(3, 0) == 0 && quiet());
    struct hcs_hip_graph_node hip = {.type = HCS_HIP_GRAPH_NODE_MEMORY, .memory = {.pool = {0, 0, {1, 0}}, .bytes = 2 * GIB}};
    EXPECT(hipGraphAddNode(&node, NULL, NULL, 0, &hip) == 2);
    hip.memory.bytes = 300 * MIB;
    EXPECT(hipGraphAddNode(&node, NULL, NULL, 0, &hip) == 0 && used(3, 0) == 0 && hipGraphLaunch(NULL, NULL) == 0);
    EXPECT(used(3, 0) == 300 * MIB && hipDeviceGraphMemTrim(0) == 0 && used(3, 0) == 0 && quiet());
    return 0;
}

/* --- doors ------------------------------------------------------------------------------------------------------------------ */

typedef int (*driver_door)(const char *, void **, int, uint64_t, int *);
typedef int (*old_driver_door)(const char *, void **, int, uint64_t);

static int through(void *function) {
    uint64_t p = 0;
    int (*allocate)(uint64_t *, size_t) = NULL;
    memcpy(&allocate, &function, sizeof allocate);
    EXPECT(allocate && allocate(&p, 2 * GIB) == 2 && allocate(&p, MIB) == 0 && charged() == MIB);
    EXPECT(cuMemFree_v2(p) == 0 && charged() == 0);
    return 0;
}

static int doors(void) {
    void *handle = dlopen("libcuda.so.1", RTLD_NOW), *f = NULL;
    int status = 9, *per_thread_calls = dlsym(handle, "fake_per_thread_calls");
    uint64_t p = 0;
    driver_door door = (driver_door)dlsym(handle, "cuGetProcAddress_v2");
    old_driver_door old_door = (old_driver_door)dlsym(handle, "cuGetProcAddress");
    EXPECT(door == cuGetProcAddress_v2 && old_door == cuGetProcAddress);
    EXPECT(door("cuMemAlloc", &f, 12000, 0, &status) == 0 && status == 0 && through(f) == 0);
    EXPECT(f == (void *)cuMemAlloc_v2 && old_door("cuMemAlloc", &f, 12000, 0) == 0 && through(f) == 0);
    /* the first revision has its own hook, with its own arguments */
    EXPECT(door("cuMemAlloc", &f, 2000, 0, NULL) == 0 && f == (void *)cuMemAlloc);
    /* a revision that no hook knows stays the driver's: a hook of another would take its arguments for its own */
    EXPECT(door("cuMemAlloc", &f, 20000, 0, NULL) == 0 && f == dlsym(handle, "cuMemAlloc_v9") && f != NULL);
    /* a function that is exported under no name */
    EXPECT(door("cuMemFree", &f, 9000, 0, NULL) == 0 && f == (void *)cuMemFree_v2);
    /* the caller's own default stream */
    EXPECT(door("cuMemAllocAsync", &f, 12000, 2, NULL) == 0 && f == (void *)cuMemAllocAsync_ptsz);
    int before = *per_thread_calls;
    EXPECT(((int (*)(uint64_t *, size_t, void *))f)(&p, MIB, NULL) == 0 && *per_thread_calls == before + 1 && charged() == MIB);
    EXPECT(cuMemFreeAsync_ptsz(p, NULL) == 0 && charged() == 0);
    EXPECT(door("cuMemAllocAsync", &f, 12000, 0, NULL) == 0 && f == (void *)cuMemAllocAsync);
    /* where the driver has one function under both names, the caller gets what it asked for */
    EXPECT(door("cuGraphUpload", &f, 12000, 0, NULL) == 0 && f == dlsym(handle, "cuGraphUpload"));
    EXPECT(door("cuGraphUpload", &f, 12000, 2, NULL) == 0 && f == dlsym(handle, "cuGraphUpload_ptsz"));
    EXPECT(dlsym(handle, "cuGraphUpload") != dlsym(handle, "cuGraphUpload_ptsz"));
    /* the door itself, by both revisions */
    EXPECT(door("cuGetProcAddress", &f, 12000, 0, NULL) == 0 && f == (void *)cuGetProcAddress_v2);
    EXPECT(door("cuGetProcAddress", &f, 11030, 0, NULL) == 0 && f == (void *)cuGetProcAddress);
    /* what libcudart asks at its start, and other nothings */
    f = (void *)7;
    EXPECT(door("", &f, 0, 0, &status) == HCS_CU_INVALID_VALUE && f == NULL && status == 1);
    EXPECT(door(NULL, &f, 0, 0, NULL) == HCS_CU_INVALID_VALUE && door("cuMemAlloc", NULL, 12000, 0, NULL) == 0);
    EXPECT(door("cuNothing", &f, 12000, 0, &status) == HCS_CU_NOT_FOUND && f == NULL);
    EXPECT(door("cuInit", &f, 12000, 0, NULL) == 0 && f == dlsym(handle, "cuInit"));
    /* the runtime's doors */
    EXPECT(cudaGetDriverEntryPoint("cuMemAlloc", &f, 0, NULL) == 0 && through(f) == 0);
    EXPECT(cudaGetDriverEntryPoint_ptsz("cuMemAllocAsync", &f, 0, &status) == 0 && f == (void *)cuMemAllocAsync_ptsz);
    EXPECT(cudaGetDriverEntryPointByVersion("cuMemAlloc", &f, 12000, 0, &status) == 0 && through(f) == 0);
    EXPECT(cudaGetDriverEntryPointByVersion_ptsz("cuMemAllocAsync", &f, 12000, 0, &status) == 0 && f == (void *)cuMemAllocAsync_ptsz);
    EXPECT(hipGetProcAddress("hipMalloc", &f, 6, 0, &status) == 0 && f == (void *)hipMalloc);
    EXPECT(hipGetProcAddress("hipNothing", &f, 6, 0, &status) == 500 && f == NULL);
    const void *c = NULL;
    EXPECT(cnGetExportFunction("cnMalloc", &c) == 0 && c == (const void *)cnMalloc && cnGetExportFunction("x", &c) != 0);
    return 0;
}

/* --- questions ---------------------------------------------------------------------------------------------------------------- */

static int questions(void) {
    uint64_t p = 0, f = 0, t = 0;
    unsigned f32 = 0, t32 = 0;
    size_t bytes = 0;
    char properties[1024];
    EXPECT(cuMemAlloc_v2(&p, 256 * MIB) == 0);
    EXPECT(cuMemGetInfo_v2((size_t *)&f, (size_t *)&t) == 0 && t == GIB && f == 768 * MIB);
    EXPECT(cuMemGetInfo(&f32, &t32) == 0 && t32 == GIB && f32 == 768 * MIB && cuDeviceTotalMem(&t32, 0) == 0 && t32 == GIB);
    EXPECT(cuDeviceTotalMem_v2(&bytes, 1) == 0 && bytes == GIB && cuDeviceTotalMem_v2(&bytes, 0) == 0 && bytes == GIB);
    EXPECT(cudaGetDeviceProperties(properties, 0) == 0 && memcmp(properties + 288, &(size_t){GIB}, 8) == 0);
    EXPECT(properties[287] == 0x5a && properties[296] == 0x5a);
    EXPECT(cudaGetDeviceProperties_v2(properties, 0) == 0 && memcmp(properties + 288, &(size_t){GIB}, 8) == 0);
    EXPECT(hipDeviceTotalMem(&bytes, 0) == 0 && bytes == GIB);
    EXPECT(hipGetDeviceProperties(properties, 0) == 0 && memcmp(properties + 256, &(size_t){GIB}, 8) == 0);
    EXPECT(properties[255] == 0x5a && properties[264] == 0x5a);
    EXPECT(hipGetDevicePropertiesR0600(properties, 0) == 0 && memcmp(properties + 288, &(size_t){GIB}, 8) == 0);
    EXPECT(cnMemGetInfo(&f, &t) == 0 && t == GIB && f == GIB && cnDeviceTotalMem(&t, 0) == 0 && t == GIB);
    EXPECT(cnMemGetNodeInfo(&f, &t, 0) == 0 && t == GIB);
    int64_t value = 0;
    EXPECT(aclrtGetDeviceInfo(0, HCS_ACL_DEVICE_TOTAL_MEMORY, &value) == 0 && (uint64_t)value == GIB);
    EXPECT(aclrtGetDeviceInfo(0, 101, &value) == 0 && value == 7);
    EXPECT(rtMemGetInfo((size_t *)&f, (size_t *)&t) == 0 && t == GIB && rtMemGetInfoEx(0, (size_t *)&f, (size_t *)&t) == 0 && t == 64 * GIB);
    return 0;
}

/* nvidia-smi and its kin agree with cuMemGetInfo on devices of the segment, and tell the truth of all others. */
static int tools(void) {
    uint64_t p = 0;
    void *q = NULL;
    struct hcs_nvml_memory m;
    struct hcs_nvml_memory_v2 m2 = {.version = 0x02000028};
    EXPECT(nvmlDeviceGetMemoryInfo((void *)0x101, &m) == 0 && m.total == GIB && m.free == GIB && m.used == 0);
    EXPECT(cuMemAlloc_v2(&p, 256 * MIB) == 0);
    EXPECT(nvmlDeviceGetMemoryInfo((void *)0x100, &m) == 0 && m.total == GIB && m.free == 768 * MIB && m.used == 256 * MIB);
    EXPECT(nvmlDeviceGetMemoryInfo_v2((void *)0x100, &m2) == 0 && m2.total == GIB && m2.free == 768 * MIB &&
           m2.used == 256 * MIB && m2.reserved == 0 && m2.version == 0x02000028);
    EXPECT(nvmlDeviceGetMemoryInfo((void *)0x102, &m) == 0 && m.total == 64 * GIB && m.used == 5 * GIB);
    EXPECT(nvmlDeviceGetMemoryInfo_v2((void *)0x102, &m2) == 0 && m2.total == 64 * GIB && m2.reserved == 5 * GIB / 2);
    EXPECT(nvmlDeviceGetMemoryInfo((void *)0x100, NULL) == 2);
    EXPECT(hipMalloc(&q, 256 * MIB) == 0);
    EXPECT(rsmi_dev_memory_total_get(0, 0, &p) == 0 && p == GIB && rsmi_dev_memory_usage_get(0, 0, &p) == 0 && p == 256 * MIB);
    EXPECT(rsmi_dev_memory_total_get(0, 2, &p) == 0 && p == 64 * GIB && rsmi_dev_memory_total_get(3, 0, &p) == 0 && p == 64 * GIB);
    EXPECT(rsmi_dev_memory_usage_get(3, 0, &p) == 0 && p == 5 * GIB);
    struct hcs_dcmi_hbm hbm;
    struct hcs_dcmi_memory ddr;
    EXPECT(aclrtMalloc(&q, 256 * MIB, 0) == 0);
    EXPECT(dcmi_get_device_hbm_info(0, 0, &hbm) == 0 && hbm.size == 1024 && hbm.usage == 256 && hbm.megahertz == 1600);
    EXPECT(dcmi_get_hbm_info(0, 1, &hbm) == 0 && hbm.size == 1024 && hbm.usage == 0);
    EXPECT(dcmi_get_device_hbm_info(1, 0, &hbm) == 0 && hbm.size == 65536 && hbm.usage == 5120);
    EXPECT(dcmiv2_get_device_hbm_info(1, &hbm) == 0 && hbm.size == 1024);
    EXPECT(dcmi_get_device_memory_info_v3(0, 0, &ddr) == 0 && ddr.size == 1024 && ddr.available == 768);
    struct hcs_cndev_memory c;
    struct hcs_cndev_memory_v1 c1 = {.version = 5};
    EXPECT(cnrtMalloc(&q, 256 * MIB) == 0);
    EXPECT(cndevGetMemoryUsageV2(&c, 0x40) == 0 && c.total == 1024 && c.used == 256);
    EXPECT(cndevGetMemoryUsage(&c1, 0x41) == 0 && c1.total == 1024 && c1.used == 0 && c1.version == 5);
    EXPECT(cndevGetMemoryUsageV2(&c, 0x43) == 0 && c.total == 65536 && c.used == 5120);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
    {"functions", functions}, {"pitches", pitches}, {"arrays", arrays}, {"virtual_memory", virtual_memory},
    {"many_handles", many_handles}, {"virtual_memory_elsewhere", virtual_memory_elsewhere},
    {"streams_and_pools", streams_and_pools}, {"graphs", graphs}, {"same_numbers", same_numbers}, {"doors", doors}, {"questions", questions},
    {"tools", tools},
};

int main(int argc, char **argv) {
    truth = map_shared(getenv("FAKE_TRUTH"), sizeof *truth);
    segment = map_shared(getenv("HCS_SEGMENT"), sizeof *segment);
    for (size_t i = 0; argc > 1 && i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            return scenarios[i].run();
    return 127;
}
