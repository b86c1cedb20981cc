/* SPDX-License-Identifier: Apache-2.0
 *
 * The preload library over the simulated drivers, whose pools keep memory and whose contexts take theirs with them:
 * `over_simulated SCENARIO`, under 1 GiB on each device. What the driver really holds is read from its state file, and after each
 * step it may be neither over the quota nor more than the ledger says.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hcs_segment.h"
#include "simulation/hcs_sim_make.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "over_simulated: line %d: %s does not hold (driver %llu MiB, ledger %llu MiB)\n", __LINE__,     \
                    #condition, (unsigned long long)(held(0) >> 20), (unsigned long long)(charged() >> 20));           \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)
#define SOUND() EXPECT(held(0) <= GIB && held(0) <= charged() && host->pool_misses == 0)

static struct hcs_sim_host *host;
static struct hcs_segment *segment;

/* What the driver has given to anybody on the device. */
static uint64_t held(uint32_t position) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++)
        sum += hcs_sim_load(&host->processes[i].usage[position].charged);
    return sum;
}

static uint64_t charged(void) {
    if (!segment) {
        const char *path = getenv("HCS_SEGMENT");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1; /* stays open: closing it would drop our locks */
        segment = fd < 0 ? NULL : mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    return segment ? hcs_load_u64(&segment->devices[0].used) : 0;
}
static uint64_t in_slots(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 16; i++)
        sum += hcs_load_u64(&segment->slots[i].used[0]);
    return sum;
}

static void *symbol(const char *name) {
    void *f = dlsym(RTLD_DEFAULT, name);
    if (!f) {
        fprintf(stderr, "over_simulated: no %s\n", name);
        exit(1);
    }
    return f;
}
#define F(name, ...) ((int (*)(__VA_ARGS__))symbol(#name))

struct pool_properties {
    int type, handle_types, location_type, location_id;
    uint8_t rest[72];
};
struct allocation_properties {
    int type, handle_types, location_type, location_id;
    uint8_t rest[16];
};
struct array_shape {
    size_t width, height;
    unsigned format, channels;
};

static int alloc(uint64_t *p, uint64_t mib) { return F(cuMemAlloc_v2, uint64_t *, size_t)(p, mib * MIB); }
static int release(uint64_t p) { return F(cuMemFree_v2, uint64_t)(p); }
static int alloc_async(uint64_t *p, uint64_t mib) { return F(cuMemAllocAsync, uint64_t *, size_t, void *)(p, mib * MIB, NULL); }
static int alloc_from(uint64_t *p, uint64_t mib, void *pool) {
    return F(cuMemAllocFromPoolAsync, uint64_t *, size_t, void *, void *)(p, mib * MIB, pool, NULL);
}
static int free_async(uint64_t p) { return F(cuMemFreeAsync, uint64_t, void *)(p, NULL); }
static int keep(void *pool, uint64_t threshold) { return F(cuMemPoolSetAttribute, void *, int, void *)(pool, 4, &threshold); }
static int synchronise(void) { return F(cuStreamSynchronize, void *)(NULL); }

static void *default_pool(void) {
    void *pool = NULL;
    return F(cuDeviceGetDefaultMemPool, void **, int)(&pool, 0) == 0 ? pool : NULL;
}
static void *own_pool(void) {
    static const struct pool_properties properties = {.type = 1, .location_type = 1};
    void *pool = NULL;
    return F(cuMemPoolCreate, void **, const void *)(&pool, &properties) == 0 ? pool : NULL;
}

static int start_cuda(void) {
    void *context;
    if (!dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL) || F(cuInit, unsigned)(0) != 0 ||
        F(cuDevicePrimaryCtxRetain, void **, int)(&context, 0) != 0)
        return 1;
    return F(cuCtxSetCurrent, void *)(context);
}

/* --- pools ----------------------------------------------------------------------------------------------------------------- */

