/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs that run under the preload library: `client SCENARIO [ARGUMENT...]`, exit status 0 = as expected. Linked
 * against every fake vendor library; with -DUNLINKED against none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "acl_abi.h"
#include "cnrt_abi.h"
#include "cuda_abi.h"
#include "hcs_segment.h"
#include "hip_abi.h"
#include "truth.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "client: line %d: %s does not hold\n", __LINE__, #condition);                              \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static int argument_count;
static char **arguments;

static struct truth *truth(void) {
    static struct truth *t;
    int fd = t ? -1 : open(getenv("FAKE_TRUTH"), O_RDWR | O_CLOEXEC);
    if (!t)
        t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return t;
}

/* The segment of this process, read by its own name. */
static struct hcs_segment *segment(void) {
    const char *path = getenv("HCS_SEGMENT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct hcs_segment *s = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    /* The descriptor stays open: closing it would drop this process's locks on the file, as it would in any program. */
    return s == MAP_FAILED ? NULL : s;
}

static uint64_t slot_total(struct hcs_segment *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++)
        for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
            sum += hcs_load_u64(&s->slots[i].used[d]);
    return sum;
}

#ifndef UNLINKED

static int acl_malloc(void **p, size_t n) { return aclrtMalloc(p, n, HCS_ACL_HUGE_FIRST); }
static int acl_info(size_t *f, size_t *t) { return aclrtGetMemInfo(HCS_ACL_HBM_MEM, f, t); }
static int acl_set(int d) { return aclrtSetDevice(d); }
static int cu_malloc(void **p, size_t n) {
    uint64_t address = 0;
    int status = cuMemAlloc_v2(p ? &address : NULL, n);
    if (status == 0)
        *p = (void *)(uintptr_t)address;
    return status;
}
static int cu_free(void *p) { return cuMemFree_v2((uintptr_t)p); }
#ifdef OLD_CNRT
static int cnrt_info(size_t *f, size_t *t) {
    int status = cnrtGetMemInfo(f, t, 0);
    *f <<= 20;
    *t <<= 20;
    return status;
}
#define CNRT_OOM 632008
static int cnrt_set(int ordinal) {
    uint64_t handle = 0;
    int status = cnrtGetDeviceHandle(&handle, ordinal);
    return status ? status : cnrtSetCurrentDevice(handle);
}
#else
static int cnrt_set(int ordinal) { return cnrtSetDevice(ordinal); }
static int cnrt_info(size_t *f, size_t *t) { return cnrtMemGetInfo(f, t); }
#define CNRT_OOM 100100
#endif

static const struct api {
    const char *name;
    int (*allocate)(void **, size_t);
    int (*release)(void *);
    int (*info)(size_t *, size_t *);
    int (*set_device)(int);
    int out_of_memory;
} apis[] = {
    {"cuda", cudaMalloc, cudaFree, cudaMemGetInfo, cudaSetDevice, 2},
    {"cu", cu_malloc, cu_free, cuMemGetInfo_v2, cudaSetDevice, 2},
    {"acl", acl_malloc, aclrtFree, acl_info, acl_set, 207001},
    {"hip", hipMalloc, hipFree, hipMemGetInfo, hipSetDevice, 2},
    {"cnrt", cnrtMalloc, cnrtFree, cnrt_info, cnrt_set, CNRT_OOM},
};

static const struct api *api(void) {
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++)
        if (argument_count > 0 && strcmp(apis[i].name, arguments[0]) == 0)
            return &apis[i];
    return &apis[0];
}

/* Without a quota: everything passes, nothing is narrowed, no segment appears. */
static int pass_through(void) {
    void *p = NULL;
    size_t f = 0, t = 0;
    EXPECT(api()->allocate(&p, 60 * GIB) == 0);
    EXPECT(api()->info(&f, &t) == 0 && t == 64 * GIB && f == 4 * GIB);
    EXPECT(api()->allocate(&p, 8 * GIB) == api()->out_of_memory);
    EXPECT(api()->release(p) == 0);
    EXPECT(!getenv("HCS_SEGMENT"));
    return 0;
}

/* Under a quota of 1 GiB. */
static int over_quota(void) {
    const struct api *a = api();
    void *p = NULL, *q = (void *)1;
    size_t f = 0, t = 0;
    errno = 77;
    EXPECT(a->allocate(&p, 600 * MIB) == 0);
    EXPECT(a->allocate(&q, 600 * MIB) == a->out_of_memory && q == (void *)1);
    EXPECT(truth()->used[0] == 600 * MIB && truth()->allocations == 1);
    EXPECT(a->info(&f, &t) == 0 && t == GIB && f == 424 * MIB);
    EXPECT(a->release(p) == 0);
    EXPECT(a->allocate(&p, GIB) == 0);
    EXPECT(a->allocate(&q, 1) == a->out_of_memory);
    EXPECT(a->release(p) == 0);
    EXPECT(errno == 77);
    struct hcs_segment *s = segment();
    EXPECT(s && s->devices[0].used == 0 && s->devices[0].peak == GIB && s->devices[0].denied == 2);
    EXPECT(s->devices[0].denied_bytes == 1 && slot_total(s) == 0);
    return 0;
}

