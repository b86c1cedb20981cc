/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "hcs_measure.h"
#include "hcs_kernel.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Side of the square matrices of one thread: three of them stay in its second-level cache, one panel of each of two in
 * the first. A multiple of every kernel's rows and columns. */
#define SIDE 192u
#define ROUNDS 5u
#define PASSES 256u
#define SCALE 3.0

typedef void (*kernel)(const void *left, const void *right, void *out, size_t depth, size_t stride);

struct unit {
    const char *name;
    uint32_t rows, columns, bytes; /* columns: vectors of so many bytes */
    kernel with_float, with_double;
};

static const struct unit units[] = {
#if defined(__x86_64__)
    {"avx512", 12, 2, 64, avx512_float, avx512_double},
    {"avx2", 6, 2, 32, avx2_float, avx2_double},
#endif
    {HCS_BASE, HCS_BASE_ROWS, HCS_BASE_COLUMNS, 16, base_float, base_double},
};
_Static_assert(SIDE % 12 == 0 && SIDE % 8 == 0 && SIDE % 32 == 0, "whole panels");

static bool has(const struct unit *unit) {
#if defined(__x86_64__)
    if (unit->bytes == 64)
        return __builtin_cpu_supports("avx512f");
    if (unit->bytes == 32)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return unit->bytes == 16;
}

static const struct unit *unit_at(uint32_t position) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (has(&units[i]) && position-- == 0)
            return &units[i];
    }
    return NULL;
}

const char *hcs_measure_unit(uint32_t position) {
    const struct unit *unit = unit_at(position);
    return unit != NULL ? unit->name : NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Threads: all do the same, in step. */

struct run {
    const struct unit *unit;
    size_t element; /* 4 or 8: the product; 0: the triad */
    double length;  /* seconds */
    size_t doubles; /* of one array of one thread */
    pthread_barrier_t barrier;
    pthread_mutex_t gate;
    pthread_cond_t opened;
    int state; /* 0: wait, 1: go, -1: go home */
    uint32_t stop;
    uint32_t passes;
};

struct worker {
    struct run *run;
    pthread_t thread;
    bool leads;
    int error;
    double rate[ROUNDS];                 /* operations a second */
    double began[PASSES], ended[PASSES]; /* of each pass of the triad */
};

static void *pages(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

/* Small whole numbers: every product and sum is exact in both formats, in any order. */
static double left_at(size_t i, size_t k) {
    return (double)((i * 7 + k * 3) % 11) - 5;
}
static double right_at(size_t k, size_t j) {
    return (double)((k * 5 + j * 13) % 17) - 8;
}

static void put(void *memory, size_t element, size_t position, double value) {
    if (element == 4)
        ((float *)memory)[position] = (float)value;
    else
        ((double *)memory)[position] = value;
}

static void pack(const struct run *run, void *a, void *b) {
    const size_t rows = run->unit->rows, columns = run->unit->columns * (run->unit->bytes / run->element);
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t k = 0; k < SIDE; k++) {
            put(a, run->element, (i / rows) * rows * SIDE + k * rows + i % rows, left_at(i, k));
            put(b, run->element, (i / columns) * columns * SIDE + k * columns + i % columns, right_at(k, i));
        }
    }
}

static void multiply(const struct run *run, const void *a, const void *b, void *c) {
    const size_t rows = run->unit->rows, columns = run->unit->columns * (run->unit->bytes / run->element);
    const kernel inner = run->element == 4 ? run->unit->with_float : run->unit->with_double;
    for (size_t j = 0; j < SIDE; j += columns) {
        for (size_t i = 0; i < SIDE; i += rows)
            inner((const char *)a + i * SIDE * run->element, (const char *)b + j * SIDE * run->element,
                  (char *)c + (i * SIDE + j) * run->element, SIDE, SIDE);
    }
}

static bool is_right(const struct run *run, const void *c) {
    for (size_t i = 0; i < SIDE; i += 11) {
        for (size_t j = 0; j < SIDE; j += 7) {
            double sum = 0;
            for (size_t k = 0; k < SIDE; k++)
                sum += left_at(i, k) * right_at(k, j);
            double found = run->element == 4 ? (double)((const float *)c)[i * SIDE + j] : ((const double *)c)[i * SIDE + j];
            if (found != sum)
                return false;
        }
    }
    return true;
}

static void products(struct worker *me) {
    struct run *run = me->run;
    const size_t bytes = SIDE * SIDE * run->element;
    char *memory = pages(3 * bytes);
    if (memory != NULL) {
        pack(run, memory, memory + bytes);
        multiply(run, memory, memory + bytes, memory + 2 * bytes);
    } else {
        me->error = -ENOMEM;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&run->barrier);
        double began = seconds(), now = began, count = 0;
        while (memory != NULL && now - began < run->length / ROUNDS) {
            multiply(run, memory, memory + bytes, memory + 2 * bytes);
            count++;
            now = seconds();
        }
        me->rate[round] = now > began ? count * 2 * SIDE * SIDE * SIDE / (now - began) : 0;
    }
    if (memory != NULL) {
        if (!is_right(run, memory + 2 * bytes))
            me->error = -EIO;
        munmap(memory, 3 * bytes);
    }
}

