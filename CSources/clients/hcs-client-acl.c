/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#define ACL_ERROR_REPEAT_INITIALIZE 100002
#define ACL_MEM_MALLOC_HUGE_FIRST 0u
#define ACL_HBM_MEM 1u

int aclInit(const char *config);
int aclrtSetDevice(int32_t device);
int aclrtMalloc(void **pointer, size_t bytes, uint32_t policy);
int aclrtFree(void *pointer);
int aclrtGetMemInfo(uint32_t attribute, size_t *free_bytes, size_t *total);

static int start(void) {
    int code = aclInit(NULL);
    return code == 0 || code == ACL_ERROR_REPEAT_INITIALIZE ? aclrtSetDevice(0) : code;
}

static int allocate(void **pointer, size_t bytes) {
    return aclrtMalloc(pointer, bytes, ACL_MEM_MALLOC_HUGE_FIRST);
}

static int info(size_t *free_bytes, size_t *total) {
    return aclrtGetMemInfo(ACL_HBM_MEM, free_bytes, total);
}

int main(int argc, char **argv) {
    return client_main(&(struct client_runtime){"acl", start, aclrtSetDevice, allocate, aclrtFree, info}, argc, argv);
}
