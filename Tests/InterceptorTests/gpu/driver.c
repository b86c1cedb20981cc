/* SPDX-License-Identifier: Apache-2.0
 *
 * One way of allocating, held to a quota: `driver probe`, `driver KIND QUOTA [MIB]`, `driver hold QUOTA MIB [COMMAND]`; the
 * quota in bytes, 0 for none. It opens libcuda and NVML for itself; DOOR=dlsym asks for exported names, otherwise
 * cuGetProcAddress_v2 is asked. Of a request of 600 MiB one fits the quota and two do not. Exits with 77 where the device
 * lacks the kind.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cuda_abi.h"

#define MIB ((size_t)1 << 20)
#define SKIPPED 77
#define NEEDED (6144 * MIB) /* free on the device, for PyTorch's quota of 4 GiB and its context */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            stop(1, "line %d: %s does not hold", __LINE__, #condition);                                                \
    } while (0)

typedef uint64_t u64;
typedef struct hcs_cu_pool pool_properties;

/* Field, base name, version asked for, exported name, arguments */
#define DRIVER(X)                                                                                                      \
    X(init, cuInit, 2000, cuInit, (unsigned))                                                                          \
    X(count, cuDeviceGetCount, 2000, cuDeviceGetCount, (int *))                                                        \
    X(name, cuDeviceGetName, 2000, cuDeviceGetName, (char *, int, int))                                                \
    X(uuid, cuDeviceGetUuid, 11040, cuDeviceGetUuid_v2, (struct hcs_cuda_uuid *, int))                                 \
    X(total, cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2, (size_t *, int))                                             \
    X(retain, cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain, (void **, int))                                \
    X(set, cuCtxSetCurrent, 4000, cuCtxSetCurrent, (void *))                                                           \
    X(info, cuMemGetInfo, 3020, cuMemGetInfo_v2, (size_t *, size_t *))                                                 \
    X(alloc, cuMemAlloc, 3020, cuMemAlloc_v2, (u64 *, size_t))                                                         \
    X(managed, cuMemAllocManaged, 6000, cuMemAllocManaged, (u64 *, size_t, unsigned))                                  \
    X(pitch, cuMemAllocPitch, 3020, cuMemAllocPitch_v2, (u64 *, size_t *, size_t, size_t, unsigned))                   \
    X(free, cuMemFree, 3020, cuMemFree_v2, (u64))                                                                      \
    X(async, cuMemAllocAsync, 11020, cuMemAllocAsync, (u64 *, size_t, void *))                                         \
    X(free_async, cuMemFreeAsync, 11020, cuMemFreeAsync, (u64, void *))                                                \
    X(pool_create, cuMemPoolCreate, 11020, cuMemPoolCreate, (void **, const pool_properties *))                        \
    X(pool_destroy, cuMemPoolDestroy, 11020, cuMemPoolDestroy, (void *))                                               \
    X(from_pool, cuMemAllocFromPoolAsync, 11020, cuMemAllocFromPoolAsync, (u64 *, size_t, void *, void *))             \
    X(synchronize, cuCtxSynchronize, 2000, cuCtxSynchronize, (void))                                                   \
    X(array, cuArrayCreate, 3020, cuArrayCreate_v2, (void **, const struct hcs_cu_array *))                            \
    X(array3d, cuArray3DCreate, 3020, cuArray3DCreate_v2, (void **, const struct hcs_cu_array3d *))                    \
    X(array_destroy, cuArrayDestroy, 2000, cuArrayDestroy, (void *))                                                   \
    X(mipmap, cuMipmappedArrayCreate, 5000, cuMipmappedArrayCreate, (void **, const struct hcs_cu_array3d *, unsigned)) \
    X(mipmap_destroy, cuMipmappedArrayDestroy, 5000, cuMipmappedArrayDestroy, (void *))                                \
    X(create, cuMemCreate, 10020, cuMemCreate, (u64 *, size_t, const struct hcs_cu_allocation *, u64))                 \
    X(release, cuMemRelease, 10020, cuMemRelease, (u64))                                                               \
    X(reserve, cuMemAddressReserve, 10020, cuMemAddressReserve, (u64 *, size_t, size_t, u64, u64))                     \
    X(unreserve, cuMemAddressFree, 10020, cuMemAddressFree, (u64, size_t))                                             \
    X(map, cuMemMap, 10020, cuMemMap, (u64, size_t, size_t, u64, u64))                                                 \
    X(unmap, cuMemUnmap, 10020, cuMemUnmap, (u64, size_t))                                                             \
    X(host, cuMemHostAlloc, 2020, cuMemHostAlloc, (void **, size_t, unsigned))                                         \
    X(free_host, cuMemFreeHost, 2000, cuMemFreeHost, (void *))                                                         \
    X(graph, cuGraphCreate, 10000, cuGraphCreate, (void **, unsigned))                                                 \
    X(graph_alloc, cuGraphAddMemAllocNode, 11040, cuGraphAddMemAllocNode,                                              \
      (void **, void *, void *const *, size_t, struct hcs_cu_memory_node *))                                           \
    X(graph_free, cuGraphAddMemFreeNode, 11040, cuGraphAddMemFreeNode, (void **, void *, void *const *, size_t, u64))  \
    X(instantiate, cuGraphInstantiateWithFlags, 11040, cuGraphInstantiateWithFlags, (void **, void *, u64))            \
    X(launch, cuGraphLaunch, 10000, cuGraphLaunch, (void *, void *))                                                   \
    X(exec_destroy, cuGraphExecDestroy, 10000, cuGraphExecDestroy, (void *))                                           \
    X(graph_destroy, cuGraphDestroy, 10000, cuGraphDestroy, (void *))                                                  \
    X(trim, cuDeviceGraphMemTrim, 11040, cuDeviceGraphMemTrim, (int))                                                  \
    X(graph_memory, cuDeviceGetGraphMemAttribute, 11040, cuDeviceGetGraphMemAttribute, (int, int, void *))

