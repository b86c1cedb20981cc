/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of the CUDA driver that links nothing: it opens libcuda.so.1 for itself and asks cuGetProcAddress_v2 for
 * base names, as a statically linked CUDA runtime does. HCS_CLIENT_DOOR=dlsym makes it look the exported names up
 * instead.
 */
#include "client.h"

#include <dlfcn.h>

struct location {
    int type, id;
};
struct properties {
    int type, handle_types;
    struct location location;
    void *security;
    uint8_t flags[8];
};
struct shape {
    size_t width, height;
    unsigned format, channels;
};

/* Field, base name, its version, exported name, arguments */
#define DRIVER(X)                                                                                                      \
    X(init, cuInit, 2000, cuInit, (unsigned))                                                                          \
    X(retain, cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain, (void **, int))                                \
    X(set, cuCtxSetCurrent, 4000, cuCtxSetCurrent, (void *))                                                           \
    X(device, cuCtxGetDevice, 2000, cuCtxGetDevice, (int *))                                                           \
    X(alloc, cuMemAlloc, 3020, cuMemAlloc_v2, (uint64_t *, size_t))                                                    \
    X(managed, cuMemAllocManaged, 6000, cuMemAllocManaged, (uint64_t *, size_t, unsigned))                             \
    X(pitch, cuMemAllocPitch, 3020, cuMemAllocPitch_v2, (uint64_t *, size_t *, size_t, size_t, unsigned))              \
    X(async, cuMemAllocAsync, 11020, cuMemAllocAsync, (uint64_t *, size_t, void *))                                    \
    X(free, cuMemFree, 3020, cuMemFree_v2, (uint64_t))                                                                 \
    X(free_async, cuMemFreeAsync, 11020, cuMemFreeAsync, (uint64_t, void *))                                           \
    X(create, cuMemCreate, 10020, cuMemCreate, (uint64_t *, size_t, const struct properties *, uint64_t))              \
    X(release, cuMemRelease, 10020, cuMemRelease, (uint64_t))                                                          \
    X(array, cuArrayCreate, 3020, cuArrayCreate_v2, (void **, const struct shape *))                                   \
    X(destroy, cuArrayDestroy, 2000, cuArrayDestroy, (void *))                                                         \
    X(info, cuMemGetInfo, 3020, cuMemGetInfo_v2, (size_t *, size_t *))

static struct {
#define X(field, name, version, exported, arguments) int(*field) arguments;
    DRIVER(X)
#undef X
} driver;

static int load(void) {
    int (*lookup)(const char *, void **, int, uint64_t, int *) = NULL;
    const char *door = getenv("HCS_CLIENT_DOOR");
    void *handle = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return 35;
    *(void **)&lookup = dlsym(handle, "cuGetProcAddress_v2");
    int by_name = door != NULL && strcmp(door, "dlsym") == 0;
#define X(field, name, version, exported, arguments)                                                                   \
    if (by_name)                                                                                                       \
        *(void **)&driver.field = dlsym(handle, #exported);                                                            \
    else if (lookup == NULL || lookup(#name, (void **)&driver.field, version, 0, NULL) != 0)                           \
        return 35;                                                                                                     \
    if (driver.field == NULL)                                                                                          \
        return 500;
    DRIVER(X)
#undef X
    return 0;
}

static int select_device(int ordinal) {
    void *context = NULL;
    int code = driver.retain(&context, ordinal);
    return code == 0 ? driver.set(context) : code;
}

static int start(void) {
    int code = load();
    if (code == 0)
        code = driver.init(0);
    return code == 0 ? select_device(0) : code;
}

static int keep(int code, uint64_t address, void **pointer) {
    if (code == 0)
        *pointer = (void *)(uintptr_t)address;
    return code;
}

static int allocate(void **pointer, size_t bytes) {
    uint64_t address = 0;
    int code = driver.alloc(&address, bytes);
    return keep(code, address, pointer);
}
static int managed(void **pointer, size_t bytes) {
    uint64_t address = 0;
    int code = driver.managed(&address, bytes, 1);
    return keep(code, address, pointer);
}
static int pitch(void **pointer, size_t bytes) {
    uint64_t address = 0;
    size_t row;
    int code = driver.pitch(&address, &row, 65536, (bytes + 65535) / 65536, 4);
    return keep(code, address, pointer);
}
static int async(void **pointer, size_t bytes) {
    uint64_t address = 0;
    int code = driver.async(&address, bytes, NULL);
    return keep(code, address, pointer);
}
static int create(void **pointer, size_t bytes) {
    uint64_t handle = 0;
    struct properties properties = {.type = 1, .location = {1, 0}};
    int code = driver.device(&properties.location.id);
    if (code == 0)
        code = driver.create(&handle, bytes, &properties, 0);
    return keep(code, handle, pointer);
}
static int array(void **pointer, size_t bytes) {
    return driver.array(pointer, &(struct shape){65536, (bytes + 65535) / 65536, 1, 1});
}

static int free_pointer(void *pointer) {
    return driver.free((uintptr_t)pointer);
}
static int free_async(void *pointer) {
    return driver.free_async((uintptr_t)pointer, NULL);
}
static int release(void *pointer) {
    return driver.release((uintptr_t)pointer);
}
static int destroy(void *array) {
    return driver.destroy(array);
}
static int info(size_t *free_bytes, size_t *total) {
    return driver.info(free_bytes, total);
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {
        {"managed", managed, free_pointer}, {"pitch", pitch, free_pointer}, {"async", async, free_async},
        {"create", create, release},        {"array", array, destroy},      {NULL, NULL, NULL},
    };
    return client_main(&(struct client_runtime){"cu", start, select_device, allocate, free_pointer, info, kinds}, argc,
                       argv);
}
