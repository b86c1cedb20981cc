/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#define CN(name, ...) F("libcndrv.so", int, name, __VA_ARGS__)
#define RT(name, ...) F("libcnrt.so", int, name, __VA_ARGS__)

/* The program's own stands before the driver's: libcnrt's calls come here, and cnGetExportFunction does not notice. */
static int seen;
int cnMalloc(uint64_t *pointer, uint64_t bytes);
int cnMalloc(uint64_t *pointer, uint64_t bytes) {
    seen++;
    return CN(cnMalloc, uint64_t *, uint64_t)(pointer, bytes);
}

static void driver(void) {
    static const char *const plain[] = {"cnMalloc", "cnMallocSecurity", "cnZmalloc", "cnMallocConstant",
                                        "cnMallocPeerAble"};
    static const char *const by_node[] = {"cnMallocNode", "cnZmallocNode", "cnMallocNodeConstant",
                                          "cnMallocFrameBuffer"};
    uint64_t p[9], left, total, handle, range;
    struct {
        int type, handle_types, location_type, device;
        uint8_t rest[16];
    } properties = {.type = 1, .location_type = 1};
    void *context;
    const void *function;
    CHECK_EQUAL(CN(cnMalloc, uint64_t *, uint64_t)(p, 100), 100002);
    CHECK_EQUAL(CN(cnInit, unsigned)(0), 0);
    CHECK_EQUAL(CN(cnCtxCreate, void **, unsigned, int)(&context, 0, 0), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(((int (*)(uint64_t *, uint64_t))check_symbol("libcndrv.so", plain[i]))(&p[i], 100), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(((int (*)(uint64_t *, uint64_t, int))check_symbol("libcndrv.so", by_node[i]))(&p[5 + i], 100, 0),
                    0);
    CHECK_TRUTH(CAMBRICON, 900, 18 * MIB, 9);
    CHECK_EQUAL(CN(cnMemGetInfo, uint64_t *, uint64_t *)(&left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 18 * MIB);
    for (int i = 0; i < 9; i++)
        CHECK_EQUAL(CN(cnFree, uint64_t)(p[i]), 0);
    CHECK_EQUAL(CN(cnFree, uint64_t)(p[0]), 100102);
    CHECK_TRUTH(CAMBRICON, 0, 0, 0);
    CHECK_EQUAL(CN(cnMalloc, uint64_t *, uint64_t)(p, 9 * GIB), 100100);

    CHECK_EQUAL(CN(cnMemCreate, uint64_t *, uint64_t, const void *, uint64_t)(&handle, 4 * MIB, &properties, 0), 0);
    CHECK_TRUTH(CAMBRICON, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CN(cnMemAddressReserve, uint64_t *, uint64_t, uint64_t, uint64_t, uint64_t)(&range, 8 * MIB, 0, 0, 0),
                0);
    CHECK_EQUAL(CN(cnMemMap, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)(range, 4 * MIB, 0, handle, 0), 0);
    CHECK_EQUAL(CN(cnMemRelease, uint64_t)(handle), 0);
    CHECK_TRUTH(CAMBRICON, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(CN(cnMemUnmap, uint64_t, uint64_t)(range, 4 * MIB), 0);
    CHECK_TRUTH(CAMBRICON, 0, 0, 0);

    CHECK_EQUAL(CN(cnGetExportFunction, const char *, const void **)("cnMalloc", &function), 0);
    CHECK(function == check_symbol("libcndrv.so", "cnMalloc"));
    CHECK_EQUAL(CN(cnGetExportFunction, const char *, const void **)("cnNothing", &function), 100050);
}

static void runtime(void) {
    void *a, *b, *c;
    size_t left, total;
    CHECK_EQUAL(RT(cnrtSetDevice, int)(0), 0);
    uint64_t before = host->public_calls;
    CHECK_EQUAL(RT(cnrtMalloc, void **, size_t)(&a, 100), 0);
    CHECK_EQUAL(host->public_calls - before, 2); /* cnrtMalloc, cnMalloc */
    CHECK_EQUAL(seen, 1);
    CHECK_EQUAL(RT(cnrtMallocConstant, void **, size_t)(&b, 100), 0);
    CHECK_EQUAL(RT(cnrtMallocAsync, void **, size_t, void *)(&c, 100, NULL), 0);
    CHECK_TRUTH(CAMBRICON, 300, 6 * MIB, 3);
    CHECK_EQUAL(RT(cnrtMemGetInfo, size_t *, size_t *)(&left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 6 * MIB);
    CHECK_EQUAL(RT(cnrtFree, void *)(a), 0);
    CHECK_EQUAL(RT(cnrtFree, void *)(b), 0);
    CHECK_EQUAL(RT(cnrtFreeAsync, void *, void *)(c, NULL), 0);
    CHECK_TRUTH(CAMBRICON, 0, 0, 0);
    CHECK_EQUAL(RT(cnrtFree, void *)(a), 100006);
    CHECK_EQUAL(RT(cnrtMalloc, void **, size_t)(&a, 9 * GIB), 100100);
    CHECK_EQUAL(RT(cnrtSetDevice, int)(7), 100005);
}

static void old_runtime(void) {
    void *pointer, *frame;
    size_t left, total;
    uint64_t device, current;
    CHECK_EQUAL(RT(cnrtInit, unsigned)(0), 0);
    CHECK_EQUAL(RT(cnrtGetDeviceHandle, uint64_t *, int)(&device, 0), 0);
    CHECK_EQUAL(RT(cnrtSetCurrentDevice, uint64_t)(device), 0);
    CHECK_EQUAL(RT(cnrtGetCurrentDevice, uint64_t *)(&current), 0);
    CHECK_EQUAL(current, device);
    CHECK_EQUAL(RT(cnrtMalloc, void **, size_t)(&pointer, 100), 0);
    CHECK_EQUAL(RT(cnrtMallocFrameBuffer, void **, size_t)(&frame, 100), 0);
    CHECK_TRUTH(CAMBRICON, 200, 4 * MIB, 2);
    CHECK_EQUAL(RT(cnrtGetMemInfo, size_t *, size_t *, uint32_t)(&left, &total, 0), 0);
    CHECK_EQUAL(total, 8192); /* MiB */
    CHECK_EQUAL(left, 8188);
    CHECK_EQUAL(RT(cnrtMalloc, void **, size_t)(&pointer, 9 * GIB), 632008);
    CHECK_EQUAL(RT(cnrtFree, void *)(pointer), 0);
    CHECK_EQUAL(RT(cnrtFree, void *)(frame), 0);
    CHECK_TRUTH(CAMBRICON, 0, 0, 0);
    CHECK(!check_has_symbol("libcnrt.so", "cnrtMemGetInfo"));
    CHECK(!check_has_symbol("libcnrt.so", "cnrtGetDevice"));
}

const struct check_case check_cambricon[] = {
    {"cndrv: every allocator is charged and given back", driver, NULL},
    {"cnrt: allocators go through the driver and are charged once", runtime, NULL},
    {"cnrt: CNRT 4 has handles, MiB and the old codes", old_runtime, "cnrt4"},
    {NULL, NULL, NULL},
};