static struct {
#define X(field, name, version, exported, arguments) int(*field) arguments;
    DRIVER(X)
#undef X
} cu;

static size_t quota, asked;

__attribute__((format(printf, 2, 3), noreturn)) static void stop(int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    exit(status);
}

static void find(void **function, void *library, const char *name, int version, const char *exported) {
    static int (*lookup)(const char *, void **, int, u64, int *);
    const char *door = getenv("DOOR");
    if (door && strcmp(door, "dlsym") == 0) {
        *function = dlsym(library, exported);
        return;
    }
    void *symbol = lookup ? NULL : dlsym(library, "cuGetProcAddress_v2");
    if (!lookup)
        memcpy(&lookup, &symbol, sizeof lookup);
    if (!lookup)
        stop(SKIPPED, "this driver has no cuGetProcAddress_v2");
    int status = 0;
    if (lookup(name, function, version, 0, &status) != 0)
        *function = NULL;
}

static int load(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 0;
#define X(field, name, version, exported, arguments) find((void **)&cu.field, library, #name, version, #exported);
    DRIVER(X)
#undef X
    return cu.init && cu.init(0) == 0;
}

/* --- what NVML says of this process ----------------------------------------------------------------------------------- */

struct nvml_process {
    unsigned pid;
    u64 used;
    unsigned gpu_instance, compute_instance;
};