static int pools(void) {
    uint64_t p = 0, q = 0, r = 0;
    EXPECT(start_cuda() == 0);
    void *pool = default_pool(), *own = own_pool();
    /* without a threshold: kept until a synchronisation, and taken over by the next request */
    EXPECT(alloc_async(&p, 600) == 0 && charged() == 600 * MIB);
    EXPECT(free_async(p) == 0 && held(0) == 600 * MIB && charged() == 600 * MIB);
    EXPECT(alloc_async(&p, 700) == 0 && charged() == 700 * MIB && held(0) == 700 * MIB);
    EXPECT(free_async(p) == 0 && synchronise() == 0 && held(0) == 0 && charged() == 0);
    EXPECT(alloc_async(&p, 300) == 0 && free_async(p) == 0 && alloc_async(&p, 200) == 0 && alloc_async(&q, 150) == 0);
    EXPECT(charged() == 350 * MIB && held(0) == 350 * MIB && free_async(p) == 0 && free_async(q) == 0 && synchronise() == 0);
    EXPECT(alloc_async(&p, 600) == 0 && release(p) == 0 && charged() == held(0));
    EXPECT(F(cuCtxSynchronize, void)() == 0 && charged() == 0 && in_slots() == 0);
    /* with one: kept, and let go of when somebody would be denied */
    EXPECT(keep(pool, UINT64_MAX) == 0 && keep(own, UINT64_MAX) == 0);
    EXPECT(alloc_async(&p, 600) == 0 && free_async(p) == 0 && synchronise() == 0 && held(0) == 600 * MIB);
    SOUND();
    EXPECT(alloc_async(&p, 1000) == 0 && charged() == 1000 * MIB && alloc_async(&q, 100) == 2);
    SOUND();
    EXPECT(free_async(p) == 0 && alloc(&q, 600) == 0 && held(0) == 600 * MIB && charged() == 600 * MIB);
    EXPECT(alloc_async(&p, 424) == 0 && alloc_async(&r, 2) == 2 && free_async(p) == 0);
    SOUND();
    EXPECT(alloc_from(&r, 300, own) == 0 && charged() == held(0)); /* another pool's: this one is emptied for it */
    SOUND();
    EXPECT(alloc_from(&p, 200, own) == 2 && free_async(r) == 0 && alloc_from(&p, 424, own) == 0);
    SOUND();
    EXPECT(free_async(p) == 0 && release(q) == 0 && charged() == held(0));
    EXPECT(F(cuMemPoolTrimTo, void *, size_t)(own, 64 * MIB) == 0 && held(0) == 64 * MIB && charged() == 64 * MIB);
    EXPECT(F(cuMemPoolTrimTo, void *, size_t)(own, 0) == 0 && charged() == 0);
    /* memory in use outlives its pool */
    EXPECT(alloc_from(&p, 300, own) == 0 && alloc_from(&q, 300, own) == 0 && free_async(p) == 0);
    EXPECT(F(cuMemPoolDestroy, void *)(own) == 0 && held(0) == 300 * MIB);
    SOUND();
    EXPECT(free_async(q) == 0 && held(0) == 0 && charged() == 0 && in_slots() == 0);
    /* the current pool of the device need not be the default one */
    own = own_pool();
    EXPECT(F(cuDeviceSetMemPool, int, void *)(0, own) == 0 && keep(own, UINT64_MAX) == 0);
    EXPECT(alloc_async(&p, 500) == 0 && free_async(p) == 0 && synchronise() == 0 && charged() == 500 * MIB);
    EXPECT(F(cuMemPoolDestroy, void *)(own) == 0 && charged() == 0);
    /* a request that the driver refuses leaves nothing */
    EXPECT(F(cuMemAllocAsync, uint64_t *, size_t, void *)(NULL, 10 * MIB, NULL) == 1 && charged() == held(0));
    EXPECT(free_async(p) == 1 && release(0x123456000) == 1 && charged() == held(0));
    /* many pools: those without an account are charged from request to free, as before */
    for (int i = 0; i < 300; i++) {
        void *more = own_pool();
        EXPECT(more && keep(more, UINT64_MAX) == 0 && alloc_from(&p, 2, more) == 0);
    }
    EXPECT(charged() == 600 * MIB && held(0) == 600 * MIB);
    return 0;
}