static int denied(void) {
    void *p = NULL;
    uint64_t before = truth()->allocations;
    for (int i = 0; i < 3; i++)
        EXPECT(api()->allocate(&p, 4096) == api()->out_of_memory);
    EXPECT(truth()->allocations == before);
    size_t f = 1, t = 1;
    EXPECT(api()->info(&f, &t) == 0 && f == 0 && t == 0);
    return 0;
}

static int granted(void) {
    void *p = NULL;
    EXPECT(api()->allocate(&p, 4096) == 0);
    EXPECT(api()->release(p) == 0);
    return 0;
}

/* Any outcome will do, but it must be one of the vendor's: a damaged segment must not crash the program. */
static int survive(void) {
    for (int i = 0; i < 50; i++) {
        void *p = NULL;
        size_t f, t;
        int status = cudaMalloc(&p, (size_t)1 << (i % 40));
        EXPECT(status == 0 || status == 2);
        EXPECT(cudaMemGetInfo(&f, &t) == 0);
        EXPECT(status != 0 || i % 3 || cudaFree(p) == 0);
    }
    return 0;
}

/* --- races --------------------------------------------------------------------------------------------------------- */

#define ROUNDS 3000
static void *grab(void *seed) {
    unsigned state = (unsigned)(uintptr_t)seed;
    void *held[64] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        unsigned k = (unsigned)rand_r(&state) % 64;
        if (held[k]) {
            if (cudaFree(held[k]) != 0)
                return (void *)1;
            held[k] = NULL;
        } else if (cudaMalloc(&held[k], (size_t)(1 + (unsigned)rand_r(&state) % 64) * MIB) != 0) {
            held[k] = NULL;
        }
    }
    for (int k = 0; k < 64; k++)
        if (held[k] && cudaFree(held[k]) != 0)
            return (void *)1;
    return NULL;
}

/* Threads that grab and free at random under a quota; whoever started us compares the driver's peak with the quota. */
static int race(void) {
    int count = argument_count > 0 ? atoi(arguments[0]) : 8;
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        EXPECT(pthread_create(&threads[i], NULL, grab, (void *)(uintptr_t)(getpid() * 64 + i)) == 0);
    int bad = 0;
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(threads[i], &result);
        bad |= result != NULL;
    }
    return bad;
}

/* Two requests of which only one fits, asked for at the same instant, again and again: a check that is not one step with
 * the charge lets both in sooner or later. */