static void uuid_text(char text[64]) {
    struct hcs_cuda_uuid uuid;
    EXPECT(cu.uuid(&uuid, 0) == 0);
    const uint8_t *b = uuid.bytes;
    snprintf(text, 64, "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Bytes, or -1 where it does not say: no NVML, a pid namespace, MIG. */
static long long nvml_used(void) {
    static void *device;
    static int (*processes)(void *, unsigned *, struct nvml_process *);
    static struct nvml_process list[256];
    unsigned count = sizeof list / sizeof *list;
    if (!processes) {
        char text[64];
        void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        int (*init)(void) = NULL, (*by_uuid)(const char *, void **) = NULL;
        void *symbols[] = {library ? dlsym(library, "nvmlInit_v2") : NULL,
                           library ? dlsym(library, "nvmlDeviceGetHandleByUUID") : NULL,
                           library ? dlsym(library, "nvmlDeviceGetComputeRunningProcesses_v3") : NULL};
        if (!symbols[0] || !symbols[1] || !symbols[2])
            return -1;
        memcpy(&init, &symbols[0], sizeof init);
        memcpy(&by_uuid, &symbols[1], sizeof by_uuid);
        uuid_text(text);
        if (init() != 0 || by_uuid(text, &device) != 0)
            return -1;
        memcpy(&processes, &symbols[2], sizeof processes);
    }
    if (processes(device, &count, list) != 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        if (list[i].pid == (unsigned)getpid())
            return (long long)list[i].used;
    return -1;
}

/* --- kinds --------------------------------------------------------------------------------------------------------------- */

static struct hcs_cu_allocation physical = {.type = 1, .location = {HCS_CU_LOCATION_DEVICE, 0}};
static void *pool;

static int take_pointer(void **out, size_t bytes) { return cu.alloc((u64 *)out, bytes); }
static int take_managed(void **out, size_t bytes) { return cu.managed((u64 *)out, bytes, 1); }
static int take_pitch(void **out, size_t bytes) {
    size_t pitch = 0;
    return cu.pitch((u64 *)out, &pitch, 65536, bytes / 65536, 4);
}
static int take_async(void **out, size_t bytes) { return cu.async((u64 *)out, bytes, NULL); }
static int take_from_pool(void **out, size_t bytes) {
    pool_properties properties = {.type = 1, .location = {HCS_CU_LOCATION_DEVICE, 0}};
    if (!pool && cu.pool_create(&pool, &properties) != 0)
        return HCS_CU_NOT_SUPPORTED;
    return cu.from_pool((u64 *)out, bytes, pool, NULL);
}
static int take_array(void **out, size_t bytes) {
    return cu.array(out, &(struct hcs_cu_array){.width = 65536, .height = bytes / 65536, .format = 1, .channels = 1});
}
static int take_array3d(void **out, size_t bytes) {
    return cu.array3d(out, &(struct hcs_cu_array3d){
                               .width = 1024, .height = 1024, .depth = bytes / MIB, .format = 1, .channels = 1});
}
static int take_mipmap(void **out, size_t bytes) {
    return cu.mipmap(out, &(struct hcs_cu_array3d){.width = 32768, .height = bytes / 32768, .format = 1, .channels = 1}, 1);
}
static int take_create(void **out, size_t bytes) { return cu.create((u64 *)out, bytes, &physical, 0); }

/* Mapped, and its handle released: the mapping holds the memory. */
static int take_mapped(void **out, size_t bytes) {
    u64 address = 0, handle = 0;
    int code = cu.create(&handle, bytes, &physical, 0);
    if (code != 0)
        return code;
    EXPECT(cu.reserve(&address, bytes, 0, 0, 0) == 0);
    EXPECT(cu.map(address, bytes, 0, handle, 0) == 0);
    EXPECT(cu.release(handle) == 0);
    *out = (void *)(uintptr_t)address;
    return 0;
}

static int give_pointer(void *p) { return cu.free((uintptr_t)p); }
static int give_async(void *p) { return cu.free_async((uintptr_t)p, NULL); }
static int give_array(void *p) { return cu.array_destroy(p); }
static int give_mipmap(void *p) { return cu.mipmap_destroy(p); }
static int give_handle(void *p) { return cu.release((uintptr_t)p); }
static int give_mapped(void *p) {
    int code = cu.unmap((uintptr_t)p, asked);
    return code != 0 ? code : cu.unreserve((uintptr_t)p, asked);
}

static const struct kind {
    const char *name;
    int (*take)(void **, size_t);
    int (*give)(void *);
} kinds[] = {
    {"pointer", take_pointer, give_pointer}, {"managed", take_managed, give_pointer}, {"pitch", take_pitch, give_pointer},
    {"async", take_async, give_async},       {"pool", take_from_pool, give_async},    {"array", take_array, give_array},
    {"array3d", take_array3d, give_array},   {"mipmap", take_mipmap, give_mipmap},    {"create", take_create, give_handle},
    {"mapped", take_mapped, give_mapped},
};

/* Used of the quota. Without one nobody counts. */
static size_t used(void) {
    size_t free_bytes = 0, total = 0;
    EXPECT(cu.info(&free_bytes, &total) == 0);
    if (quota == 0)
        return 0;
    EXPECT(total == quota);
    return total - free_bytes;
}

static void try_kind(const struct kind *k) {
    void *first = NULL, *second = NULL;
    size_t before = used();
    long long nvml = nvml_used(), nvml_holds;
    int code = k->take(&first, asked);
    if (code == HCS_CU_NOT_SUPPORTED)
        stop(SKIPPED, "this device does not support it");
    EXPECT(code == 0);
    size_t holds = used() - before;
    nvml_holds = nvml_used();
    EXPECT(quota == 0 || holds == asked);
    code = k->take(&second, asked);
    if (quota == 0) {
        EXPECT(code == 0 && k->give(second) == 0);
    } else {
        EXPECT(code == HCS_CU_OUT_OF_MEMORY);
        EXPECT(used() - before == asked);
    }
    EXPECT(k->give(first) == 0);
    EXPECT(cu.synchronize() == 0);
    EXPECT(used() == before);
    EXPECT(k->take(&first, asked) == 0 && k->give(first) == 0);
    if (quota != 0 && nvml_holds >= 0)
        printf("note: ledger %zu MiB, NVML %lld MiB\n", holds / MIB, (nvml_holds - (nvml > 0 ? nvml : 0)) / (long long)MIB);
    else if (quota != 0)
        printf("note: ledger %zu MiB, NVML does not list this process\n", holds / MIB);
}

static void host_memory(void) {
    void *p = NULL;
    size_t before = used();
    EXPECT(cu.host(&p, quota + asked, 0) == 0);
    EXPECT(used() == before);
    EXPECT(cu.free_host(p) == 0);
}

/* A graph that allocates and frees: what the driver keeps for it is charged after the launch, and given back by a trim. */
static void graph_memory(void) {
    void *graph = NULL, *node = NULL, *free_node = NULL, *executable = NULL;
    struct hcs_cu_memory_node parameters = {
        .pool = {.type = 1, .location = {HCS_CU_LOCATION_DEVICE, 0}}, .bytes = quota + asked};
    EXPECT(cu.graph && cu.graph(&graph, 0) == 0);
    if (quota != 0)
        EXPECT(cu.graph_alloc(&node, graph, NULL, 0, &parameters) == HCS_CU_OUT_OF_MEMORY);
    parameters.bytes = asked;
    size_t before = used();
    int code = cu.graph_alloc(&node, graph, NULL, 0, &parameters);
    if (code == HCS_CU_NOT_SUPPORTED)
        stop(SKIPPED, "this device does not support it");
    EXPECT(code == 0);
    EXPECT(cu.graph_free(&free_node, graph, &node, 1, parameters.pointer) == 0);
    EXPECT(cu.instantiate(&executable, graph, 0) == 0);
    EXPECT(cu.launch(executable, NULL) == 0 && cu.synchronize() == 0);
    u64 reserved = 0;
    EXPECT(cu.graph_memory(0, HCS_CU_GRAPH_MEMORY_RESERVED, &reserved) == 0);
    EXPECT(quota == 0 || used() - before == reserved);
    EXPECT(cu.exec_destroy(executable) == 0 && cu.graph_destroy(graph) == 0);
    EXPECT(cu.trim(0) == 0);
    EXPECT(used() == before);
    printf("note: the driver kept %llu MiB\n", (unsigned long long)(reserved / MIB));
}

/* Says what it got, and holds it until its input ends; or the command that is its argument. */
static void hold(const char *command) {
    void *p = NULL;
    char text[64], byte;
    int code = cu.alloc((u64 *)&p, asked);
    uuid_text(text);
    printf("%d %zu\n", code, used());
    fflush(stdout);
    setenv("GPU_UUID", text, 1);
    if (command)
        exit(system(command) == 0 ? 0 : 1);
    while (read(0, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv) {
    void *context = NULL;
    int count = 0;
    size_t total = 0;
    char name[128] = "";
    const char *kind = argc > 1 ? argv[1] : "probe";
    if (!load() || cu.count(&count) != 0 || count == 0)
        stop(SKIPPED, "no NVIDIA GPU");
    EXPECT(cu.name(name, sizeof name, 0) == 0 && cu.total(&total, 0) == 0);
    if (strcmp(kind, "probe") == 0) {
        size_t free_bytes = 0;
        EXPECT(cu.retain(&context, 0) == 0 && cu.set(context) == 0 && cu.info(&free_bytes, &total) == 0);
        stop(free_bytes < NEEDED, "%s, %zu of %zu MiB free, devices: %d", name, free_bytes / MIB, total / MIB, count);
    }
    quota = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    asked = (argc > 3 ? strtoull(argv[3], NULL, 10) : 600) * MIB;
    EXPECT(cu.retain(&context, 0) == 0 && cu.set(context) == 0);
    EXPECT(quota == 0 || total == quota);
    if (strcmp(kind, "hold") == 0)
        hold(argc > 4 ? argv[4] : NULL);
    else if (strcmp(kind, "host") == 0)
        host_memory();
    else if (strcmp(kind, "graph") == 0)
        graph_memory();
    else
        for (size_t i = 0; i <= sizeof kinds / sizeof *kinds; i++) {
            EXPECT(i < sizeof kinds / sizeof *kinds);
            if (strcmp(kinds[i].name, kind) == 0) {
                try_kind(&kinds[i]);
                break;
            }
        }
    return 0;
}
