/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#define ACL "libascendcl.so"
#define A(name, ...) F(ACL, int, name, __VA_ARGS__)
#define R(name, ...) F("libruntime.so", int, name, __VA_ARGS__)

struct acl_properties {
    uint32_t handle_type, allocation_type, attribute, device, location;
    uint64_t reserved;
};
struct rt_properties {
    uint32_t side, device, module, page_type, memory_type;
    uint64_t reserved;
};

static void start(void) {
    CHECK_EQUAL(A(aclInit, const char *)(NULL), 0);
    CHECK_EQUAL(A(aclrtSetDevice, int)(0), 0);
}

static void families(void) {
    void *p[8], *handle, *range, *imported;
    size_t left, total;
    uint64_t shareable;
    struct acl_properties properties = {.device = 0, .location = 1}, on_host = {.location = 0};
    start();
    CHECK_EQUAL(A(aclrtMalloc, void **, size_t, uint32_t)(&p[0], 100, 0), 0);
    CHECK_TRUTH(ASCEND, 100, 2 * MIB, 1);
    CHECK_EQUAL(A(aclrtMallocAlign32, void **, size_t, uint32_t)(&p[1], 100, 0), 0);
    CHECK_EQUAL(A(aclrtMallocCached, void **, size_t, uint32_t)(&p[2], 100, 0), 0);
    CHECK_EQUAL(A(aclrtMallocWithCfg, void **, size_t, uint32_t, void *)(&p[3], 100, 0, NULL), 0);
    CHECK_EQUAL(A(aclrtMallocForTaskScheduler, void **, size_t, uint32_t, void *)(&p[4], 100, 0, NULL), 0);
    CHECK_EQUAL(A(aclrtMemAllocManaged, void **, uint64_t, uint32_t)(&p[5], 100, 0), 0);
    CHECK_TRUTH(ASCEND, 600, 12 * MIB, 6);
    CHECK_EQUAL(A(aclrtMallocHost, void **, size_t)(&p[6], 100), 0);
    CHECK_TRUTH(ASCEND, 600, 12 * MIB, 6);
    CHECK_EQUAL(A(aclrtGetMemInfo, uint32_t, size_t *, size_t *)(1, &left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 12 * MIB);
    CHECK_EQUAL(A(aclrtGetMemInfo, uint32_t, size_t *, size_t *)(0, &left, &total), 0);
    CHECK_EQUAL(total, 16 * GIB); /* the host's */
    CHECK_EQUAL(A(aclrtFreeHost, void *)(p[6]), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQUAL(i % 2 ? A(aclrtFree, void *)(p[i]) : A(aclrtFreeWithDevSync, void *)(p[i]), 0);
    CHECK_TRUTH(ASCEND, 0, 0, 0);
    CHECK_EQUAL(A(aclrtMalloc, void **, size_t, uint32_t)(&p[0], 9 * GIB, 0), 207001);

    CHECK_EQUAL(A(aclrtMallocPhysical, void **, size_t, const void *, uint64_t)(&handle, 4 * MIB, &on_host, 0), 0);
    CHECK_TRUTH(ASCEND, 0, 0, 0);
    CHECK_EQUAL(A(aclrtFreePhysical, void *)(handle), 0);
    CHECK_EQUAL(A(aclrtMallocPhysical, void **, size_t, const void *, uint64_t)(&handle, 4 * MIB, &properties, 0), 0);
    CHECK_TRUTH(ASCEND, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(A(aclrtReserveMemAddress, void **, size_t, size_t, void *, uint64_t)(&range, 8 * MIB, 0, NULL, 1), 0);
    CHECK_EQUAL(A(aclrtMapMem, void *, size_t, size_t, void *, uint64_t)(range, 4 * MIB, 0, handle, 0), 0);
    CHECK_EQUAL(A(aclrtMemset, void *, size_t, int, size_t)(range, 4 * MIB, 0, 4 * MIB), 0);
    CHECK_EQUAL(A(aclrtMemExportToShareableHandle, void *, uint32_t, uint64_t, uint64_t *)(handle, 0, 0, &shareable),
                0);
    CHECK_EQUAL(A(aclrtMemImportFromShareableHandle, uint64_t, int, void **)(shareable, 0, &imported), 0);
    CHECK_TRUTH(ASCEND, 4 * MIB, 4 * MIB, 1);
    CHECK_EQUAL(A(aclrtFreePhysical, void *)(imported), 0);
    CHECK_EQUAL(A(aclrtUnmapMem, void *)(range), 0);
    CHECK_EQUAL(A(aclrtReleaseMemAddress, void *)(range), 0);
    CHECK_EQUAL(A(aclrtFreePhysical, void *)(handle), 0);
    CHECK_TRUTH(ASCEND, 0, 0, 0);
}

static void below(void) {
    void *a, *b, *c, *d, *handle;
    size_t left, total;
    struct rt_properties properties = {.side = 1};
    CHECK_EQUAL(R(rtSetDevice, int)(0), 0);
    CHECK_EQUAL(R(rtMalloc, void **, uint64_t, uint32_t, uint16_t)(&a, 100, 2, 0), 0);
    CHECK_EQUAL(R(rtMallocCached, void **, uint64_t, uint32_t, uint16_t)(&b, 100, 2, 0), 0);
    CHECK_EQUAL(R(rtMemAllocManaged, void **, uint64_t, uint32_t, uint16_t)(&c, 100, 0, 0), 0);
    CHECK_EQUAL(R(rtDvppMalloc, void **, uint64_t, uint16_t)(&d, 100, 0), 0);
    CHECK_TRUTH(ASCEND, 400, 8 * MIB, 4);
    CHECK_EQUAL(R(rtMallocPhysical, void **, size_t, const void *, uint64_t)(&handle, 2 * MIB, &properties, 0), 0);
    CHECK_TRUTH(ASCEND, 400 + 2 * MIB, 10 * MIB, 5);
    CHECK_EQUAL(R(rtMemGetInfoEx, uint32_t, size_t *, size_t *)(1, &left, &total), 0);
    CHECK_EQUAL(left, 8 * GIB - 10 * MIB);
    CHECK_EQUAL(R(rtFree, void *)(a), 0);
    CHECK_EQUAL(R(rtFreeWithDevSync, void *)(b), 0);
    CHECK_EQUAL(R(rtMemFreeManaged, void *)(c), 0);
    CHECK_EQUAL(R(rtDvppFree, void *)(d), 0);
    CHECK_EQUAL(R(rtFreePhysical, void *)(handle), 0);
    CHECK_TRUTH(ASCEND, 0, 0, 0);
}

static void calls(uint64_t of_malloc, uint64_t of_scheduler) {
    void *a, *b;
    start();
    uint64_t before = host->public_calls;
    CHECK_EQUAL(A(aclrtMalloc, void **, size_t, uint32_t)(&a, 100, 0), 0);
    CHECK_EQUAL(host->public_calls - before, of_malloc);
    before = host->public_calls;
    CHECK_EQUAL(A(aclrtMallocForTaskScheduler, void **, size_t, uint32_t, void *)(&b, 100, 0, NULL), 0);
    CHECK_EQUAL(host->public_calls - before, of_scheduler);
    CHECK_TRUTH(ASCEND, 200, 4 * MIB, 2);
}

static void old_calls(void) {
    calls(2, 4); /* aclrtMalloc, rtMalloc; ForTaskScheduler, WithCfg, Malloc, rtMalloc */
    CHECK(!check_has_symbol(ACL, "aclrtMallocImpl"));
}

static void new_calls(void) {
    calls(3, 5); /* one more: the Impl name */
    CHECK(check_has_symbol("libacl_rt_impl.so", "aclrtMallocAlign32Impl"));
    CHECK(check_has_symbol("libacl_rt.so", "aclrtMallocAlign32"));
    Dl_info where;
    CHECK(dladdr(check_symbol(ACL, "aclrtMalloc"), &where) != 0 && strstr(where.dli_fname, "cann9/libacl_rt.so"));
}

const struct check_case check_ascend[] = {
    {"acl: every allocator is charged and given back", families, NULL},
    {"acl: CANN 8 calls the runtime by its public names", old_calls, NULL},
    {"acl: every allocator of CANN 9 is charged and given back", families, "cann9"},
    {"acl: CANN 9 calls its Impl names and the runtime's", new_calls, "cann9"},
    {"rt: every allocator is charged and given back", below, NULL},
    {NULL, NULL, NULL},
};