static void *contend_thread(void *unused) {
    for (int i = 0; i < 40000; i++) {
        void *p;
        if (cudaMalloc(&p, 600) == 0)
            cudaFree(p);
    }
    return unused;
}
static int contend(void) {
    int count = atoi(arguments[0]);
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        EXPECT(pthread_create(&threads[i], NULL, contend_thread, NULL) == 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* One thread alone, then a second beside it, then both at once: every operation is counted, none twice. */
enum { COUNTED = 200000 };
static volatile int second_started;
static void *count_pairs(void *first) {
    void *p;
    for (int i = 0; i < COUNTED; i++) {
        if (first && i == COUNTED / 10)
            second_started = 1;
        if (cudaMalloc(&p, 512) != 0 || cudaFree(p) != 0)
            return (void *)1;
    }
    return NULL;
}
static int counts_exactly(void) {
    pthread_t a, b;
    void *failed_a, *failed_b;
    struct hcs_segment *s = segment();
    EXPECT(pthread_create(&a, NULL, count_pairs, (void *)1) == 0);
    while (!second_started)
        sched_yield();
    EXPECT(pthread_create(&b, NULL, count_pairs, NULL) == 0);
    pthread_join(a, &failed_a);
    pthread_join(b, &failed_b);
    EXPECT(!failed_a && !failed_b);
    int own = 0;
    while (s->slots[own].pid != (uint32_t)getpid())
        own++;
    EXPECT(s->slots[own].begin == 4 * (uint64_t)COUNTED && s->slots[own].end == 4 * (uint64_t)COUNTED);
    EXPECT(s->devices[0].used == 0 && slot_total(s) == 0);
    return 0;
}

/* --- devices ------------------------------------------------------------------------------------------------------- */

/* Quota 0=2Gi,1=1Gi; device 2 has no entry. */
static int ordinals(void) {
    const struct api *a = api();
    void *p;
    a->set_device(0);
    EXPECT(a->allocate(&p, 2 * GIB) == 0);
    EXPECT(a->allocate(&p, 1) == a->out_of_memory);
    a->set_device(1);
    EXPECT(a->allocate(&p, GIB) == 0);
    EXPECT(a->allocate(&p, 1) == a->out_of_memory);
    a->set_device(2);
    EXPECT(a->allocate(&p, 1) == a->out_of_memory);
    EXPECT(a->release(p) == 0); /* of device 1, while 2 is current */
    a->set_device(1);
    EXPECT(a->allocate(&p, GIB) == 0);
    EXPECT(truth()->used[0] == 2 * GIB && truth()->used[1] == GIB && truth()->used[2] == 0);
    return 0;
}

/* One visible device, which is host device 1 with 1 GiB in the segment (device 0 has 2 GiB). */
static int narrowed(void) {
    void *p;
    size_t f, t;
    EXPECT(api()->allocate(&p, GIB + 1) == api()->out_of_memory);
    EXPECT(api()->allocate(&p, GIB) == 0);
    EXPECT(api()->info(&f, &t) == 0 && t == GIB && f == 0);
    EXPECT(truth()->used[1] == GIB && truth()->used[0] == 0);
    struct hcs_segment *s = segment();
    EXPECT(s->devices[1].used == GIB && s->devices[0].used == 0);
    return 0;
}

/* Quota 2Gi,total=3Gi. */
static int total(void) {
    void *p, *q;
    size_t f, t;
    cudaSetDevice(0);
    EXPECT(cudaMalloc(&p, 2 * GIB) == 0);
    cudaSetDevice(1);
    EXPECT(cudaMalloc(&q, 2 * GIB) == 2);
    EXPECT(cudaMemGetInfo(&f, &t) == 0 && t == 2 * GIB && f == GIB);
    EXPECT(cudaMalloc(&q, GIB) == 0);
    EXPECT(cudaMemGetInfo(&f, &t) == 0 && f == 0);
    EXPECT(cudaMalloc(&q, 1) == 2);
    EXPECT(cudaFree(p) == 0);
    EXPECT(cudaMalloc(&q, GIB) == 0);
    EXPECT(segment()->total_used == 2 * GIB && segment()->total_peak == 3 * GIB);
    return 0;
}

/* --- processes ----------------------------------------------------------------------------------------------------- */

static int run_self(const char *scenario, const char *argument) {
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "client", scenario, argument, (char *)NULL);
        _exit(126);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

/* Takes 700 MiB of 1 GiB and says so on stdout, then waits for its end. */
static int hold(void) {
    void *p;
    int status = cudaMalloc(&p, 700 * MIB);
    printf("%d\n", status);
    fflush(stdout);
    while (status == 0)
        pause();
    return 1;
}

static int shares(void) {
    void *p;
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0);
    EXPECT(run_self("gets", "700") == 1);
    EXPECT(run_self("gets", "300") == 0);
    EXPECT(segment()->devices[0].used >= 700 * MIB);
    EXPECT(cudaFree(p) == 0);
    EXPECT(run_self("gets", "1024") == 0);
    return 0;
}

static int gets(void) {
    void *p;
    int status = cudaMalloc(&p, (size_t)atoi(arguments[0]) * MIB);
    return status == 0 ? 0 : status == 2 ? 1 : 3;
}

/* A child of a plain fork: owns nothing, frees of the parent's pointers uncharge nothing, gets its own slot. */
static int fork_child(void) {
    void *p, *p2, *q;
    EXPECT(cudaMalloc(&p, 200 * MIB) == 0 && cudaMalloc(&p2, 100 * MIB) == 0);
    struct hcs_segment *s = segment();
    EXPECT(s->devices[0].used == 300 * MIB);
    pid_t child = fork();
    if (child == 0) {
        if (cudaFree(p) != 0) /* the fake driver does not mind */
            _exit(1);
        if (hcs_load_u64(&s->devices[0].used) != 300 * MIB)
            _exit(2);
        if (cudaMalloc(&q, 300 * MIB) != 0 || hcs_load_u64(&s->devices[0].used) != 600 * MIB)
            _exit(3);
        if (cudaFree(p2) != 0 || hcs_load_u64(&s->devices[0].used) != 600 * MIB)
            _exit(6); /* with a slot of its own it has something that it could wrongly give back */
        if (hcs_load_u32(&s->slots[1].state) != HCS_SLOT_LIVE || s->slots[1].pid != (uint32_t)getpid())
            _exit(4);
        if (cudaMalloc(&q, 600 * MIB) != 2)
            _exit(5);
        exit(0); /* runs the destructors: the parent's slot must stay */
    }
    int status;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(s->slots[0].state == HCS_SLOT_LIVE && s->slots[0].used[0] == 300 * MIB);
    EXPECT(cudaMalloc(&q, 700 * MIB) == 0); /* the child's 300 MiB come back */
    EXPECT(s->devices[0].used == 1000 * MIB);
    EXPECT(cudaFree(p) == 0 || 1);
    return 0;
}

/* The same without pthread_atfork: a bare clone(). */
static int clone_child(void) {
    void *p, *q;
    EXPECT(cudaMalloc(&p, 300 * MIB) == 0);
    struct hcs_segment *s = segment();
    long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        int ok = cudaFree(p) == 0 && hcs_load_u64(&s->devices[0].used) == 300 * MIB && cudaMalloc(&q, 300 * MIB) == 0 &&
                 hcs_load_u64(&s->slots[1].used[0]) == 300 * MIB && hcs_load_u64(&s->slots[0].used[0]) == 300 * MIB;
        _exit(!ok);
    }
    int status;
    waitpid((pid_t)child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* Forks while other threads allocate: a lock held at the fork must not hang the child. */
static volatile int stop_churning;
static void *churn(void *unused) {
    void *p;
    while (!stop_churning)
        if (cudaMalloc(&p, MIB) == 0)
            cudaFree(p);
    return unused;
}
static int fork_storm(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            /* Not through the fake driver, whose own mutex another thread may have held: a denied request is ours alone,
             * and so is the slot that it needs. */
            void *p;
            _exit(cudaMalloc(&p, 2 * GIB) != 2);
        }
        int status;
        waitpid(child, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stop_churning = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* exec ends what the process held, though pid and start time stay. */
static int exec_again(void) {
    void *p;
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0);
    truth()->used[0] = 0; /* the driver forgets a process image that is gone */
    execl("/proc/self/exe", "client", "after_exec", (char *)NULL);
    return 1;
}
static int after_exec(void) {
    EXPECT(segment()->devices[0].used == 0);
    void *p;
    EXPECT(cudaMalloc(&p, GIB) == 0);
    return 0;
}

/* A daemon closes every descriptor and opens its own: neither its charge nor the foreign file may suffer. */
static int closes_descriptors(void) {
    void *p;
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0);
    for (int fd = 3; fd < 1100; fd++)
        close(fd);
    EXPECT(run_self("gets", "700") == 1); /* pid and start time still speak for us */
    char name[] = "/tmp/hcs-test-XXXXXX";
    int mine = mkstemp(name);
    unlink(name);
    for (int i = 0; i < 300; i++)
        EXPECT(dup(mine) >= 0); /* our number may be taken now */
    EXPECT(cudaMalloc(&p, 700 * MIB) == 2);
    EXPECT(run_self("gets", "700") == 1);
    EXPECT(cudaMalloc(&p, 300 * MIB) == 0);
    EXPECT(run_self("is_locked", "0") == 0); /* and in another pid namespace only the lock speaks for us */
    return 0;
}

static int is_locked(void) {
    int fd = open(getenv("HCS_SEGMENT"), O_RDWR | O_CLOEXEC);
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)hcs_slot_offset((uint32_t)atoi(arguments[0])), .l_len = 1};
    EXPECT(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == getppid());
    return 0;
}

