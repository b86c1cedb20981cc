/* SPDX-License-Identifier: Apache-2.0
 *
 * The program that is measured, under a preload library or under none: `worker MODE [ARGUMENT...]`. It prints "name value"
 * lines, which table.c collects. Times are CPU times of the measured threads; best of several repetitions.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hcs_segment.h"

int cuInit(unsigned flags);
int cuMemAlloc_v2(uint64_t *pointer, size_t bytes);
int cuMemFree_v2(uint64_t pointer);

#define BLOCK 4096
#define REPETITIONS 5
#define BUDGET_NS 12000000 /* of one repetition of one lane, wall clock; several lanes need their turns */
#define CHUNK 256
#define MOST 64

static uint64_t read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#define WALL() read_clock(CLOCK_MONOTONIC)
#define THREAD_CPU() read_clock(CLOCK_THREAD_CPUTIME_ID)

static void fail(const char *what) {
    fprintf(stderr, "worker: %s\n", what);
    exit(1);
}

static uint64_t allocate(void) {
    uint64_t pointer = 0;
    if (cuMemAlloc_v2(&pointer, BLOCK) != 0)
        fail("an allocation was denied");
    return pointer;
}

/* --- pairs: 1 or more threads or processes, each with its own live allocations ------------------------------------------- */

struct lane {
    uint64_t cpu_ns, pairs, began, ended;
};
struct field {
    uint32_t arrived[2 * REPETITIONS];
    uint32_t lanes;
    uint32_t live;
    uint32_t bare; /* no driver: a pair of compare-and-swap on one word */
    uint64_t word __attribute__((aligned(128)));
    struct lane lane[REPETITIONS][MOST] __attribute__((aligned(128)));
};
static struct field *field;

static void meet(uint32_t *arrived) {
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < field->lanes)
        sched_yield();
}

static uint64_t scatter(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* With live allocations a pair frees one of them, chosen at random, and puts a new one into its place. */
static void chunk_of_pairs(uint64_t *held, uint32_t live, uint64_t *state) {
    if (live == 0) {
        for (int i = 0; i < CHUNK; i++) {
            uint64_t pointer;
            if (cuMemAlloc_v2(&pointer, BLOCK) != 0 || cuMemFree_v2(pointer) != 0)
                fail("a pair failed");
        }
        return;
    }
    for (int i = 0; i < CHUNK; i++) {
        uint64_t *slot = &held[scatter(state) % live];
        if (cuMemFree_v2(*slot) != 0 || cuMemAlloc_v2(slot, BLOCK) != 0)
            fail("a pair failed");
    }
}

static void chunk_of_swaps(void) {
    static const uint64_t limit = UINT64_MAX;
    for (int i = 0; i < CHUNK; i++) {
        (void)hcs_reserve(&field->word, &limit, BLOCK);
        hcs_give_back(&field->word, BLOCK);
    }
}

static void *run_lane(void *argument) {
    uint32_t number = (uint32_t)(uintptr_t)argument;
    uint64_t state = UINT64_C(88172645463325252) + number;
    uint64_t *held = field->live ? calloc(field->live, sizeof *held) : NULL;
    for (uint32_t i = 0; i < field->live; i++)
        held[i] = allocate();
    if (!field->bare)
        chunk_of_pairs(held, field->live, &state);
    for (int r = 0; r < REPETITIONS; r++) {
        struct lane *lane = &field->lane[r][number];
        meet(&field->arrived[2 * r]);
        uint64_t cpu = THREAD_CPU(), pairs = 0;
        lane->began = WALL();
        do {
            if (field->bare)
                chunk_of_swaps();
            else
                chunk_of_pairs(held, field->live, &state);
            pairs += CHUNK;
        } while (WALL() - lane->began < (field->lanes == 1 ? BUDGET_NS : 4 * BUDGET_NS));
        lane->ended = WALL();
        lane->cpu_ns = THREAD_CPU() - cpu;
        lane->pairs = pairs;
        meet(&field->arrived[2 * r + 1]);
    }
    return NULL;
}

static double of_repetition(int r, double *ret_parallel) {
    uint64_t cpu = 0, pairs = 0, began = UINT64_MAX, ended = 0;
    for (uint32_t i = 0; i < field->lanes; i++) {
        struct lane *l = &field->lane[r][i];
        cpu += l->cpu_ns;
        pairs += l->pairs;
        began = l->began < began ? l->began : began;
        ended = l->ended > ended ? l->ended : ended;
    }
    *ret_parallel = (double)cpu / (double)(ended - began);
    return (double)cpu / (double)pairs;
}

/* Several lanes count only where they really ran at the same time: on a busy machine they may take turns, and then nobody
 * stands in another's way. Three quarters of the cores that they could have had are asked for. */
static void print_best(void) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double best = -1, parallel_of_best = -1, wanted = 0.75 * (field->lanes < cores ? field->lanes : (double)cores);
    for (int r = 0; r < REPETITIONS; r++) {
        double parallel, each = of_repetition(r, &parallel);
        if ((field->lanes == 1 || parallel >= wanted) && (best < 0 || each < best)) {
            best = each;
            parallel_of_best = parallel;
        }
    }
    if (best >= 0)
        printf("ns %.2f\nparallel %.2f\n", best, parallel_of_best);
}