__attribute__((noinline)) static void triad(double *restrict a, const double *restrict b, const double *restrict c,
                                            size_t count) {
    for (size_t i = 0; i < count; i++)
        a[i] = b[i] + SCALE * c[i];
}

static void passes(struct worker *me) {
    struct run *run = me->run;
    const size_t count = run->doubles;
    double *memory = pages(3 * count * sizeof *memory);
    if (memory == NULL)
        me->error = -ENOMEM;
    /* The first touch puts each page near its thread. */
    for (size_t i = 0; memory != NULL && i < count; i++) {
        memory[i] = 0;
        memory[count + i] = (double)(i % 97);
        memory[2 * count + i] = (double)(i % 89);
    }
    pthread_barrier_wait(&run->barrier);
    const double began = seconds();
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        me->began[pass] = seconds();
        if (memory != NULL)
            triad(memory, memory + count, memory + 2 * count, count);
        me->ended[pass] = seconds();
        if (me->leads) {
            __atomic_store_n(&run->passes, pass + 1, __ATOMIC_RELAXED);
            __atomic_store_n(&run->stop, seconds() - began > run->length, __ATOMIC_RELAXED);
        }
        pthread_barrier_wait(&run->barrier);
        uint32_t stop = __atomic_load_n(&run->stop, __ATOMIC_RELAXED);
        /* Nobody begins the next pass before everybody has read. */
        pthread_barrier_wait(&run->barrier);
        if (stop)
            break;
    }
    if (memory == NULL)
        return;
    for (size_t i = 0; i < count; i += 4099) {
        if (memory[i] != (double)(i % 97) + SCALE * (double)(i % 89))
            me->error = -EIO;
    }
    munmap(memory, 3 * count * sizeof *memory);
}

static void *work(void *argument) {
    struct worker *me = argument;
    struct run *run = me->run;
    pthread_mutex_lock(&run->gate);
    while (run->state == 0)
        pthread_cond_wait(&run->opened, &run->gate);
    int state = run->state;
    pthread_mutex_unlock(&run->gate);
    if (state > 0) {
        if (run->element != 0)
            products(me);
        else
            passes(me);
    }
    return NULL;
}

/* One thread on each of the CPUs; fewer where the system gives no more. Returns how many ran, or a negative errno. */
static int run_all(struct run *run, struct worker *workers, const int *cpus, uint32_t count) {
    uint32_t started = 0;
    run->state = 0;
    run->stop = run->passes = 0;
    pthread_mutex_init(&run->gate, NULL);
    pthread_cond_init(&run->opened, NULL);
    for (; started < count; started++) {
        struct worker *worker = &workers[started];
        memset(worker, 0, sizeof *worker);
        worker->run = run;
        worker->leads = started == 0;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        cpu_set_t *set = CPU_ALLOC(HCS_MEASURE_THREADS);
        const size_t size = CPU_ALLOC_SIZE(HCS_MEASURE_THREADS);
        if (set != NULL) {
            CPU_ZERO_S(size, set);
            CPU_SET_S((size_t)cpus[started], size, set);
            pthread_attr_setaffinity_np(&attributes, size, set);
        }
        int failed = pthread_create(&worker->thread, &attributes, work, worker);
        pthread_attr_destroy(&attributes);
        if (set != NULL)
            CPU_FREE(set);
        if (failed)
            break;
    }
    int result = started == 0 ? -EAGAIN : (int)started;
    bool ready = started > 0 && pthread_barrier_init(&run->barrier, NULL, started) == 0;
    if (started > 0 && !ready)
        result = -ENOMEM;
    pthread_mutex_lock(&run->gate);
    run->state = ready ? 1 : -1;
    pthread_cond_broadcast(&run->opened);
    pthread_mutex_unlock(&run->gate);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].error != 0)
            result = workers[i].error;
    }
    if (ready)
        pthread_barrier_destroy(&run->barrier);
    pthread_cond_destroy(&run->opened);
    pthread_mutex_destroy(&run->gate);
    return result;
}

/* Of the best round, of all threads together. */
static double best_rate(const struct worker *workers, int count) {
    double best = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += workers[i].rate[round];
        best = sum > best ? sum : best;
    }
    return best;
}