/* Its only child outlives it: the standalone file must be there, or be made again, for the child's exec. */
static int orphan(void) {
    int ready[2];
    EXPECT(pipe(ready) == 0);
    if (fork() == 0) {
        char byte;
        close(ready[1]);
        (void)!read(ready[0], &byte, 1); /* until the parent is gone */
        usleep(20000);
        execl("/proc/self/exe", "client", "orphan_exec", arguments[0], (char *)NULL);
        _exit(126);
    }
    return 0;
}
static int orphan_exec(void) {
    void *p;
    int ok = cudaMalloc(&p, GIB) == 0 && cudaMalloc(&p, 1) == 2 && access(getenv("HCS_SEGMENT"), F_OK) == 0;
    int fd = open(arguments[0], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)!write(fd, ok ? "1" : "0", 1);
    close(fd);
    return 0;
}

/* A daemon: forks twice, leaves the session, closes everything. The last of the line charges and is held to what is left. */
static int daemonises(void) {
    void *p;
    struct hcs_segment *s = segment();
    int status;
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0);
    pid_t child = fork();
    if (child == 0) {
        setsid();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            for (int fd = 0; fd < 1100; fd++)
                close(fd);
            int ok = cudaMalloc(&p, 700 * MIB) == 2 && cudaMalloc(&p, 300 * MIB) == 0 && s->devices[0].used == 1000 * MIB &&
                     slot_total(s) == 1000 * MIB && cudaFree(p) == 0 && s->devices[0].used == 700 * MIB;
            _exit(!ok);
        }
        waitpid(grandchild, &status, 0);
        _exit(!WIFEXITED(status) || WEXITSTATUS(status));
    }
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(s->devices[0].used == 700 * MIB && cudaMalloc(&p, 324 * MIB) == 0);
    return 0;
}

/* Root becomes somebody: before its first charge, and once more in a child. */
static int changes_user(void) {
    void *p, *q;
    struct hcs_segment *s = segment();
    int status;
    if (geteuid() != 0)
        return 77;
    EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0 && cudaMalloc(&q, 700 * MIB) == 2 && s->devices[0].used == 700 * MIB);
    pid_t child = fork();
    if (child == 0)
        _exit(!(cudaMalloc(&q, 700 * MIB) == 2 && cudaMalloc(&q, 300 * MIB) == 0));
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(cudaMalloc(&q, 324 * MIB) == 0); /* what the child held comes back */
    EXPECT(cudaFree(p) == 0 && cudaFree(q) == 0 && s->devices[0].used == 0);
    return 0;
}