static void start_field(uint32_t lanes, uint32_t live, uint32_t bare) {
    field = mmap(NULL, sizeof *field, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (field == MAP_FAILED || lanes > MOST)
        fail("no memory");
    field->lanes = lanes;
    field->live = live;
    field->bare = bare;
}

static void run_threads(uint32_t lanes) {
    pthread_t threads[MOST];
    for (uint32_t i = 1; i < lanes; i++)
        if (pthread_create(&threads[i], NULL, run_lane, (void *)(uintptr_t)i) != 0)
            fail("no thread");
    run_lane((void *)0);
    for (uint32_t i = 1; i < lanes; i++)
        pthread_join(threads[i], NULL);
    print_best();
}

static void run_processes(uint32_t lanes) {
    for (uint32_t i = 0; i < lanes; i++)
        if (fork() == 0) {
            run_lane((void *)(uintptr_t)i);
            _exit(0);
        }
    int status, bad = 0;
    while (wait(&status) > 0)
        bad |= status;
    if (bad)
        fail("a process failed");
    print_best();
}

/* --- percentiles: every pair between two clock reads --------------------------------------------------------------------------- */

#define SAMPLES 100000
static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void run_percentiles(void) {
    static uint32_t samples[SAMPLES];
    uint32_t best50 = UINT32_MAX, best99 = UINT32_MAX;
    memset(samples, 1, sizeof samples);
    for (int r = 0; r < REPETITIONS; r++) {
        int count = 0;
        for (uint64_t until = WALL() + 10 * BUDGET_NS; count < SAMPLES; count++) {
            uint64_t before = WALL(), pointer;
            (void)cuMemAlloc_v2(&pointer, BLOCK);
            (void)cuMemFree_v2(pointer);
            uint64_t after = WALL();
            samples[count] = (uint32_t)(after - before);
            if (after > until)
                break;
        }
        qsort(samples, (size_t)count, sizeof *samples, by_value);
        uint32_t p50 = samples[count / 2], p99 = samples[count / 100 * 99];
        best50 = p50 < best50 ? p50 : best50;
        best99 = p99 < best99 ? p99 : best99;
    }
    printf("p50 %u\np99 %u\n", best50, best99);
}

/* --- attaching -------------------------------------------------------------------------------------------------------------------- */

/* The library's constructor (between the marks), cuInit and the first pair; what a later pair costs is not attaching. */
static void run_attach(int output) {
    uint64_t *before = dlsym(RTLD_DEFAULT, "mark_before"), *after = dlsym(RTLD_DEFAULT, "mark_after");
    uint64_t begin = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    (void)cuInit(0);
    uint64_t pointer = allocate();
    (void)cuMemFree_v2(pointer);
    uint64_t first = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    pointer = allocate();
    (void)cuMemFree_v2(pointer);
    uint64_t second = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (!before || !after)
        fail("no marks");
    uint64_t constructor = *after - *before, pair = second - first, attach = first - begin;
    struct {
        uint64_t constructor, first;
    } record = {constructor, attach > pair ? attach - pair : 0};
    if (write(output, &record, sizeof record) != sizeof record)
        fail("cannot report");
}

/* The system calls and page faults that attaching to an agent's segment needs, whoever does it; cold, as in a new process.
 * The page that a fork wipes, the segment opened out of the way of programs that close descriptors, who we are, our slot. */
static void touch(volatile uint64_t *word) { *word = *word + 1; }

static void need_identity(void) {
    char text[1024];
    struct stat information;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text) <= 0 || stat("/proc/self/ns/pid", &information) < 0)
        fail("no /proc");
    close(fd);
}

static void *need_mapping(int fd) {
    struct stat information;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    close(fd);
    void *map = fstat(high, &information) < 0 ? MAP_FAILED
                                              : mmap(NULL, (size_t)information.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, high, 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    lock.l_start = (off_t)hcs_slot_offset((uint32_t)getpid() % HCS_SEGMENT_SLOTS);
    if (map == MAP_FAILED || fcntl(high, F_SETLK, &lock) < 0)
        fail("no segment");
    touch((uint64_t *)((char *)map + offsetof(struct hcs_segment, reserved1)));
    touch((uint64_t *)((char *)map + offsetof(struct hcs_segment, devices[HCS_SEGMENT_DEVICES - 1].denied_bytes)));
    touch((uint64_t *)((char *)map + lock.l_start + offsetof(struct hcs_segment_slot, reserved)));
    return map;
}

static void need_page(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)madvise(page, 4096, 18 /* MADV_WIPEONFORK */);
    touch((uint64_t *)(void *)page);
}