static double shortest_pass(const struct worker *workers, int count, uint32_t done) {
    double shortest = INFINITY;
    /* The first pass after the fill finds other things in the caches. */
    for (uint32_t pass = done > 1 ? 1 : 0; pass < done; pass++) {
        double began = INFINITY, ended = 0;
        for (int i = 0; i < count; i++) {
            began = workers[i].began[pass] < began ? workers[i].began[pass] : began;
            ended = workers[i].ended[pass] > ended ? workers[i].ended[pass] : ended;
        }
        shortest = ended - began < shortest ? ended - began : shortest;
    }
    return shortest;
}

/* The host */

static uint32_t allowed_cpus(int *cpus) {
    uint32_t count = 0;
    cpu_set_t *set = CPU_ALLOC(HCS_MEASURE_THREADS);
    const size_t size = CPU_ALLOC_SIZE(HCS_MEASURE_THREADS);
    if (set != NULL && sched_getaffinity(0, size, set) == 0) {
        for (int cpu = 0; cpu < (int)HCS_MEASURE_THREADS; cpu++) {
            if (CPU_ISSET_S((size_t)cpu, size, set))
                cpus[count++] = cpu;
        }
    }
    if (set != NULL)
        CPU_FREE(set);
    return count;
}

static bool read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

/* The largest cache of each CPU, every one counted once: by the first CPU that shares it. */
static uint64_t last_level_cache(const int *cpus, uint32_t count) {
    uint64_t total = 0;
    static bool seen[HCS_MEASURE_THREADS];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < count; i++) {
        for (int level = 4; level >= 0; level--) {
            char path[96], line[64];
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/size", cpus[i], level);
            if (!read_line(path, line, sizeof line))
                continue;
            char *end = line;
            uint64_t bytes = strtoull(line, &end, 10);
            bytes <<= *end == 'M' ? 20 : *end == 'K' ? 10 : 0;
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpus[i], level);
            unsigned long first = read_line(path, line, sizeof line) ? strtoul(line, NULL, 10) : (unsigned long)cpus[i];
            if (first < HCS_MEASURE_THREADS && !seen[first] && bytes < 1ull << 36) {
                seen[first] = true;
                total += bytes;
            }
            break;
        }
    }
    if (total == 0) {
        long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
        total = bytes > 0 ? (uint64_t)bytes : 32u << 20;
    }
    return total;
}

static uint64_t available_memory(void) {
    char line[128];
    uint64_t kibibytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemAvailable: %lu kB", &kibibytes) == 1)
            break;
    }
    if (file != NULL)
        fclose(file);
    return kibibytes << 10;
}

/* Bytes of the three arrays: four times the caches, or 0 where not even twice fits. */
static uint64_t array_bytes(uint64_t cache, uint64_t limit) {
    const uint64_t quarter = available_memory() / 4, most = quarter < limit ? quarter : limit;
    const uint64_t wanted = 4 * cache > 192u << 20 ? 4 * cache : 192u << 20;
    if (most >= wanted)
        return wanted;
    return most >= 2 * cache ? most : 0;
}

int hcs_measure_run(const char *unit, uint32_t milliseconds, uint64_t memory_limit, struct hcs_measure_cpu *ret) {
    struct run run = {.length = milliseconds / 3000.0};
    for (uint32_t i = 0; run.unit == NULL && unit_at(i) != NULL; i++) {
        if (unit == NULL || strcmp(unit, unit_at(i)->name) == 0)
            run.unit = unit_at(i);
    }
    if (run.unit == NULL)
        return -ENOENT;
    struct hcs_measure_cpu found = {0};
    snprintf(found.unit, sizeof found.unit, "%s", run.unit->name);
    int *cpus = malloc(HCS_MEASURE_THREADS * sizeof *cpus);
    uint32_t count = cpus != NULL ? allowed_cpus(cpus) : 0;
    struct worker *workers = count > 0 ? malloc(count * sizeof *workers) : NULL;
    int result = workers == NULL ? -ENOMEM : 0;
    if (result == 0) {
        run.element = 4;
        result = run_all(&run, workers, cpus, count);
        if (result > 0)
            found.fp32_tflops = best_rate(workers, result) / 1e12;
    }
    if (result > 0) {
        run.element = 8;
        result = run_all(&run, workers, cpus, count);
        if (result > 0)
            found.fp64_tflops = best_rate(workers, result) / 1e12;
    }
    if (result > 0) {
        found.threads = (uint32_t)result;
        found.cache_bytes = last_level_cache(cpus, count);
        run.doubles = array_bytes(found.cache_bytes, memory_limit) / 3 / sizeof(double) / count;
    }
    if (result > 0 && run.doubles > 0) {
        run.element = 0;
        result = run_all(&run, workers, cpus, count);
        if (result > 0) {
            found.array_bytes = 3 * sizeof(double) * run.doubles * (uint64_t)result;
            found.bandwidth_gbps = (double)found.array_bytes / shortest_pass(workers, result, run.passes) / 1e9;
        }
    }
    free(workers);
    free(cpus);
    if (result < 0)
        return result;
    *ret = found;
    return 0;
}
