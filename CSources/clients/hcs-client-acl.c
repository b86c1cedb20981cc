/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#define ACL_ERROR_REPEAT_INITIALIZE 100002
#define ACL_MEM_MALLOC_HUGE_FIRST 0u
#define ACL_HBM_MEM 1u

int aclInit(const char *config);
int aclrtSetDevice(int32_t device);
int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocAlign32(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocCached(void **pointer, size_t bytes, uint32_t policy);
int aclrtMallocWithCfg(void **pointer, size_t bytes, uint32_t policy, void *config);
int aclrtMallocPhysical(void **handle, size_t bytes, const void *properties, uint64_t flags);
int aclrtFreePhysical(void *handle);
int aclrtGetDevice(int32_t *device);
int aclrtFree(void *pointer);
int aclrtGetMemInfo(uint32_t attribute, size_t *free_bytes, size_t *total);

static int start(void) {
    int code = aclInit(NULL);
    return code == 0 || code == ACL_ERROR_REPEAT_INITIALIZE ? aclrtSetDevice(0) : code;
}

static int allocate(void **pointer, size_t bytes) {
    return aclrtMalloc(pointer, bytes, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int align32(void **pointer, size_t bytes) {
    return aclrtMallocAlign32(pointer, bytes, ACL_MEM_MALLOC_HUGE_FIRST);
}
static int cached(void **pointer, size_t bytes) {
    return aclrtMallocCached(pointer, bytes, ACL_MEM_MALLOC_HUGE_FIRST);
}
static int configured(void **pointer, size_t bytes) {
    return aclrtMallocWithCfg(pointer, bytes, ACL_MEM_MALLOC_HUGE_FIRST, NULL);
}
static int physical(void **pointer, size_t bytes) {
    struct {
        uint32_t handle_type, allocation_type, attribute, device, location;
        uint64_t reserved;
    } properties = {.attribute = 4, .location = 1};
    int code = aclrtGetDevice((int32_t *)&properties.device);
    return code == 0 ? aclrtMallocPhysical(pointer, bytes, &properties, 0) : code;
}

static int info(size_t *free_bytes, size_t *total) {
    return aclrtGetMemInfo(ACL_HBM_MEM, free_bytes, total);
}

int main(int argc, char **argv) {
    static const struct client_kind kinds[] = {
        {"align32", align32, aclrtFree},
        {"cached", cached, aclrtFree},
        {"withcfg", configured, aclrtFree},
        {"physical", physical, aclrtFreePhysical},
        {NULL, NULL, NULL},
    };
    return client_main(&(struct client_runtime){"acl", start, aclrtSetDevice, allocate, aclrtFree, info, kinds}, argc,
                       argv);
}
