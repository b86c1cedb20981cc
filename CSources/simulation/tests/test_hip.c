/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#define H(name, ...) F(soname, int, name, __VA_ARGS__)

static const char *interposed_soname = "libgalaxyhip.so.5";

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
struct properties {
    int type, handle_types, location_type, device;
    void *security;
    uint8_t flags[8];
};
struct pool_properties {
    int type, handle_types, location_type, device;
    uint8_t rest[72];
};

static void addresses(const char *soname) {
    interposed_soname = soname;
    struct pitched pitched;
    void *p[5];
    size_t pitch, left, total;
    CHECK_EQUAL(H(hipMalloc, void **, size_t)(&p[0], 100), 0);
    CHECK_TRUTH(HYGON, 100, 2 * MIB, 1);
    CHECK_EQUAL(H(hipExtMallocWithFlags, void **, size_t, unsigned)(&p[1], 100, 1), 0);
    CHECK_EQUAL(H(hipMallocManaged, void **, size_t, unsigned)(&p[2], 100, 1), 0);
    CHECK_EQUAL(H(hipMallocPitch, void **, size_t *, size_t, size_t)(&p[3], &pitch, 100, 10), 0);
    CHECK_EQUAL(pitch, 128);
    CHECK_EQUAL(H(hipMemAllocPitch, void **, size_t *, size_t, size_t, unsigned)(&p[4], &pitch, 100, 10, 4), 0);
    CHECK_EQUAL(H(hipMalloc3D, void *, struct extent)(&pitched, (struct extent){100, 2, 5}), 0);
    CHECK_TRUTH(HYGON, 300 + 3 * 1280, 12 * MIB, 6);
    CHECK_EQUAL(H(hipMemGetInfo, size_t *, size_t *)(&left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 12 * MIB);
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(H(hipFree, void *)(p[i]), 0);
    CHECK_EQUAL(H(hipFreeAsync, void *, void *)(pitched.pointer, NULL), 0);
    CHECK_EQUAL(H(hipFree, void *)(p[0]), 1);
    CHECK_TRUTH(HYGON, 0, 0, 0);
    CHECK_EQUAL(H(hipMalloc, void **, size_t)(&p[0], 9 * GIB), 2);
}

static void objects(const char *soname) {
    struct format rgba = {8, 8, 8, 8, 1};
    struct properties properties = {.type = 1, .location_type = 1};
    struct pool_properties pool_properties = {.type = 1, .location_type = 1};
    void *a, *b, *c, *pool, *handle, *range, *imported;
    int fd = -1;
    CHECK_EQUAL(H(hipMallocArray, void **, const void *, size_t, size_t, unsigned)(&a, &rgba, 1024, 1024, 0), 0);
    CHECK_EQUAL(
        H(hipMalloc3DArray, void **, const void *, struct extent, unsigned)(&b, &rgba, (struct extent){64, 64, 4}, 0),
        0);
    CHECK_EQUAL(H(hipMallocMipmappedArray, void **, const void *, struct extent, unsigned,
                  unsigned)(&c, &rgba, (struct extent){64, 64, 0}, 2, 0),
                0);
    CHECK_TRUTH(HYGON, 4 * MIB + 65536 + 20480, 8 * MIB, 3);
    CHECK_EQUAL(H(hipFree, void *)(a), 1);
    CHECK_EQUAL(H(hipFreeArray, void *)(a), 0);
    CHECK_EQUAL(H(hipArrayDestroy, void *)(b), 0);
    CHECK_EQUAL(H(hipFreeMipmappedArray, void *)(c), 0);
    CHECK_TRUTH(HYGON, 0, 0, 0);

    CHECK_EQUAL(H(hipMallocAsync, void **, size_t, void *)(&a, MIB, NULL), 0);
    CHECK_EQUAL(H(hipMemPoolCreate, void **, const void *)(&pool, &pool_properties), 0);
    CHECK_EQUAL(H(hipMallocFromPoolAsync, void **, size_t, void *, void *)(&b, MIB, pool, NULL), 0);
    CHECK_TRUTH(HYGON, 2 * MIB, 4 * MIB, 2);
    CHECK_EQUAL(H(hipFreeAsync, void *, void *)(a, NULL), 0);
    CHECK_TRUTH(HYGON, MIB, 4 * MIB, 1);
    CHECK_EQUAL(H(hipFree, void *)(b), 0);
    CHECK_EQUAL(H(hipMemPoolDestroy, void *)(pool), 0);
    CHECK_TRUTH(HYGON, 0, 0, 0);

    CHECK_EQUAL(H(hipMemCreate, void **, size_t, const void *, uint64_t)(&handle, 4 * MIB, &properties, 0), 0);
    CHECK_EQUAL(H(hipMemAddressReserve, void **, size_t, size_t, void *, uint64_t)(&range, 8 * MIB, 0, NULL, 0), 0);
    CHECK_EQUAL(H(hipMemMap, void *, size_t, size_t, void *, uint64_t)(range, 4 * MIB, 0, handle, 0), 0);
    CHECK_EQUAL(H(hipMemExportToShareableHandle, void *, void *, int, uint64_t)(&fd, handle, 1, 0), 0);
    CHECK_EQUAL(H(hipMemImportFromShareableHandle, void **, void *, int)(&imported, &fd, 1), 0);
    CHECK_EQUAL(H(hipMemRelease, void *)(imported), 0);
    CHECK_EQUAL(H(hipMemRelease, void *)(handle), 0);
    CHECK_TRUTH(HYGON, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(H(hipMemUnmap, void *, size_t)(range, 4 * MIB), 0);
    CHECK_EQUAL(H(hipMemAddressFree, void *, size_t)(range, 8 * MIB), 0);
    CHECK_TRUTH(HYGON, 0, 0, 0);
}

static uint64_t memory_at(const char *soname, const char *name, size_t offset) {
    char properties[4096];
    uint64_t memory;
    CHECK_EQUAL(((int (*)(void *, int))check_symbol(soname, name))(properties, 0), 0);
    memcpy(&memory, properties + offset, sizeof memory);
    return memory;
}

static void galaxy(void) {
    const char *soname = "libgalaxyhip.so.5";
    addresses(soname);
    objects(soname);
    CHECK_EQUAL(memory_at(soname, "hipGetDeviceProperties", 256), 8 * GIB);
    CHECK(!check_has_symbol(soname, "hipGetProcAddress"));
    CHECK(dlvsym(dlopen(soname, RTLD_LAZY), "hipMalloc", "hip_4.2") == NULL);
}

static void amd5(void) {
    const char *soname = "libamdhip64.so.5";
    addresses(soname);
    objects(soname);
    check_version(soname, "hipMalloc", "hip_4.2");
    check_version(soname, "hipArrayDestroy", "hip_4.3");
    check_version(soname, "hipMallocAsync", "hip_5.1");
    CHECK(!check_has_symbol(soname, "hipGetProcAddress"));
    CHECK(!check_has_symbol(soname, "hipGetDevicePropertiesR0600"));
}

static void amd6(void) {
    const char *soname = "libamdhip64.so.6";
    void *function = NULL;
    int status = -1;
    addresses(soname);
    objects(soname);
    check_version(soname, "hipMemCreate", "hip_5.1");
    check_version(soname, "hipGetDevicePropertiesR0600", "hip_6.0");
    check_version(soname, "hipGetProcAddress", "hip_6.1");
    CHECK_EQUAL(memory_at(soname, "hipGetDevicePropertiesR0600", 288), 8 * GIB);
    CHECK_EQUAL(memory_at(soname, "hipGetDeviceProperties", 256), 8 * GIB);
    CHECK_EQUAL(
        H(hipGetProcAddress, const char *, void **, int, uint64_t, int *)("hipMalloc", &function, 60000000, 0, &status),
        0);
    CHECK(function == check_symbol(soname, "hipMalloc"));
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(H(hipGetProcAddress, const char *, void **, int, uint64_t, int *)("hipNothing", &function, 60000000, 0,
                                                                                  &status),
                500);
}

static void calls(void) {
    const char *soname = "libgalaxyhip.so.5";
    struct format rgba = {8, 8, 8, 8, 1};
    struct pitched pitched;
    void *a, *b, *c;
    H(hipMemGetInfo, size_t *, size_t *)(NULL, NULL);
    uint64_t before = host->public_calls;
    CHECK_EQUAL(H(hipExtMallocWithFlags, void **, size_t, unsigned)(&a, 100, 0), 0);
    CHECK_EQUAL(host->public_calls - before, 2);
    before = host->public_calls;
    CHECK_EQUAL(H(hipMalloc3D, void *, struct extent)(&pitched, (struct extent){100, 2, 5}), 0);
    CHECK_EQUAL(host->public_calls - before, 3); /* hipMalloc3D, hipMallocPitch, hipMalloc */
    before = host->public_calls;
    CHECK_EQUAL(H(hipMallocAsync, void **, size_t, void *)(&b, 100, NULL), 0);
    CHECK_EQUAL(host->public_calls - before, 2);
    before = host->public_calls;
    CHECK_EQUAL(H(hipMallocArray, void **, const void *, size_t, size_t, unsigned)(&c, &rgba, 10, 10, 0), 0);
    CHECK_EQUAL(H(hipFreeArray, void *)(c), 0);
    CHECK_EQUAL(host->public_calls - before, 4);
    CHECK_TRUTH(HYGON, 100 + 1280 + 100, 6 * MIB, 3);
}

/* The program's own stands before the library's, and the library's inner calls come here. */
static int inner_calls;
int hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height);
int hipMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
    inner_calls++;
    return F(interposed_soname, int, hipMallocPitch, void **, size_t *, size_t, size_t)(pointer, pitch, width, height);
}

static void interposed(void) {
    static const char *const sonames[] = {"libgalaxyhip.so.5", "libamdhip64.so.5", "libamdhip64.so.6"};
    struct pitched pitched;
    for (int i = 0; i < 3; i++) {
        interposed_soname = sonames[i];
        const char *soname = sonames[i];
        CHECK_EQUAL(H(hipMalloc3D, void *, struct extent)(&pitched, (struct extent){100, 2, 5}), 0);
        CHECK_EQUAL(inner_calls, i + 1);
    }
    CHECK_TRUTH(HYGON, 3 * 1280, 6 * MIB, 3);
}

const struct check_case check_hip[] = {
    {"hip: libgalaxyhip.so.5 charges and gives back, without version nodes", galaxy, NULL},
    {"hip: libamdhip64.so.5 charges and gives back, with version nodes", amd5, NULL},
    {"hip: libamdhip64.so.6 has two properties and entry points", amd6, NULL},
    {"hip: public functions call public functions, and memory is charged once", calls, NULL},
    {"hip: inner calls can be interposed", interposed, NULL},
    {NULL, NULL, NULL},
};