/* A child in a pid namespace of its own, where pid numbers say nothing: only the locks do. */
static int own_pid_namespace(void) {
    void *p, *q;
    struct hcs_segment *s = segment();
    int status;
    int ready[2];
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0 && pipe(ready) == 0);
    if (unshare(CLONE_NEWPID) != 0)
        return 77;
    pid_t child = fork();
    if (child == 0) {
        int ok = cudaMalloc(&q, 700 * MIB) == 2 && slot_total(s) == 700 * MIB && cudaMalloc(&q, 300 * MIB) == 0;
        (void)!write(ready[1], ok ? "1" : "0", 1);
        pause();
        _exit(1);
    }
    char byte = 0;
    EXPECT(read(ready[0], &byte, 1) == 1 && byte == '1');
    kill(child, SIGSTOP);
    EXPECT(s->slots[1].pid == 1 && s->slots[1].pid_namespace != s->slots[0].pid_namespace);
    EXPECT(cudaMalloc(&q, 300 * MIB) == 2 && slot_total(s) == 1000 * MIB); /* stopped, not dead */
    EXPECT(run_self("gets", "100") == 1 && slot_total(s) == 1000 * MIB);    /* of the child's namespace */
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    EXPECT(cudaMalloc(&q, 300 * MIB) == 0 && s->devices[0].used == 1000 * MIB);
    return 0;
}