/* What this process's pool keeps nobody else is given, and they get it once it is let go. */
static int pools_of_two(void) {
    uint64_t p = 0;
    int ask[2], answer[2], status = 0;
    char byte = 0;
    EXPECT(pipe(ask) == 0 && pipe(answer) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(ask[1]);
        start_cuda();
        while (read(ask[0], &byte, 1) == 1) {
            char code = (char)alloc(&p, 600);
            if (code == 0)
                release(p);
            if (write(answer[1], &code, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(ask[0]);
    close(answer[1]);
    EXPECT(start_cuda() == 0 && keep(default_pool(), UINT64_MAX) == 0);
    EXPECT(alloc_async(&p, 600) == 0 && free_async(p) == 0 && synchronise() == 0);
    EXPECT(write(ask[1], "?", 1) == 1 && read(answer[0], &byte, 1) == 1 && byte == 2 && held(0) == 600 * MIB);
    EXPECT(keep(default_pool(), 0) == 0 && synchronise() == 0 && held(0) == 0);
    EXPECT(write(ask[1], "?", 1) == 1 && read(answer[0], &byte, 1) == 1 && byte == 0);
    close(ask[1]);
    EXPECT(waitpid(child, &status, 0) == child && status == 0 && charged() == 0);
    return 0;
}

/* A handle is dead once it was destroyed, whoever asks about pools meanwhile; and a pool of another device is left alone. */
static int stop_asking;
static void *ask_on(void *context) {
    uint64_t p;
    int wrong = F(cuCtxSetCurrent, void *)(context) != 0;
    while (!__atomic_load_n(&stop_asking, __ATOMIC_ACQUIRE)) {
        wrong |= synchronise() != 0;
        if (alloc(&p, 1023) == 0)
            release(p);
    }
    return (void *)(uintptr_t)wrong;
}

static int pools_that_end(void) {
    uint64_t p = 0;
    pthread_t ids[2];
    void *context = NULL, *wrong = NULL;
    EXPECT(start_cuda() == 0 && F(cuCtxGetCurrent, void **)(&context) == 0);
    for (int i = 0; i < 2; i++)
        EXPECT(pthread_create(&ids[i], NULL, ask_on, context) == 0);
    for (int i = 0; i < 3000; i++) {
        void *pool = own_pool();
        EXPECT(pool && F(cuMemPoolSetAttribute, void *, int, void *)(pool, 4, &(uint64_t){UINT64_MAX}) == 0);
        if (alloc_from(&p, 2, pool) == 0)
            EXPECT(free_async(p) == 0);
        EXPECT(F(cuMemPoolDestroy, void *)(pool) == 0);
    }
    EXPECT(F(cuMemPoolDestroy, void *)(default_pool()) == 1); /* refused: it lives on */
    __atomic_store_n(&stop_asking, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        EXPECT(pthread_join(ids[i], &wrong) == 0 && !wrong);
    SOUND();
    EXPECT(alloc_async(&p, 100) == 0 && free_async(p) == 0 && synchronise() == 0 && charged() == 0 && held(0) == 0);
    return 0;
}

/* While a stream is captured, the driver allows no question about a pool, and such a call ends the capture. */
static void *other_thread(void *context) {
    uint64_t p = 0, q = 0;
    int wrong = F(cuCtxSetCurrent, void *)(context) != 0 || alloc_async(&p, 500) != 0 || free_async(p) != 0;
    wrong |= synchronise() != 0 || alloc_async(&p, 300) != 0 || alloc_async(&q, 900) != 2 || free_async(p) != 0;
    return (void *)(uintptr_t)wrong;
}

static int captures(void) {
    uint64_t p = 0, one = 1;
    void *context = NULL, *stream = NULL, *graph = NULL, *pool = NULL, *wrong = NULL;
    pthread_t other;
    EXPECT(start_cuda() == 0 && F(cuCtxGetCurrent, void **)(&context) == 0 && F(cuStreamCreate, void **, unsigned)(&stream, 1) == 0);
    pool = default_pool();
    EXPECT(keep(pool, UINT64_MAX) == 0 && alloc_async(&p, 200) == 0 && free_async(p) == 0);
    EXPECT(F(cuStreamBeginCapture_v2, void *, int)(stream, 0) == 0);
    EXPECT(F(cuMemPoolGetAttribute, void *, int, void *)(pool, 5, &one) == 900);
    EXPECT(F(cuStreamEndCapture, void *, void **)(stream, &graph) == 901); /* the driver alone does that */
    for (int mode = 0; mode < 2; mode++) {
        EXPECT(F(cuStreamBeginCapture_v2, void *, int)(stream, mode) == 0);
        EXPECT(synchronise() == 0 && alloc_async(&p, 300) == 0 && free_async(p) == 0 && alloc(&p, 900) == 0 && release(p) == 0);
        EXPECT(pthread_create(&other, NULL, other_thread, context) == 0 && pthread_join(other, &wrong) == 0 && !wrong);
        EXPECT(F(cuStreamEndCapture, void *, void **)(stream, &graph) == 0 && F(cuGraphDestroy, void *)(graph) == 0);
        int now = 1;
        EXPECT(F(cuThreadExchangeStreamCaptureMode, int *)(&now) == 0 && now == 0); /* a thread's mode is its own */
        EXPECT(F(cuThreadExchangeStreamCaptureMode, int *)(&now) == 0);
        SOUND();
    }
    return 0;
}

/* A pool of managed memory prefers no place, or the host: it is charged as other managed memory is. */
static int managed_pools(void) {
    struct pool_properties properties = {.type = 2};
    uint64_t p = 0, q = 0;
    void *pool = NULL;
    EXPECT(start_cuda() == 0 && F(cuMemPoolCreate, void **, const void *)(&pool, &properties) == 0);
    EXPECT(alloc_from(&p, 600, pool) == 0 && charged() == 600 * MIB && alloc_from(&q, 600, pool) == 2);
    SOUND();
    EXPECT(free_async(p) == 0 && synchronise() == 0 && charged() == 0);
    return 0;
}

/* A denied request is the thread's last error, as a refused one is. */
static int last_errors(void) {
    void *p = NULL, *q = NULL;
    EXPECT(dlopen("libcudart.so.12", RTLD_NOW | RTLD_GLOBAL) && dlopen("libamdhip64.so.6", RTLD_NOW | RTLD_GLOBAL));
    EXPECT(F(cudaMalloc, void **, size_t)(&p, 600 * MIB) == 0 && F(cudaPeekAtLastError, void)() == 0);
    EXPECT(F(cudaMalloc, void **, size_t)(NULL, MIB) == 1 && F(cudaMalloc, void **, size_t)(&q, 600 * MIB) == 2);
    EXPECT(F(cudaPeekAtLastError, void)() == 2 && F(cudaGetLastError, void)() == 2 && F(cudaGetLastError, void)() == 0);
    EXPECT(F(cudaMallocAsync, void **, size_t, void *)(&q, 600 * MIB, NULL) == 2 && F(cudaMalloc, void **, size_t)(NULL, MIB) == 1);
    EXPECT(F(cudaGetLastError, void)() == 1 && F(cudaGetLastError, void)() == 0 && F(cudaFree, void *)(p) == 0);
    EXPECT(F(hipMalloc, void **, size_t)(&p, 600 * MIB) == 0 && F(hipMalloc, void **, size_t)(&q, 600 * MIB) == 2);
    EXPECT(F(cudaGetLastError, void)() == 0 && F(hipPeekAtLastError, void)() == 2 && F(hipGetLastError, void)() == 2);
    EXPECT(F(hipGetLastError, void)() == 0 && F(hipFree, void *)(p) == 0);
    return 0;
}

/* Any order of everything: the driver is never over the quota, and the ledger never below the driver. */
static int any_order(void) {
    enum { LIVE = 64 };
    struct {
        uint64_t pointer;
        int kind;
    } live[LIVE] = {0};
    void *all[3];
    unsigned seed = 7, granted = 0, denied = 0;
    EXPECT(start_cuda() == 0);
    all[0] = default_pool(), all[1] = own_pool(), all[2] = own_pool();
    for (int i = 0; i < 4000; i++) {
        unsigned k = (unsigned)rand_r(&seed) % LIVE, what = (unsigned)rand_r(&seed) % 16;
        uint64_t mib = 2 * (1 + (unsigned)rand_r(&seed) % 60);
        if (live[k].pointer) {
            EXPECT((what % 2 ? free_async : release)(live[k].pointer) == 0);
            live[k].pointer = 0;
        } else {
            int status = what < 4 ? alloc(&live[k].pointer, mib) : alloc_from(&live[k].pointer, mib, all[what % 3]);
            EXPECT(status == 0 || status == 2);
            granted += status == 0;
            denied += status == 2;
            if (status != 0)
                live[k].pointer = 0;
        }
        SOUND();
        if (what == 0)
            EXPECT(synchronise() == 0);
        if (what == 1)
            EXPECT(F(cuMemPoolTrimTo, void *, size_t)(all[k % 3], mib * MIB) == 0);
        if (what == 2)
            EXPECT(keep(all[k % 3], k % 2 ? 0 : mib * 4 * MIB) == 0);
        SOUND();
    }
    for (int k = 0; k < LIVE; k++)
        EXPECT(live[k].pointer == 0 || free_async(live[k].pointer) == 0);
    for (int i = 0; i < 3; i++)
        EXPECT(keep(all[i], 0) == 0);
    EXPECT(synchronise() == 0 && held(0) == 0 && charged() == 0 && in_slots() == 0);
    EXPECT(granted > 500 && denied > 100);
    return 0;
}

static void *threads_pools[2];
static void *churn(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    uint64_t live[8] = {0};
    void *context;
    int wrong = F(cuDevicePrimaryCtxRetain, void **, int)(&context, 0) != 0 || F(cuCtxSetCurrent, void *)(context) != 0;
    for (int i = 0; i < 1500 && !wrong; i++) {
        unsigned k = (unsigned)rand_r(&seed) % 8, what = (unsigned)rand_r(&seed) % 16;
        uint64_t mib = 2 * (1 + (unsigned)rand_r(&seed) % 80);
        if (live[k]) {
            wrong = (what % 2 ? free_async : release)(live[k]) != 0;
            live[k] = 0;
        } else if ((what < 4 ? alloc(&live[k], mib) : alloc_from(&live[k], mib, threads_pools[what % 2])) != 0) {
            live[k] = 0;
        }
        wrong |= held(0) > GIB;
        if (what == 0)
            wrong |= synchronise() != 0;
        if (what == 1)
            wrong |= F(cuMemPoolTrimTo, void *, size_t)(threads_pools[k % 2], 0) != 0;
    }
    for (int k = 0; k < 8; k++)
        wrong |= live[k] && free_async(live[k]) != 0;
    return (void *)(uintptr_t)wrong;
}

static int threads(void) {
    pthread_t ids[4];
    EXPECT(start_cuda() == 0);
    threads_pools[0] = default_pool(), threads_pools[1] = own_pool();
    EXPECT(keep(threads_pools[0], UINT64_MAX) == 0 && keep(threads_pools[1], 200 * MIB) == 0);
    for (int i = 0; i < 4; i++)
        EXPECT(pthread_create(&ids[i], NULL, churn, (void *)(uintptr_t)(i + 1)) == 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        EXPECT(pthread_join(ids[i], &wrong) == 0 && !wrong);
    }
    SOUND();
    EXPECT(keep(threads_pools[0], 0) == 0 && keep(threads_pools[1], 0) == 0 && synchronise() == 0);
    EXPECT(held(0) == 0 && charged() == 0 && in_slots() == 0);
    return 0;
}

/* --- contexts that go -------------------------------------------------------------------------------------------------------- */

static int resets(void) {
    uint64_t p = 0, q = 0, pooled = 0, handle = 0;
    void *second = NULL, *first = NULL, *array = NULL;
    struct allocation_properties on_device = {.type = 1, .location_type = 1};
    EXPECT(start_cuda() == 0 && F(cuCtxGetCurrent, void **)(&first) == 0);
    EXPECT(alloc(&p, 100) == 0 && F(cuMemAllocManaged, uint64_t *, size_t, unsigned)(&q, 50 * MIB, 1) == 0);
    EXPECT(alloc_async(&pooled, 60) == 0 && F(cuMemCreate, uint64_t *, size_t, void *, uint64_t)(&handle, 40 * MIB, &on_device, 0) == 0);
    /* a context of its own takes its own alone */
    EXPECT(F(cuCtxCreate_v2, void **, unsigned, int)(&second, 0, 0) == 0 && alloc(&q, 200) == 0 && charged() == 450 * MIB);
    EXPECT(F(cuCtxDestroy_v2, void *)(second) == 0 && held(0) == 250 * MIB && charged() == 250 * MIB);
    EXPECT(F(cuCtxDestroy_v2, void *)(second) == 201 && F(cuCtxDestroy_v2, void *)(first) == 201 && charged() == 250 * MIB);
    EXPECT(F(cuCtxCreate_v2, void **, unsigned, int)(&second, 0, 0) == 0 && alloc(&q, 200) == 0);
    EXPECT(F(cuCtxSetCurrent, void *)(first) == 0 && F(cuCtxDestroy_v2, void *)(second) == 0 && charged() == 250 * MIB);
    /* the primary one goes with the last that retained it */
    EXPECT(F(cuDevicePrimaryCtxRetain, void **, int)(&first, 0) == 0);
    EXPECT(F(cuDevicePrimaryCtxRelease_v2, int)(0) == 0 && charged() == 250 * MIB && held(0) == 250 * MIB);
    EXPECT(F(cuDevicePrimaryCtxRelease_v2, int)(0) == 0 && held(0) == 100 * MIB && charged() == 100 * MIB);
    EXPECT(F(cuDevicePrimaryCtxRelease_v2, int)(0) == 201 && charged() == 100 * MIB && in_slots() == charged());
    /* or is emptied; what pools and handles hold stays */
    EXPECT(F(cuDevicePrimaryCtxRetain, void **, int)(&first, 0) == 0 && alloc(&p, 500) == 0 && alloc(&q, 400) == 0);
    EXPECT(alloc(&q, 100) == 2 && F(cuDevicePrimaryCtxReset_v2, int)(0) == 0 && charged() == 100 * MIB);
    EXPECT(alloc(&p, 900) == 0 && release(p) == 0 && free_async(pooled) == 0 && synchronise() == 0);
    EXPECT(F(cuMemRelease, uint64_t)(handle) == 0 && charged() == 0 && held(0) == 0);
    /* an array cannot be asked for: it stays charged until the process ends */
    EXPECT(F(cuArrayCreate_v2, void **, const void *)(&array, (&(struct array_shape){1024, 1024, 1, 1})) == 0);
    EXPECT(F(cuDevicePrimaryCtxReset_v2, int)(0) == 0 && held(0) == 0 && charged() == MIB);
    /* 5000 at once, by the runtime */
    EXPECT(dlopen("libcudart.so.12", RTLD_NOW | RTLD_GLOBAL) != NULL);
    for (int i = 0; i < 5000; i++)
        EXPECT(F(cudaMalloc, void **, size_t)((void **)&p, 1024) == 0);
    EXPECT(F(cudaDeviceReset, void)() == 0 && held(0) == 0 && charged() == MIB);
    EXPECT(F(cudaMalloc, void **, size_t)((void **)&p, 1000 * MIB) == 0 && F(cudaFree, void *)((void *)p) == 0);
    return 0;
}

static int resets_of_hip(void) {
    void *p = NULL, *pool = NULL;
    uint64_t most = UINT64_MAX;
    EXPECT(dlopen("libamdhip64.so.6", RTLD_NOW | RTLD_GLOBAL) != NULL && F(hipSetDevice, int)(0) == 0);
    EXPECT(F(hipDeviceGetDefaultMemPool, void **, int)(&pool, 0) == 0);
    EXPECT(F(hipMemPoolSetAttribute, void *, int, void *)(pool, 4, &most) == 0);
    EXPECT(F(hipMalloc, void **, size_t)(&p, 300 * MIB) == 0 && F(hipMallocAsync, void **, size_t, void *)(&p, 200 * MIB, NULL) == 0);
    EXPECT(charged() == 500 * MIB && held(1) == 500 * MIB);
    EXPECT(F(hipFreeAsync, void *, void *)(p, NULL) == 0 && F(hipStreamSynchronize, void *)(NULL) == 0 && charged() == 500 * MIB);
    EXPECT(F(hipMallocAsync, void **, size_t, void *)(&p, 100 * MIB, NULL) == 0 && charged() == 500 * MIB);
    EXPECT(F(hipMalloc, void **, size_t)(&p, 600 * MIB) == 0 && charged() == GIB - 24 * MIB); /* the pool was trimmed */
    EXPECT(held(1) == charged() && F(hipGetLastError, void)() == 0);
    EXPECT(F(hipDeviceReset, void)() == 0 && F(hipGetLastError, void)() == 0);
    EXPECT(held(1) == 0 && charged() == 0 && in_slots() == 0 && host->pool_misses == 0);
    EXPECT(F(hipMallocAsync, void **, size_t, void *)(&p, 100 * MIB, NULL) == 0 && F(hipFreeAsync, void *, void *)(p, NULL) == 0);
    EXPECT(F(hipDeviceSynchronize, void)() == 0 && charged() == 0 && host->pool_misses == 0);
    return 0;
}

/* --- CNRT 4 ------------------------------------------------------------------------------------------------------------------- */

static int cnrt4(void) {
    uint64_t second = 0, first = 0;
    size_t left = 0, total = 0;
    void *p = NULL, *q = NULL;
    EXPECT(dlopen("libcnrt.so", RTLD_NOW | RTLD_GLOBAL) != NULL && !dlsym(RTLD_DEFAULT, "cnrtGetDevice"));
    EXPECT(F(cnrtInit, unsigned)(0) == 0 && F(cnrtGetDeviceHandle, uint64_t *, int)(&first, 0) == 0);
    EXPECT(F(cnrtGetDeviceHandle, uint64_t *, int)(&second, 1) == 0 && F(cnrtSetCurrentDevice, uint64_t)(first) == 0);
    EXPECT(F(cnrtGetMemInfo, size_t *, size_t *, uint32_t)(&left, &total, 0) == 0 && total == 1024 && left == 1024);
    EXPECT(F(cnrtMalloc, void **, size_t)(&p, 600 * MIB) == 0 && F(cnrtMalloc, void **, size_t)(&q, 600 * MIB) == 632008);
    EXPECT(charged() == 600 * MIB && held(2) == 600 * MIB && held(3) == 0);
    EXPECT(F(cnrtGetMemInfo, size_t *, size_t *, uint32_t)(&left, &total, 0) == 0 && total == 1024 && left == 424);
    EXPECT(F(cnrtSetCurrentDevice, uint64_t)(second) == 0 && F(cnrtMallocFrameBuffer, void **, size_t)(&q, 600 * MIB) == 0);
    EXPECT(held(3) == 600 * MIB && F(cnrtMalloc, void **, size_t)(&q, 600 * MIB) == 632008 && F(cnrtFree, void *)(p) == 0);
    EXPECT(charged() == 0 && F(cnrtMalloc, void **, size_t)(NULL, MIB) == 632007);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
    {"pools", pools}, {"pools_of_two", pools_of_two}, {"any_order", any_order}, {"threads", threads}, {"resets", resets},
    {"resets_of_hip", resets_of_hip}, {"cnrt4", cnrt4}, {"pools_that_end", pools_that_end}, {"captures", captures},
    {"managed_pools", managed_pools}, {"last_errors", last_errors},
};

int main(int argc, char **argv) {
    /* NVIDIA, Hygon, Cambricon twice: two GiB each, so that the driver would grant what the quota does not. */
    host = hcs_sim_make(getenv(HCS_SIM_ENV));
    if (!host)
        return 126;
    hcs_sim_make_device(host, HCS_VENDOR_NVIDIA, 2 * GIB, 0);
    hcs_sim_make_device(host, HCS_VENDOR_HYGON, 2 * GIB, 0);
    hcs_sim_make_device(host, HCS_VENDOR_CAMBRICON, 2 * GIB, 0);
    hcs_sim_make_device(host, HCS_VENDOR_CAMBRICON, 2 * GIB, 0);
    for (size_t i = 0; argc > 1 && i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            return scenarios[i].run();
    return 127;
}
