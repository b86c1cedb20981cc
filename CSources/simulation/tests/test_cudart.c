/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#define RT(name, ...) F(soname, int, name, __VA_ARGS__)

struct extent {
    size_t width, height, depth;
};
struct pitched {
    void *pointer;
    size_t pitch, xsize, ysize;
};
struct format {
    int x, y, z, w, f;
};
struct node_parameters {
    int type, handle_types, location_type, device;
    uint8_t rest[72];
    const void *access;
    size_t access_count, bytes;
    void *pointer;
};

static void families(const char *soname) {
    struct format rgba = {8, 8, 8, 8, 1};
    struct pitched pitched;
    void *a, *b, *c, *d, *e, *pool;
    size_t pitch, left, total;
    CHECK_EQUAL(RT(cudaMalloc, void **, size_t)(&a, 100), 0);
    CHECK_TRUTH(NVIDIA0, 100, 2 * MIB, 1);
    CHECK_EQUAL(RT(cudaMallocPitch, void **, size_t *, size_t, size_t)(&b, &pitch, 100, 2), 0);
    CHECK_EQUAL(RT(cudaMalloc3D, void *, struct extent)(&pitched, (struct extent){100, 2, 2}), 0);
    CHECK_EQUAL(pitched.pitch, 512);
    CHECK_EQUAL(RT(cudaMallocManaged, void **, size_t, unsigned)(&c, 1000, 1), 0);
    CHECK_TRUTH(NVIDIA0, 100 + 1024 + 2048 + 1000, 8 * MIB, 4);
    CHECK_EQUAL(RT(cudaMallocArray, void **, const void *, size_t, size_t, unsigned)(&d, &rgba, 1024, 1024, 0), 0);
    CHECK_EQUAL(
        RT(cudaMalloc3DArray, void **, const void *, struct extent, unsigned)(&e, &rgba, (struct extent){64, 64, 4}, 0),
        0);
    CHECK_TRUTH(NVIDIA0, 4172 + 4 * MIB + 65536, 14 * MIB, 6);
    CHECK_EQUAL(RT(cudaMemGetInfo, size_t *, size_t *)(&left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 14 * MIB);
    CHECK_EQUAL(RT(cudaFree, void *)(a), 0);
    CHECK_EQUAL(RT(cudaFree, void *)(b), 0);
    CHECK_EQUAL(RT(cudaFree, void *)(c), 0);
    CHECK_EQUAL(RT(cudaFree, void *)(pitched.pointer), 0);
    CHECK_EQUAL(RT(cudaFree, void *)(NULL), 0);
    CHECK_EQUAL(RT(cudaFreeArray, void *)(d), 0);
    CHECK_EQUAL(RT(cudaFreeArray, void *)(e), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(RT(cudaMallocMipmappedArray, void **, const void *, struct extent, unsigned,
                   unsigned)(&d, &rgba, (struct extent){64, 64, 0}, 2, 0),
                0);
    CHECK_TRUTH(NVIDIA0, 4 * (64 * 64 + 32 * 32), 2 * MIB, 1);
    CHECK_EQUAL(RT(cudaFreeMipmappedArray, void *)(d), 0);

    CHECK_EQUAL(RT(cudaMallocAsync, void **, size_t, void *)(&a, MIB, NULL), 0);
    CHECK_EQUAL(RT(cudaMallocAsync_ptsz, void **, size_t, void *)(&b, MIB, NULL), 0);
    CHECK_EQUAL(RT(cudaDeviceGetDefaultMemPool, void **, int)(&pool, 0), 0);
    CHECK_EQUAL(RT(cudaMallocFromPoolAsync, void **, size_t, void *, void *)(&c, MIB, pool, NULL), 0);
    CHECK_TRUTH(NVIDIA0, 3 * MIB, 4 * MIB, 3);
    CHECK_EQUAL(RT(cudaFreeAsync, void *, void *)(a, NULL), 0);
    CHECK_EQUAL(RT(cudaFreeAsync_ptsz, void *, void *)(b, NULL), 0);
    CHECK_EQUAL(RT(cudaFree, void *)(c), 0);
    CHECK_EQUAL(RT(cudaDeviceSynchronize, void)(), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
    CHECK_EQUAL(RT(cudaMalloc, void **, size_t)(&a, 0), 0);
    CHECK(a == NULL);
    CHECK_EQUAL(RT(cudaMalloc, void **, size_t)(&a, 9 * GIB), 2);
    CHECK_EQUAL(RT(cudaGetLastError, void)(), 2);

    struct node_parameters parameters = {.type = 1, .location_type = 1, .bytes = MIB};
    void *graph, *node, *exec;
    CHECK_EQUAL(RT(cudaGraphCreate, void **, unsigned)(&graph, 0), 0);
    CHECK_EQUAL(
        RT(cudaGraphAddMemAllocNode, void **, void *, void *, size_t, void *)(&node, graph, NULL, 0, &parameters), 0);
    CHECK_EQUAL(RT(cudaGraphInstantiateWithFlags, void **, void *, uint64_t)(&exec, graph, 0), 0);
    CHECK_EQUAL(RT(cudaGraphLaunch, void *, void *)(exec, NULL), 0);
    CHECK_TRUTH(NVIDIA0, MIB, 2 * MIB, 1);
    CHECK_EQUAL(RT(cudaFree, void *)(parameters.pointer), 0);
    CHECK_EQUAL(RT(cudaDeviceGraphMemTrim, int)(0), 0);
    CHECK_EQUAL(RT(cudaMalloc, void **, size_t)(&a, MIB), 0);
    CHECK_EQUAL(RT(cudaDeviceReset, void)(), 0);
    CHECK_TRUTH(NVIDIA0, 0, 0, 0);
}

static void properties_of(const char *soname, const char *name) {
    char properties[1100];
    uint64_t memory;
    memset(properties, 0x5a, sizeof properties);
    CHECK_EQUAL(((int (*)(void *, int))check_symbol(soname, name))(properties, 1), 0);
    memcpy(&memory, properties + 288, sizeof memory);
    CHECK(strcmp(properties, "NVIDIA H100 80GB HBM3") == 0);
    CHECK(memcmp(properties + 256, host->devices[1].uuid, 16) == 0);
    CHECK_EQUAL(memory, 8 * GIB);
    CHECK_EQUAL((unsigned char)properties[1032], 0x5a);
}

static void entry_points(const char *soname, int runtime) {
    void *function = NULL;
    int status = -1;
    if (runtime == 11) {
        CHECK_EQUAL(RT(cudaGetDriverEntryPoint, const char *, void **, uint64_t)("cuMemAlloc", &function, 0), 0);
        CHECK(function == check_symbol("libcuda.so.1", "cuMemAlloc_v2"));
        CHECK_EQUAL(RT(cudaGetDriverEntryPoint, const char *, void **, uint64_t)("cuMemAllocAsync", &function, 2), 0);
        CHECK(function == check_symbol("libcuda.so.1", "cuMemAllocAsync_ptsz"));
        CHECK_EQUAL(RT(cudaGetDriverEntryPoint, const char *, void **, uint64_t)("cuNothing", &function, 0), 500);
        return;
    }
    CHECK_EQUAL(
        RT(cudaGetDriverEntryPoint, const char *, void **, uint64_t, int *)("cuMemAlloc", &function, 0, &status), 0);
    CHECK(function == check_symbol("libcuda.so.1", "cuMemAlloc_v2"));
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(RT(cudaGetDriverEntryPoint_ptsz, const char *, void **, uint64_t, int *)("cuMemFreeAsync", &function, 0,
                                                                                         &status),
                0);
    CHECK(function == check_symbol("libcuda.so.1", "cuMemFreeAsync_ptsz"));
    CHECK_EQUAL(RT(cudaGetDriverEntryPointByVersion, const char *, void **, unsigned, uint64_t,
                   int *)("cuMemAlloc", &function, 3010, 0, &status),
                0);
    CHECK(function == check_symbol("libcuda.so.1", "cuMemAlloc"));
    CHECK_EQUAL(RT(cudaGetDriverEntryPoint, const char *, void **, uint64_t, int *)("cuNothing", &function, 0, &status),
                0);
    CHECK(function == NULL);
    CHECK_EQUAL(status, 1);
}

static void of_11(void) {
    const char *soname = "libcudart.so.11.0";
    families(soname);
    properties_of(soname, "cudaGetDeviceProperties");
    entry_points(soname, 11);
    CHECK(!check_has_symbol(soname, "cudaGetDeviceProperties_v2"));
    CHECK(!check_has_symbol(soname, "cudaGetDriverEntryPointByVersion"));
    check_version(soname, "cudaMalloc", "libcudart.so.11.0");
}

static void of_12(void) {
    const char *soname = "libcudart.so.12";
    families(soname);
    properties_of(soname, "cudaGetDeviceProperties");
    properties_of(soname, "cudaGetDeviceProperties_v2");
    entry_points(soname, 12);
    check_version(soname, "cudaMallocAsync_ptsz", "libcudart.so.12");
}

static void of_13(void) {
    const char *soname = "libcudart.so.13";
    families(soname);
    properties_of(soname, "cudaGetDeviceProperties");
    entry_points(soname, 13);
    CHECK(!check_has_symbol(soname, "cudaGetDeviceProperties_v2"));
    check_version(soname, "cudaGetDriverEntryPoint", "libcudart.so.13");
}

static void twice_through(void) {
    const char *soname = "libcudart.so.12";
    void *pointer;
    uint64_t before = host->public_calls;
    CHECK_EQUAL(RT(cudaMalloc, void **, size_t)(&pointer, MIB), 0);
    CHECK_EQUAL(host->public_calls - before, 1); /* libcudart does not count itself */
    CHECK_TRUTH(NVIDIA0, MIB, 2 * MIB, 1);
}

const struct check_case check_cudart[] = {
    {"cudart 11: families, properties, entry points, version node", of_11, NULL},
    {"cudart 12: families, properties, entry points, version node", of_12, NULL},
    {"cudart 13: families, properties, entry points, version node", of_13, NULL},
    {"cudart: the driver is called once for an allocation", twice_through, NULL},
    {NULL, NULL, NULL},
};
