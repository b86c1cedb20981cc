/* SPDX-License-Identifier: Apache-2.0
 *
 * Four threads allocate more than a quota and free it again: `threads QUOTA`, in bytes, 0 for none. Linked to libcuda; every
 * second request goes through dlsym. Built with each sanitizer, whose runtime asks dlsym before libc works.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_abi.h"

enum { THREADS = 4, ROUNDS = 1500, HELD = 4 };
#define MIB (UINT64_C(1) << 20)

static uint64_t quota;
static void *context;
static atomic_ullong held; /* never above what the driver has granted */
static atomic_int denied, wrong;
static int (*looked_up)(uint64_t *, size_t);

static void fail(const char *what, int code) {
    fprintf(stderr, "%s: %d\n", what, code);
    atomic_fetch_add(&wrong, 1);
}

static void give_back(uint64_t *pointer, uint64_t *bytes) {
    if (*bytes == 0)
        return;
    atomic_fetch_sub(&held, *bytes);
    int code = cuMemFree_v2(*pointer);
    if (code != 0)
        fail("cuMemFree", code);
    *bytes = 0;
}

static void *churn(void *seed) {
    unsigned state = (unsigned)(uintptr_t)seed;
    uint64_t pointers[HELD] = {0}, bytes[HELD] = {0};
    int code = cuCtxSetCurrent(context);
    if (code != 0)
        fail("cuCtxSetCurrent", code);
    for (int i = 0; i < ROUNDS; i++) {
        int at = i % HELD;
        void *memory = malloc(64 + (size_t)i % 500);
        give_back(&pointers[at], &bytes[at]);
        uint64_t size = (1 + (uint64_t)rand_r(&state) % 200) * MIB;
        code = i & 1 ? looked_up(&pointers[at], size) : cuMemAlloc_v2(&pointers[at], size);
        if (code == 0) {
            bytes[at] = size;
            if (atomic_fetch_add(&held, size) + size > quota && quota != 0)
                fail("above the quota, MiB", (int)(atomic_load(&held) / MIB));
        } else if (code == HCS_CU_OUT_OF_MEMORY && quota != 0) {
            atomic_fetch_add(&denied, 1);
        } else {
            fail("cuMemAlloc", code);
        }
        free(memory);
    }
    for (int at = 0; at < HELD; at++)
        give_back(&pointers[at], &bytes[at]);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    size_t free_bytes = 0, total = 0;
    uint64_t large = 0;
    quota = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    void *symbol = dlsym(RTLD_DEFAULT, "cuMemAlloc_v2");
    memcpy(&looked_up, &symbol, sizeof looked_up);
    if (!looked_up || cuInit(0) != 0 || cuDevicePrimaryCtxRetain(&context, 0) != 0 || cuCtxSetCurrent(context) != 0) {
        fputs("no driver\n", stderr);
        return 2;
    }
    if (quota != 0 && cuMemAlloc_v2(&large, quota + 1) != HCS_CU_OUT_OF_MEMORY)
        fail("a request above the quota was granted", 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)(i + 1)))
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (quota != 0 && atomic_load(&denied) == 0)
        fail("nothing was denied", 0);
    if (cuMemGetInfo_v2(&free_bytes, &total) != 0 || free_bytes != total || (quota != 0 && total != quota))
        fail("at the end there is free, MiB", (int)(free_bytes / MIB));
    return atomic_load(&wrong) != 0;
}