/* In a pid namespace of its own, but with the old /proc: numbers in it are other processes'. Who has lost its lock lives. */
static int foreign_proc(void) {
    void *p;
    int status;
    if (unshare(CLONE_NEWPID) != 0)
        return 77;
    pid_t first = fork();
    if (first == 0) {
        if (cudaMalloc(&p, 700 * MIB) != 0)
            _exit(2);
        for (int fd = 3; fd < 1024; fd++)
            close(fd);
        pid_t second = fork();
        if (second == 0)
            _exit(cudaMalloc(&p, 700 * MIB) == 2 && cudaMalloc(&p, 300 * MIB) == 0 ? 0 : 3);
        waitpid(second, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 4);
    }
    EXPECT(waitpid(first, &status, 0) == first && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(cudaMalloc(&p, GIB) == 0);
    return 0;
}

/* A vfork child lives in its parent's memory until it execs: it must leave slot and ledger as they are. */
static int vforks(void) {
    void *p;
    struct hcs_segment *s = segment();
    EXPECT(cudaMalloc(&p, 700 * MIB) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0) {
            if (i % 2)
                _exit(0);
            execl("/proc/self/exe", "client", "gets", "300", (char *)NULL);
            _exit(126);
        }
        int status;
        waitpid(child, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT(cudaFree(p) == 0 && s->slots[0].used[0] == 0);
    pid_t child = vfork();
    if (child == 0)
        exit(0); /* runs every destructor, ours too, in the parent's memory */
    waitpid(child, NULL, 0);
    EXPECT(s->slots[0].state == HCS_SLOT_LIVE);
    EXPECT(cudaMalloc(&p, GIB) == 0 && s->slots[0].used[0] == GIB);
    return 0;
}

/* --- driver answers --------------------------------------------------------------------------------------------------- */

static int driver_refuses(void) {
    void *p = NULL;
    struct hcs_segment *s = segment();
    truth()->fail_allocations = 1;
    EXPECT(cudaMalloc(&p, 600 * MIB) == 2);
    EXPECT(s->devices[0].used == 0 && slot_total(s) == 0 && s->slots[0].begin == s->slots[0].end);
    truth()->fail_allocations = 0;
    EXPECT(cudaMalloc(&p, 600 * MIB) == 0);
    truth()->fail_frees = 1;
    EXPECT(cudaFree(p) == 1);
    EXPECT(s->devices[0].used == 600 * MIB && slot_total(s) == 600 * MIB && s->slots[0].begin == s->slots[0].end);
    EXPECT(cudaMalloc(&p, 600 * MIB) == 2);
    truth()->fail_frees = 0;
    EXPECT(cudaFree(p) == 0);
    EXPECT(s->devices[0].used == 0 && slot_total(s) == 0);
    return 0;
}

static int strange_arguments(void) {
    const struct api *a = api();
    void *p = (void *)8, *q;
    struct hcs_segment *s = segment();
    EXPECT(a->allocate(&q, MIB) == 0);
    EXPECT(a->allocate(&p, SIZE_MAX) == a->out_of_memory && p == (void *)8);
    EXPECT(a->allocate(&p, SIZE_MAX - MIB + 1) == a->out_of_memory); /* would wrap with the MiB in use */
    EXPECT(a->allocate(&p, (size_t)1 << 62) == a->out_of_memory);
    EXPECT(s->devices[0].used == MIB);
    EXPECT(a->allocate(NULL, MIB) != 0 && s->devices[0].used == MIB);
    int zero = a->allocate(&p, 0);
    int of_driver = strcmp(a->name, "cuda") == 0 || strcmp(a->name, "hip") == 0;
    EXPECT(of_driver ? zero == 0 && p == NULL : zero != 0 && zero != a->out_of_memory);
    EXPECT(s->devices[0].used == MIB);
    EXPECT(a->release((void *)0x1234) != 0 && s->devices[0].used == MIB); /* unknown: the driver's own answer */
    EXPECT(a->release(q) == 0 && s->devices[0].used == 0);
    EXPECT(a->release(q) != 0 && s->devices[0].used == 0); /* twice */
    EXPECT(a->release(NULL) == (of_driver ? 0 : a->release(NULL)));
    EXPECT(slot_total(s) == 0 && s->slots[0].begin == s->slots[0].end);
    return 0;
}

static int null_infos(void) {
    size_t f = 0, t = 0;
    EXPECT(cuMemGetInfo_v2(NULL, &t) == 0 && t == GIB);
    EXPECT(cuMemGetInfo_v2(&f, NULL) == 0 && f == GIB);
    EXPECT(cudaMemGetInfo(NULL, NULL) == 0);
    EXPECT(truth()->null_infos == 3);
    return 0;
}

/* Quota above the physical memory; and the attributes of host memory. */
static int infos(void) {
    size_t f = 0, t = 0;
    EXPECT(cudaMemGetInfo(&f, &t) == 0 && t == 64 * GIB && f == 64 * GIB);
    return 0;
}
static int acl_infos(void) {
    for (uint32_t memory = 0; memory <= 18; memory++) {
        size_t f = 0, t = 0;
        int host = memory == 0 || memory == 2 || memory == 3 || memory == 6 || memory == 7 || memory > 17;
        EXPECT(aclrtGetMemInfo(memory, &f, &t) == 0);
        EXPECT(host ? t == 64 * GIB && f == 64 * GIB : t == GIB && f == GIB);
    }
    return 0;
}

/* The fake runtime calls the driver's public names, which are hooked too. */
static int charged_once(void) {
    void *p;
    struct hcs_segment *s = segment();
    EXPECT(cudaMalloc(&p, 600 * MIB) == 0);
    EXPECT(s->devices[0].used == 600 * MIB && s->slots[0].begin == 1 && s->slots[0].end == 1);
    EXPECT(cuMemFree_v2((uintptr_t)p) == 0); /* allocated above, freed below */
    EXPECT(s->devices[0].used == 0);
    return 0;
}

/* An address that comes back from the driver without a free that we saw. */
static int reused_address(void) {
    void *p, *q;
    int (*hidden_free)(uint64_t) = NULL;
    struct hcs_segment *s = segment();
    EXPECT(cudaMalloc(&p, 600 * MIB) == 0);
    /* The library's own table, past any hook: as cudaDeviceReset would do it. */
    Dl_info info;
    void *handle = dlopen("libcuda.so.1", RTLD_NOW);
    (void)info;
    *(void **)&hidden_free = dlsym(handle, "fake_free_unseen");
    EXPECT(hidden_free && hidden_free((uintptr_t)p) == 0);
    EXPECT(cudaMalloc(&q, 100 * MIB) == 0 && q == p);
    EXPECT(s->devices[0].used == 100 * MIB);
    return 0;
}

/* --- doors -------------------------------------------------------------------------------------------------------------- */

static int dlvsym_door(void) {
    void *handle = dlopen("libcudart.so.12", RTLD_NOW);
    int (*allocate)(void **, size_t) = NULL;
    void *p;
    *(void **)&allocate = dlvsym(handle, "cudaMalloc", "libcudart.so.12");
    EXPECT(allocate && allocate(&p, 2 * GIB) == 2 && allocate(&p, MIB) == 0);
    EXPECT((void *)allocate == dlsym(RTLD_DEFAULT, "cudaMalloc") && (void *)allocate == dlsym(handle, "cudaMalloc"));
    EXPECT(dlvsym(handle, "cudaMalloc", "libcudart.so.99") == NULL && dlerror() != NULL);
    *(void **)&allocate = dlvsym(RTLD_DEFAULT, "cudaMalloc", "libcudart.so.12");
    EXPECT(allocate && allocate(&p, 2 * GIB) == 2);
    *(void **)&allocate = dlsym(RTLD_DEFAULT, "cudaMalloc");
    EXPECT(allocate && allocate(&p, 2 * GIB) == 2);
    return 0;
}

static int unhooked_names(void) {
    /* The same name, asked twice, by every door, gives what libc gives. */
    void *next = dlsym(RTLD_NEXT, "getpid");
    EXPECT(next && dlsym(RTLD_NEXT, "getpid") == next && dlsym(RTLD_DEFAULT, "getpid") == next);
    EXPECT(dlsym(RTLD_DEFAULT, "no_such_function_anywhere") == NULL && dlerror() != NULL);
    EXPECT(dlsym(RTLD_DEFAULT, "cudaSetDevice") == (void *)cudaSetDevice);
    EXPECT(dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5") != NULL || sizeof(void *) != 8);
    return 0;
}

static int wrapped(void) {
    void *p;
    int *calls = dlsym(RTLD_DEFAULT, "wrapped_calls");
    EXPECT(cudaMalloc(&p, 2 * GIB) == 2);
    EXPECT(cudaMalloc(&p, 600 * MIB) == 0);
    EXPECT(cudaMalloc(&p, 600 * MIB) == 2);
    EXPECT(calls && *calls > 0 && truth()->used[0] == 600 * MIB);
    EXPECT(segment()->devices[0].used == 600 * MIB);
    return 0;
}

static int early(void) {
    int *status = dlsym(RTLD_DEFAULT, "early_status"), *found = dlsym(RTLD_DEFAULT, "early_found");
    EXPECT(status && *status == 2 && found && *found);
    return 0;
}

/* No memory for the ledger: denied, given back to driver and quota, never lost. */
static int no_ledger_memory(void) {
    struct hcs_segment *s = segment();
    void *p;
    EXPECT(cudaMalloc(&p, MIB) == 0 && cudaFree(p) == 0 && truth()->used[0] == 0);
    char stack[65536]; /* the stack must have grown before nothing may grow any more */
    memset(stack, 1, sizeof stack);
    __asm__ volatile("" : : "r"(stack) : "memory");
    struct rlimit none = {0, 0};
    getrlimit(RLIMIT_AS, &none);
    none.rlim_cur = 1; /* no new mapping at all */
    EXPECT(setrlimit(RLIMIT_AS, &none) == 0);
    int granted_count = 0, denied_count = 0;
    for (int i = 0; i < 4000; i++) {
        int status = cudaMalloc(&p, 4096);
        EXPECT(status == 0 || status == 2);
        granted_count += status == 0;
        denied_count += status == 2;
    }
    EXPECT(granted_count > 100 && denied_count > 100);
    EXPECT(s->devices[0].used == (uint64_t)granted_count * 4096 && truth()->used[0] == s->devices[0].used);
    EXPECT(s->slots[0].begin == s->slots[0].end);
    return 0;
}

/* Many live allocations, freed in another order, come back to zero. */
static int ledger_model(void) {
    enum { COUNT = 100000 };
    static void *p[COUNT];
    struct hcs_segment *s = segment();
    uint64_t sum = 0;
    unsigned seed = 42;
    for (int i = 0; i < COUNT; i++) {
        size_t n = 1 + (size_t)rand_r(&seed) % 5000;
        EXPECT(cudaMalloc(&p[i], n) == 0);
        sum += n;
        if (rand_r(&seed) % 3 == 0) {
            int k = rand_r(&seed) % (i + 1);
            if (p[k]) {
                EXPECT(cudaFree(p[k]) == 0);
                p[k] = NULL;
            }
        }
    }
    EXPECT(s->devices[0].used == truth()->used[0] && s->devices[0].used <= sum);
    for (int i = COUNT - 1; i >= 0; i--)
        EXPECT(!p[i] || cudaFree(p[i]) == 0);
    EXPECT(s->devices[0].used == 0 && truth()->used[0] == 0 && slot_total(s) == 0);
    return 0;
}

#include <time.h>
static int benchmark(void) {
    enum { N = 1000000 };
    struct timespec a, b;
    void *p;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < N; i++)
        if (cuMemAlloc_v2((uint64_t *)&p, 4096) == 0)
            cuMemFree_v2((uintptr_t)p);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%ld ns per pair\n", ((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec) / N);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {
    {"pass_through", pass_through}, {"over_quota", over_quota}, {"denied", denied}, {"granted", granted},
    {"survive", survive}, {"race", race}, {"contend", contend}, {"counts_exactly", counts_exactly}, {"ordinals", ordinals}, {"narrowed", narrowed}, {"total", total},
    {"hold", hold}, {"shares", shares}, {"gets", gets}, {"fork_child", fork_child}, {"clone_child", clone_child},
    {"fork_storm", fork_storm}, {"exec_again", exec_again}, {"after_exec", after_exec},
    {"daemonises", daemonises}, {"changes_user", changes_user}, {"own_pid_namespace", own_pid_namespace}, {"foreign_proc", foreign_proc}, {"vforks", vforks},
    {"closes_descriptors", closes_descriptors}, {"is_locked", is_locked}, {"orphan", orphan}, {"orphan_exec", orphan_exec},
    {"driver_refuses", driver_refuses}, {"strange_arguments", strange_arguments}, {"null_infos", null_infos},
    {"infos", infos}, {"acl_infos", acl_infos}, {"charged_once", charged_once}, {"reused_address", reused_address},
    {"dlvsym_door", dlvsym_door}, {"unhooked_names", unhooked_names}, {"wrapped", wrapped}, {"early", early},
    {"no_ledger_memory", no_ledger_memory}, {"ledger_model", ledger_model}, {"benchmark", benchmark},
};

#else /* UNLINKED */

/* No vendor library anywhere: our own export is not a reason to find the name. */
static int finds_nothing(void) {
    EXPECT(dlsym(RTLD_DEFAULT, "cudaMalloc") == NULL && dlerror() != NULL);
    EXPECT(dlsym(dlopen(NULL, RTLD_NOW), "hipMalloc") == NULL && dlerror() != NULL);
    EXPECT(dlsym(RTLD_DEFAULT, "malloc") != NULL && dlerror() == NULL);
    return 0;
}

static int local_handle(void) {
    void *handle = dlopen("libcudart.so.12", RTLD_NOW | RTLD_LOCAL);
    int (*allocate)(void **, size_t) = NULL, (*release)(void *) = NULL;
    void *p;
    *(void **)&allocate = dlsym(handle, "cudaMalloc");
    *(void **)&release = dlsym(handle, "cudaFree");
    EXPECT(allocate && release);
    EXPECT(allocate(&p, 2 * GIB) == 2 && allocate(&p, 600 * MIB) == 0 && allocate(&p, 600 * MIB) == 2);
    EXPECT(truth()->used[0] == 600 * MIB && segment()->devices[0].used == 600 * MIB);
    EXPECT(release(p) == 0 && segment()->devices[0].used == 0);
    /* Under cudaMalloc lies a hooked driver that would catch it; under hipMalloc lies nothing. */
    *(void **)&allocate = dlsym(dlopen("libgalaxyhip.so.5", RTLD_NOW | RTLD_LOCAL), "hipMalloc");
    EXPECT(allocate && allocate(&p, 2 * GIB) == 2 && allocate(&p, 600 * MIB) == 0 && allocate(&p, 600 * MIB) == 2);
    return 0;
}

/* The last handle is closed, and something else comes to lie where the library was. */
static int reopened(void) {
    int (*allocate)(void **, size_t) = NULL, (*release)(void *) = NULL;
    for (int i = 0; i < 3; i++) {
        struct link_map *map = NULL;
        void *p = NULL, *handle = dlopen("libgalaxyhip.so.5", RTLD_NOW | RTLD_LOCAL);
        EXPECT(handle && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
        void *base = (void *)map->l_addr;
        *(void **)&allocate = dlsym(handle, "hipMalloc");
        *(void **)&release = dlsym(handle, "hipFree");
        EXPECT(allocate(&p, 2 * GIB) == 2 && allocate(&p, 600 * MIB) == 0 && release(p) == 0);
        EXPECT(dlclose(handle) == 0);
        (void)mmap(base, 16 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        (void)mmap(base, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    return 0;
}

static int local_plugin(void) {
    void *handle = dlopen("libplugin.so", RTLD_NOW | RTLD_LOCAL);
    int (*allocate)(void **, size_t) = NULL, (*release)(void *) = NULL;
    void *(*by_default)(const char *) = NULL;
    void *p;
    EXPECT(handle);
    *(void **)&allocate = dlsym(handle, "plugin_allocate");
    *(void **)&release = dlsym(handle, "plugin_free");
    *(void **)&by_default = dlsym(handle, "plugin_default");
    EXPECT(allocate(&p, 2 * GIB) == 2);
    EXPECT(allocate(&p, 600 * MIB) == 0 && allocate(&p, 600 * MIB) == 2);
    EXPECT(truth()->used[0] == 600 * MIB && segment()->devices[0].used == 600 * MIB);
    EXPECT(release(p) == 0 && segment()->devices[0].used == 0);
    /* In the plugin's scope the name exists, in the program's own it does not. */
    EXPECT(by_default("cudaMemGetInfo") != NULL);
    return 0;
}

/* The plugin hands its cudaMalloc out: who calls it has no way to the library by its own scope. */
static int local_pointer(void) {
    void *handle = dlopen("libplugin.so", RTLD_NOW | RTLD_LOCAL);
    int (*(*hand_out)(void))(void **, size_t) = NULL;
    void *p;
    EXPECT(handle);
    *(void **)&hand_out = dlsym(handle, "plugin_pointer");
    EXPECT(hand_out()(&p, 2 * GIB) == 2);
    EXPECT(hand_out()(&p, 600 * MIB) == 0 && truth()->used[0] == 600 * MIB);
    return 0;
}

static const struct scenario {
    const char *name;
    int (*run)(void);
} scenarios[] = {{"finds_nothing", finds_nothing}, {"local_handle", local_handle}, {"local_plugin", local_plugin},
                 {"local_pointer", local_pointer}, {"reopened", reopened}};

#endif

int main(int argc, char **argv) {
    argument_count = argc - 2;
    arguments = argv + 2;
    for (size_t i = 0; argc > 1 && i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            return scenarios[i].run();
    fprintf(stderr, "client: no scenario %s\n", argc > 1 ? argv[1] : "");
    return 127;
}