static void run_bare(const char *path, int output) {
    uint64_t begin = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    need_page();
    (void)need_mapping(open(path, O_RDWR | O_CLOEXEC));
    need_identity();
    uint64_t end = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    struct {
        uint64_t constructor, first;
    } record = {end - begin, 0};
    if (write(output, &record, sizeof record) != sizeof record)
        fail("cannot report");
}

/* The same without an agent: the file is made, complete, under a temporary name, and linked. */
static void run_bare_standalone(const char *path, int output) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.%d", path, getpid());
    uint64_t begin = read_clock(CLOCK_PROCESS_CPUTIME_ID), random;
    need_page();
    (void)syscall(SYS_getrandom, &random, sizeof random, 0);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct hcs_segment)) < 0 || fallocate(fd, 0, 0, sizeof(struct hcs_segment)) < 0)
        fail("cannot make a segment");
    struct flock presence = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    (void)fcntl(fd, F_SETLK, &presence);
    if (link(temporary, path) < 0 || unlink(temporary) < 0)
        fail("cannot name a segment");
    (void)need_mapping(fd);
    need_identity();
    uint64_t end = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    unlink(path);
    struct {
        uint64_t constructor, first;
    } record = {end - begin, 0};
    if (write(output, &record, sizeof record) != sizeof record)
        fail("cannot report");
}

/* --- memory ------------------------------------------------------------------------------------------------------------------------- */

static uint64_t private_bytes(void) {
    static char text[8192];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        fail("no smaps_rollup");
    close(fd);
    text[n] = '\0';
    uint64_t sum = 0;
    for (const char *at = text; (at = strstr(at, "Private_")); at++)
        sum += strtoull(strchr(at, ':') + 1, NULL, 10) * 1024;
    return sum;
}

static void run_memory(void) {
    uint64_t *held = mmap(NULL, 1000000 * sizeof *held, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint32_t count = 0, next = 10000;
    double worst = 0;
    uint32_t worst_at = 0;
    (void)cuMemFree_v2(allocate());
    (void)private_bytes();
    uint64_t before = private_bytes();
    while (count < 1000000) {
        held[count++] = allocate();
        if (count != next && count != 10000 && count != 100000 && count != 1000000)
            continue;
        double each = (double)(private_bytes() - before) / count;
        if (each > worst) {
            worst = each;
            worst_at = count;
        }
        if (count == 10000 || count == 100000 || count == 1000000)
            printf("bytes_%u %.1f\n", count, each);
        if (count == next)
            next += next / 25;
    }
    printf("bytes_worst %.1f\nbytes_worst_at %u\n", worst, worst_at);
}

/* --- small ones ------------------------------------------------------------------------------------------------------------------------ */

/* The tracer counts the system calls between two getppid. */
static void run_calls(int pairs) {
    for (int i = 0; i < 1000; i++)
        (void)cuMemFree_v2(allocate());
    (void)syscall(SYS_getppid);
    for (int i = 0; i < pairs; i++) {
        uint64_t pointer;
        (void)cuMemAlloc_v2(&pointer, BLOCK);
        (void)cuMemFree_v2(pointer);
    }
    (void)syscall(SYS_getppid);
}

static void run_idle(int output) {
    (void)allocate();
    if (write(output, "r", 1) != 1)
        fail("cannot report");
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    uint32_t a = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0, b = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    if (strncmp(mode, "bare", 4) != 0 && strcmp(mode, "attach") != 0)
        (void)cuInit(0);
    if (strcmp(mode, "threads") == 0)
        start_field(a, b, 0), run_threads(a);
    else if (strcmp(mode, "processes") == 0)
        start_field(a, b, 0), run_processes(a);
    else if (strcmp(mode, "bare-threads") == 0)
        start_field(a, 0, 1), run_threads(a);
    else if (strcmp(mode, "bare-processes") == 0)
        start_field(a, 0, 1), run_processes(a);
    else if (strcmp(mode, "percentiles") == 0)
        run_percentiles();
    else if (strcmp(mode, "attach") == 0)
        run_attach((int)a);
    else if (strcmp(mode, "bare-attach") == 0)
        run_bare(argv[3], (int)a);
    else if (strcmp(mode, "bare-standalone") == 0)
        run_bare_standalone(argv[3], (int)a);
    else if (strcmp(mode, "memory") == 0)
        run_memory();
    else if (strcmp(mode, "calls") == 0)
        run_calls((int)a);
    else if (strcmp(mode, "idle") == 0)
        run_idle((int)a);
    else
        return 2;
    return 0;
}
