/* SPDX-License-Identifier: Apache-2.0
 *
 * Storms around the preload library: `harness DIRECTORY [full|small] [PART OF A NAME]`. The Makefile has put the library, the
 * fake driver and the client into DIRECTORY. The harness itself is never preloaded; it plays the agent where a test has
 * one, and compares the segment with the driver's truth.
 *
 * Every test runs in a child with a deadline: what hangs is a failure, not a hanging test run.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hcs_segment.h"
#include "world.h"

#define SECOND UINT64_C(1000000000)
#define BACK_WITHIN SECOND  /* bytes of the dead: the promise */
#define STALL SECOND        /* a survivor's longest step */
#define AGENT_INTERVAL (SECOND / 10)

enum { PASSED = 0, FAILED = 1, SKIPPED = 2 };

static char directory[1024], scratch[1100], segment_path[1200], world_path[1200], job[64];
static struct hcs_segment *segment;
static int segment_fd = -1;
static struct world *world;
static struct report {
    char text[4096];
    char note[512]; /* figures shown behind the name */
} *report;
static int small;

#define FAIL(...)                                                                                                      \
    do {                                                                                                               \
        int fail_n = snprintf(report->text, sizeof report->text, "line %d: ", __LINE__);                               \
        snprintf(report->text + fail_n, sizeof report->text - (size_t)fail_n, __VA_ARGS__);                            \
        return FAILED;                                                                                                 \
    } while (0)
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            FAIL("%s does not hold", #condition);                                                                      \
    } while (0)
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        int try_status = (call);                                                                                       \
        if (try_status != PASSED)                                                                                      \
            return try_status;                                                                                         \
    } while (0)
#define NOTE(...) snprintf(report->note, sizeof report->note, __VA_ARGS__)

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* --- a test's world ------------------------------------------------------------------------------------------------------ */

static void *map_file(const char *path, size_t size, int *ret_fd) {
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    void *map = fd < 0 || fchmod(fd, 0666) < 0 || ftruncate(fd, (off_t)size) < 0
                    ? MAP_FAILED
                    : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    *ret_fd = fd; /* stays open: closing it would drop this process's locks on the file */
    return map;
}

static void fresh_world(int by_process) {
    int fd;
    world = map_file(world_path, sizeof *world, &fd);
    world->by_process = (uint64_t)by_process;
    world->physical = UINT64_C(64) << 30;
    world->cells_end = 1;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&world->mutex, &attributes);
    segment = NULL;
    snprintf(job, sizeof job, "stress%d-%llu", getpid(), (unsigned long long)now_ns());
}

/* An agent's segment for the driver's two devices. */
static void make_segment(uint64_t limit, uint64_t total) {
    segment = map_file(segment_path, sizeof *segment, &segment_fd);
    fchmod(segment_fd, 0600);
    segment->version_major = HCS_SEGMENT_VERSION_MAJOR;
    segment->version_minor = HCS_SEGMENT_VERSION_MINOR;
    segment->total_size = sizeof *segment;
    segment->device_capacity = HCS_SEGMENT_DEVICES;
    segment->slot_capacity = HCS_SEGMENT_SLOTS;
    segment->device_size = sizeof(struct hcs_segment_device);
    segment->slot_size = sizeof(struct hcs_segment_slot);
    segment->origin = HCS_ORIGIN_AGENT;
    strcpy(segment->workload, "11111111-2222-3333-4444-555555555555");
    segment->total_limit = total;
    for (uint32_t i = 0; i < DEVICES; i++) {
        struct hcs_segment_device *d = &segment->devices[i];
        d->vendor = HCS_VENDOR_NVIDIA;
        d->host_index = i;
        d->physical = world->physical;
        snprintf(d->uuid, sizeof d->uuid, "GPU-abcd0000-0000-0000-0000-00000000000%u", i);
        d->limit = limit;
        d->state = HCS_DEVICE_READY;
    }
    hcs_store_u64(&segment->magic, HCS_SEGMENT_MAGIC);
}

static void expect_limits(uint64_t limit, uint64_t total) {
    for (int d = 0; d < DEVICES; d++)
        world->limit[d] = limit;
    world->limit_total = total;
}

/* The file that standalone processes made. Each of them must be alive while it is looked at. */
static int open_standalone(void) {
    char path[256];
    snprintf(path, sizeof path, "/dev/shm/hcs-%u-%s", (unsigned)geteuid(), job);
    for (int i = 0; i < 5000; i++, usleep(1000)) {
        segment_fd = open(path, O_RDWR | O_CLOEXEC);
        if (segment_fd >= 0)
            break;
    }
    void *map = mmap(NULL, sizeof *segment, PROT_READ | PROT_WRITE, MAP_SHARED, segment_fd, 0);
    if (map == MAP_FAILED)
        FAIL("cannot open %s", path);
    segment = map;
    return PASSED;
}

/* Starts `client WORDS...` under the preload library; quota: NULL = the agent's segment. */
static pid_t start_in(pid_t (*fork_here)(void), const char *quota, const char *format, ...) {
    char words[256], *argv[8] = {0}, text[8][1400], *environment[9] = {0};
    int count = 0;
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    argv[count++] = "client";
    for (char *w = strtok(words, " "); w && count < 7; w = strtok(NULL, " "))
        argv[count++] = w;
    count = 0;
    snprintf(text[count++], 1400, "LD_PRELOAD=%s/libhcs_interceptor.so", directory);
    snprintf(text[count++], 1400, "LD_LIBRARY_PATH=%s", directory);
    snprintf(text[count++], 1400, "STRESS_WORLD=%s", world_path);
    snprintf(text[count++], 1400, quota ? "HCS_JOB=%s" : "HCS_SEGMENT=%s", quota ? job : segment_path);
    if (quota)
        snprintf(text[count++], 1400, "HCS_VRAM_QUOTA=%s", quota);
    for (int i = 0; i < count; i++)
        environment[i] = text[i];
    pid_t child = fork_here();
    if (child == 0) {
        char program[1100];
        snprintf(program, sizeof program, "%s/client", directory);
        execve(program, argv, environment);
        _exit(126);
    }
    return child;
}
#define start(...) start_in(fork, __VA_ARGS__)

static int finish(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int no_client_failed(void) {
    for (int i = 0; i < WORKERS; i++)
        if (world->workers[i].failed)
            FAIL("worker %d: client.c line %u does not hold", i, world->workers[i].failed);
    return PASSED;
}

/* --- the driver's truth ---------------------------------------------------------------------------------------------------- */

static int fd_of_world(void) {
    static int fd = -1;
    static ino_t inode;
    struct stat named;
    if (stat(world_path, &named) == 0 && (fd < 0 || named.st_ino != inode)) {
        fd = open(world_path, O_RDWR | O_CLOEXEC);
        inode = named.st_ino;
    }
    return fd;
}

static int cell_is_dead(uint32_t cell) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = CELL_LOCK(cell), .l_len = 1};
    return fcntl(fd_of_world(), F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* Bytes that living processes hold on the device. */
static uint64_t truth_of(int device) {
    if (!world->by_process)
        return world->used[device];
    uint64_t sum = 0;
    for (uint32_t i = 1; i < world->cells_end; i++)
        if (world->cells[i].used[device] && !cell_is_dead(i))
            sum += world->cells[i].used[device];
    return sum;
}

/* --- the agent's part, by the rules of model/segment.pml ----------------------------------------------------------------------- */

static int lock_slot(short type, uint32_t slot) {
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)hcs_slot_offset(slot), .l_len = 1};
    return fcntl(segment_fd, F_SETLK, &lock);
}

static pid_t slot_holder(uint32_t slot) {
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)hcs_slot_offset(slot), .l_len = 1};
    return fcntl(segment_fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/* Reaping is an operation of the slot that is reaped. */
static void take_back(struct hcs_segment_slot *slot) {
    (void)hcs_add_u64(&slot->begin, 1);
    for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++) {
        uint64_t n = hcs_slot_take_used(slot, d);
        hcs_give_back(&segment->devices[d].used, n);
        if (hcs_load_u64(&segment->total_limit) != HCS_UNLIMITED)
            hcs_give_back(&segment->total_used, n);
    }
    hcs_store_u64(&slot->end, hcs_load_u64(&slot->begin));
    hcs_store_u32(&slot->state, HCS_SLOT_FREE);
}

static int quiet_operations(uint64_t *ret_count) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++) {
        struct hcs_segment_slot *slot = &segment->slots[i];
        uint64_t end = hcs_load_u64(&slot->end), begin = hcs_load_u64(&slot->begin);
        if (begin != end)
            return 0;
        count += begin + hcs_load_u64(&slot->generation);
    }
    *ret_count = count;
    return 1;
}

static uint64_t sum_of_slots(uint32_t first, uint32_t end) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++)
        for (uint32_t d = first; d < end; d++)
            sum += hcs_slot_used(&segment->slots[i], d);
    return sum;
}

static void settle(uint64_t *counter, uint32_t first, uint32_t end) {
    uint64_t before, after;
    if (!quiet_operations(&before))
        return;
    /* Only now: read before the look it could hold an operation that ends, and the next one's bytes be taken for it. */
    uint64_t counted = hcs_load_u64(counter);
    uint64_t sum = sum_of_slots(first, end);
    if (counted > sum && quiet_operations(&after) && after == before)
        __atomic_compare_exchange_n(counter, &counted, sum, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void reap_as_agent(void) {
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++) {
        struct hcs_segment_slot *slot = &segment->slots[i];
        if (hcs_load_u32(&slot->state) != HCS_SLOT_LIVE || lock_slot(F_WRLCK, i) < 0)
            continue;
        if (hcs_load_u32(&slot->state) == HCS_SLOT_LIVE)
            take_back(slot);
        lock_slot(F_UNLCK, i);
    }
}

static void settle_as_agent(void) {
    for (uint32_t d = 0; d < DEVICES; d++)
        settle(&segment->devices[d].used, d, d + 1);
    if (hcs_load_u64(&segment->total_limit) != HCS_UNLIMITED)
        settle(&segment->total_used, 0, HCS_SEGMENT_DEVICES);
}

/* A standalone segment has its entries in the order in which the devices were met; one not met yet stands behind them. */
static uint32_t entry_of(int device) {
    uint32_t empty = HCS_SEGMENT_DEVICES - 1;
    for (uint32_t i = 0; i < HCS_SEGMENT_DEVICES; i++) {
        size_t length = strlen(segment->devices[i].uuid);
        if (length > 0 && segment->devices[i].uuid[length - 1] == '0' + device)
            return i;
    }
    return empty;
}

/* The ledger against the truth while nothing moves. */
static int counters_never_below(void) {
    uint64_t sum = 0;
    for (uint32_t d = 0; d < DEVICES; d++) {
        uint32_t e = entry_of((int)d);
        uint64_t slots = sum_of_slots(e, e + 1), counted = hcs_load_u64(&segment->devices[e].used);
        sum += slots;
        if (counted < slots || slots < truth_of((int)d))
            FAIL("device %u counts %llu, its slots %llu, the driver gave %llu", d, (unsigned long long)counted,
                 (unsigned long long)slots, (unsigned long long)truth_of((int)d));
    }
    if (hcs_load_u64(&segment->total_limit) != HCS_UNLIMITED && hcs_load_u64(&segment->total_used) < sum)
        FAIL("the total counts %llu, the slots %llu", (unsigned long long)segment->total_used, (unsigned long long)sum);
    return PASSED;
}

static int ledger_equals_truth(void) {
    uint64_t sum = 0;
    for (uint32_t d = 0; d < DEVICES; d++) {
        uint32_t e = entry_of((int)d);
        uint64_t slots = sum_of_slots(e, e + 1), counted = hcs_load_u64(&segment->devices[e].used), truth = truth_of((int)d);
        sum += truth;
        if (counted != truth || slots != truth)
            FAIL("once quiet device %u counts %llu, its slots %llu, the driver gave %llu", d, (unsigned long long)counted,
                 (unsigned long long)slots, (unsigned long long)truth);
    }
    if (hcs_load_u64(&segment->total_limit) != HCS_UNLIMITED && hcs_load_u64(&segment->total_used) != sum)
        FAIL("once quiet the total counts %llu, the driver gave %llu", (unsigned long long)segment->total_used,
             (unsigned long long)sum);
    return PASSED;
}

static int never_over(void) {
    if (world->over)
        FAIL("%llu bytes over quota", (unsigned long long)world->over);
    return PASSED;
}

/* --- rounds: a race to the quota ----------------------------------------------------------------------------------------- */

static int check_round(uint32_t kind, int threads, uint64_t limit, uint64_t total) {
    TRY(never_over());
    uint64_t granted = truth_of(0) + truth_of(1);
    if (total == HCS_UNLIMITED && kind == 0 && granted != limit * 6 / 10 / KIB * KIB)
        FAIL("of %d requests of which one fits %llu bytes were granted", threads, (unsigned long long)granted);
    if (total == HCS_UNLIMITED && kind == 1 && threads * 2 > 256 && granted != limit)
        FAIL("256 blocks fit exactly, %llu of %llu bytes were granted", (unsigned long long)granted,
             (unsigned long long)limit);
    return PASSED;
}

static int rounds(int processes, int threads, int count, const char *quota, uint64_t limit, uint64_t total) {
    pid_t children[WORKERS];
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&world->barrier, &attributes, (unsigned)(processes * threads + 1));
    for (int i = 0; i < processes; i++)
        children[i] = start(quota, "race %d %d %d", threads, count, i);
    for (int round = 0; round < count; round++) {
        uint32_t kind = world->round_kind = (uint32_t)round % 5;
        pthread_barrier_wait(&world->barrier);
        pthread_barrier_wait(&world->barrier);
        TRY(check_round(kind, processes * threads, limit, total));
        pthread_barrier_wait(&world->barrier);
        pthread_barrier_wait(&world->barrier);
        if (round == 0 && quota)
            TRY(open_standalone());
        /* Nobody allocates before the next round's barrier, which we have not reached. */
        for (int d = 0; d < DEVICES; d++)
            if (truth_of(d) != 0 || segment->devices[d].used != 0)
                FAIL("after round %d device %d: driver %llu, ledger %llu", round, d, (unsigned long long)truth_of(d),
                     (unsigned long long)segment->devices[d].used);
        if (total != HCS_UNLIMITED && segment->total_used != 0)
            FAIL("after round %d the total is %llu", round, (unsigned long long)segment->total_used);
    }
    for (int i = 0; i < processes; i++) {
        int status = finish(children[i]);
        if (status != 0)
            FAIL("process %d ended with %d", i, status);
    }
    EXPECT(world->granted == world->freed && world->kind_denied > 0);
    uint64_t most = total == HCS_UNLIMITED ? world->peak[0] : world->peak_total;
    uint64_t cap = total == HCS_UNLIMITED ? limit : total;
    NOTE("%d rounds of %d x %d, %llu grants, %u denials, peak %.2f %% of the quota, %llu bytes over", count, processes,
         threads, (unsigned long long)world->granted, world->kind_denied, 100.0 * (double)most / (double)cap,
         (unsigned long long)world->over);
    return PASSED;
}

static int race_to_device_quota(void) {
    fresh_world(0);
    make_segment(64 * MIB, HCS_UNLIMITED);
    expect_limits(64 * MIB, 0);
    return small ? rounds(16, 4, 60, NULL, 64 * MIB, HCS_UNLIMITED) : rounds(64, 4, 1000, NULL, 64 * MIB, HCS_UNLIMITED);
}

static int race_to_total_quota(void) {
    fresh_world(0);
    expect_limits(64 * MIB, 96 * MIB);
    return small ? rounds(16, 4, 60, "64Mi,total=96Mi", 64 * MIB, 96 * MIB)
                 : rounds(64, 4, 1000, "64Mi,total=96Mi", 64 * MIB, 96 * MIB);
}

/* --- kills ------------------------------------------------------------------------------------------------------------------ */

enum reaper {
    SURVIVORS, /* the quota is tight: somebody is denied all the time, and reaps */
    AGENT,     /* nobody is ever denied */
    STANDALONE /* no agent anywhere: survivors reap, and the library itself settles */
};

struct storm {
    enum reaper reaper;
    const char *quota;
    pid_t (*fork_here)(void);
    int workers, survivors, threads;
    pid_t pids[WORKERS];       /* our child: the worker, or what holds its namespace */
    pid_t workers_pid[WORKERS]; /* the worker as we see it */
    uint64_t operations_at_start[WORKERS];
    uint64_t last_reap, slowest_back, kills, with_memory;
};

/* A child as pid 1 of a pid namespace of its own; what we get is the process that waits for it. */
static uint32_t *namespaced_pid;
static int own_proc;
static pid_t fork_in_namespace(void) {
    pid_t child = fork();
    if (child != 0)
        return child;
    if (unshare(CLONE_NEWPID | (own_proc ? CLONE_NEWNS : 0)) < 0)
        _exit(125);
    pid_t inner = fork();
    if (inner == 0) {
        if (own_proc && (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0))
            _exit(125);
        return 0;
    }
    __atomic_store_n(namespaced_pid, (uint32_t)inner, __ATOMIC_RELEASE);
    _exit(finish(inner));
}

static int spawn_worker(struct storm *s, int i) {
    struct worker *w = &world->workers[i];
    w->quiet = 0;
    w->host_pid = 0;
    namespaced_pid = &w->host_pid;
    own_proc = i % 2;
    s->operations_at_start[i] = w->operations;
    s->pids[i] = start_in(s->fork_here, s->quota, "churn %d %d", s->threads, i);
    s->workers_pid[i] = s->pids[i];
    for (int t = 0; s->fork_here == fork_in_namespace && t < 5000 && !__atomic_load_n(&w->host_pid, __ATOMIC_ACQUIRE); t++)
        usleep(1000);
    if (s->fork_here == fork_in_namespace)
        s->workers_pid[i] = (pid_t)w->host_pid;
    return s->pids[i] > 0 && s->workers_pid[i] > 0 ? PASSED : FAILED;
}

static int is_running(const struct storm *s, int i) {
    return __atomic_load_n(&world->workers[i].operations, __ATOMIC_ACQUIRE) > s->operations_at_start[i];
}

static int wait_until_running(struct storm *s, int i) {
    uint64_t until = now_ns() + 20 * SECOND;
    while (!is_running(s, i)) {
        int status;
        if (waitpid(s->pids[i], &status, WNOHANG) == s->pids[i])
            FAIL("worker %d ended early with status %x (125 = no namespace)", i, status);
        if (now_ns() > until)
            FAIL("worker %d does not start", i);
        usleep(300);
    }
    return PASSED;
}

static int slot_of(pid_t pid) {
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++)
        if (hcs_load_u32(&segment->slots[i].state) == HCS_SLOT_LIVE && slot_holder(i) == pid)
            return (int)i;
    return -1;
}

static uint64_t held_by(int slot) {
    return hcs_slot_used(&segment->slots[slot], 0) + hcs_slot_used(&segment->slots[slot], 1);
}

static void reap_when_due(struct storm *s) {
    if (s->reaper != AGENT || now_ns() - s->last_reap < AGENT_INTERVAL)
        return;
    reap_as_agent();
    s->last_reap = now_ns();
}

static int kill_one(struct storm *s, int i) {
    int slot = slot_of(s->workers_pid[i]);
    uint64_t generation = slot < 0 ? 0 : hcs_load_u64(&segment->slots[slot].generation);
    uint64_t held = slot < 0 ? 0 : held_by(slot);
    kill(s->workers_pid[i], SIGKILL);
    finish(s->pids[i]);
    uint64_t died = now_ns();
    s->kills++;
    s->with_memory += held > 0;
    if (slot < 0)
        return PASSED;
    struct hcs_segment_slot *dead = &segment->slots[slot];
    while (hcs_load_u64(&dead->generation) == generation &&
           (hcs_slot_used(dead, 0) | hcs_slot_used(dead, 1) || hcs_load_u32(&dead->state) != HCS_SLOT_FREE)) {
        if (now_ns() - died > 5 * BACK_WITHIN)
            FAIL("5 s after its death worker %d still holds %llu bytes", i,
                 (unsigned long long)(hcs_slot_used(dead, 0) + hcs_slot_used(dead, 1)));
        reap_when_due(s);
        usleep(200);
    }
    uint64_t took = now_ns() - died;
    s->slowest_back = took > s->slowest_back ? took : s->slowest_back;
    if (took > BACK_WITHIN)
        FAIL("the memory of a killed process came back after %.2f s", (double)took / 1e9);
    return PASSED;
}

static int wait_until_quiet(struct storm *s) {
    __atomic_store_n(&world->pause, 1, __ATOMIC_RELEASE);
    uint64_t until = now_ns() + 10 * SECOND;
    for (int i = 0; i < s->workers; i++)
        while (__atomic_load_n(&world->workers[i].quiet, __ATOMIC_ACQUIRE) < (uint32_t)s->threads) {
            if (now_ns() > until)
                FAIL("worker %d does not hold still: a thread hangs", i);
            usleep(300);
        }
    return PASSED;
}

/* Nothing moves: counters may be too high by what was under way at the kills, never too low; then they are made right by
 * whoever that is, and equal the truth. */
static int compare_when_quiet(struct storm *s) {
    TRY(wait_until_quiet(s));
    TRY(counters_never_below());
    if (s->reaper == STANDALONE) {
        int status = finish(start(s->quota, "ask 1048576")); /* 1 GiB: denied, after all was tried */
        if (status != 3)
            FAIL("the asking process ended with %d", status);
    } else {
        reap_as_agent();
        settle_as_agent();
    }
    TRY(ledger_equals_truth());
    TRY(never_over());
    __atomic_store_n(&world->pause, 0, __ATOMIC_RELEASE);
    return PASSED;
}

static int check_survivors(struct storm *s, uint64_t *seen, uint64_t *seen_at) {
    for (int i = 0; i < s->survivors; i++) {
        uint64_t operations = __atomic_load_n(&world->workers[i].operations, __ATOMIC_ACQUIRE), now = now_ns();
        if (operations != seen[i]) {
            seen[i] = operations;
            seen_at[i] = now;
        } else if (now - seen_at[i] > 3 * STALL) {
            FAIL("survivor %d has made no step for %.1f s", i, (double)(now - seen_at[i]) / 1e9);
        }
    }
    return PASSED;
}

static int kill_storm(struct storm *s, int count) {
    uint64_t seen[WORKERS] = {0}, seen_at[WORKERS];
    unsigned state = 4711;
    for (int i = 0; i < s->workers; i++) {
        seen_at[i] = now_ns();
        TRY(spawn_worker(s, i));
    }
    if (s->reaper == STANDALONE)
        TRY(open_standalone());
    for (int i = 0; i < s->workers; i++)
        TRY(wait_until_running(s, i));
    for (int n = 1; n <= count; n++) {
        int victim = s->survivors + (int)(rand_r(&state) % (unsigned)(s->workers - s->survivors));
        if (rand_r(&state) % 10 != 0) /* one in ten may die while it starts */
            TRY(wait_until_running(s, victim));
        usleep(rand_r(&state) % 4000);
        TRY(kill_one(s, victim));
        TRY(spawn_worker(s, victim));
        reap_when_due(s);
        TRY(check_survivors(s, seen, seen_at));
        if (n % 50 == 0 || n == count) {
            for (int i = 0; i < s->workers; i++)
                TRY(wait_until_running(s, i));
            TRY(compare_when_quiet(s));
            for (int i = 0; i < s->survivors; i++)
                seen_at[i] = now_ns();
        }
    }
    __atomic_store_n(&world->stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < s->workers; i++) {
        int status = finish(s->pids[i]);
        if (status != 0)
            FAIL("worker %d ended with %d", i, status);
    }
    uint64_t longest = 0;
    for (int i = 0; i < s->survivors; i++)
        longest = world->workers[i].longest_ns > longest ? world->workers[i].longest_ns : longest;
    if (longest > STALL)
        FAIL("a survivor's step took %.2f s", (double)longest / 1e9);
    for (uint32_t d = 0; d < DEVICES; d++)
        if (truth_of((int)d) != 0 || sum_of_slots(d, d + 1) != 0)
            FAIL("all have freed and ended, device %u: driver %llu, slots %llu", d, (unsigned long long)truth_of((int)d),
                 (unsigned long long)sum_of_slots(d, d + 1));
    NOTE("%llu kills, %llu while holding memory, back after at most %.0f ms, a survivor's longest step %.0f ms, %llu bytes over",
         (unsigned long long)s->kills, (unsigned long long)s->with_memory, (double)s->slowest_back / 1e6, (double)longest / 1e6,
         (unsigned long long)world->over);
    return PASSED;
}

static int kills_survivors_reap(void) {
    struct storm s = {.reaper = SURVIVORS, .fork_here = fork, .workers = 8, .survivors = 2, .threads = 2};
    fresh_world(1);
    make_segment(1 * MIB, 3 * MIB / 2);
    expect_limits(1 * MIB, 3 * MIB / 2);
    world->keep_full = 1;
    return kill_storm(&s, small ? 50 : 500);
}

static int kills_agent_reaps(void) {
    struct storm s = {.reaper = AGENT, .fork_here = fork, .workers = 8, .survivors = 2, .threads = 2};
    fresh_world(1);
    make_segment(UINT64_C(4) << 30, UINT64_C(8) << 30);
    expect_limits(UINT64_C(4) << 30, UINT64_C(8) << 30);
    return kill_storm(&s, small ? 30 : 200);
}

static int kills_standalone(void) {
    struct storm s = {.reaper = STANDALONE, .quota = "1Mi,total=1536Ki", .fork_here = fork, .workers = 8, .survivors = 2,
                      .threads = 2};
    fresh_world(1);
    expect_limits(1 * MIB, 3 * MIB / 2);
    world->keep_full = 1;
    return kill_storm(&s, small ? 30 : 300);
}

static int namespaces_permitted(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(unshare(CLONE_NEWPID | CLONE_NEWNS) != 0);
    return finish(child) == 0;
}

static int kills_in_pid_namespaces(void) {
    struct storm s = {.reaper = SURVIVORS, .fork_here = fork_in_namespace, .workers = 6, .survivors = 2, .threads = 2};
    if (!namespaces_permitted()) {
        snprintf(report->text, sizeof report->text, "this process may not make pid and mount namespaces");
        return SKIPPED;
    }
    fresh_world(1);
    make_segment(1 * MIB, HCS_UNLIMITED);
    expect_limits(1 * MIB, 0);
    world->keep_full = 1;
    return kill_storm(&s, small ? 30 : 200);
}

/* --- a kill at every instruction ------------------------------------------------------------------------------------------- */

static int wait_for_stop(pid_t child, int *ret_signal) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    *ret_signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    return WIFSTOPPED(status);
}

static pid_t fork_traced(void) {
    pid_t child = fork();
    if (child == 0 && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(125);
    return child;
}

/* Kills a `client pair` after `steps` instructions of its pair: 1 when the pair was over before. */
static int kill_after(uint64_t steps, int *ret_over) {
    int signal_number;
    pid_t child = start_in(fork_traced, NULL, "pair");
    if (!wait_for_stop(child, &signal_number)) {
        snprintf(report->text, sizeof report->text, "this process may not trace its children");
        return SKIPPED;
    }
    do /* the stop at exec, then the client's own */
        ptrace(PTRACE_CONT, child, NULL, NULL);
    while (wait_for_stop(child, &signal_number) && signal_number != SIGSTOP);
    int stops = 0;
    *ret_over = 0;
    for (uint64_t i = 0; i < steps && !*ret_over; i++) {
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        if (!wait_for_stop(child, &signal_number))
            FAIL("the client ended under the tracer");
        stops += signal_number != SIGTRAP;
        *ret_over = stops > 0; /* the second SIGSTOP */
    }
    kill(child, SIGKILL);
    finish(child);
    return PASSED;
}

/* The dead one held 3 KiB and was about to take, or to give back, 5. */
static int check_after_kill(uint64_t steps, uint64_t *residues) {
    TRY(counters_never_below());
    if (steps % 2 == 0)
        reap_as_agent();
    else if (finish(start(NULL, "ask 1048576")) != 3) /* 1 GiB: a process about to be denied reaps */
        FAIL("the asking process was not denied");
    uint64_t left = hcs_load_u64(&segment->devices[0].used), total = hcs_load_u64(&segment->total_used);
    if (sum_of_slots(0, DEVICES) != 0 || (left != 0 && left != 5 * KIB) || (total != 0 && total != 5 * KIB))
        FAIL("killed after %llu instructions: reaped, the device counts %llu, the total %llu", (unsigned long long)steps,
             (unsigned long long)left, (unsigned long long)total);
    *residues += left != 0 || total != 0;
    settle_as_agent();
    TRY(ledger_equals_truth());
    return PASSED;
}

static int kill_at_every_instruction(void) {
    uint64_t residues = 0, steps = 0;
    int over = 0;
    fresh_world(1);
    make_segment(1 * MIB, 1 * MIB);
    expect_limits(1 * MIB, 1 * MIB);
    for (; !over && steps < 20000; steps += small ? 17 : 1) {
        TRY(kill_after(steps, &over));
        TRY(check_after_kill(steps, &residues));
    }
    EXPECT(over && steps > 100);
    NOTE("%s of %llu instructions, %llu of the kills left a residue, each settled", small ? "every 17th" : "each",
         (unsigned long long)steps, (unsigned long long)residues);
    EXPECT(small || residues > 0);
    return PASSED;
}

/* --- storms of new processes ------------------------------------------------------------------------------------------------- */

/* While the roots of the storm stand still, holding 13 KiB each, and their daemons end. */
static int settle_among_living(const char *quota) {
    uint64_t until = now_ns() + 10 * SECOND;
    int status;
    do {
        while (waitpid(-1, &status, WNOHANG) > 0)
            ;
        TRY(counters_never_below());
        if (quota && (status = finish(start(quota, "ask 8388608"))) != 3) /* 8 GiB: denied, after all was tried */
            FAIL("the asking process ended with %d", status);
        if (!quota) {
            reap_as_agent();
            settle_as_agent();
        }
        status = truth_of(0) + truth_of(1) == 4 * 13 * KIB ? ledger_equals_truth() : FAILED;
    } while (status != PASSED && now_ns() < until && usleep(20000) == 0);
    if (status != PASSED && truth_of(0) + truth_of(1) != 4 * 13 * KIB)
        FAIL("the roots hold 4 x 13 KiB, the driver %llu bytes", (unsigned long long)(truth_of(0) + truth_of(1)));
    return status;
}

static int process_storm(const char *quota, int steps) {
    pid_t children[4];
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* daemons become ours */
    for (int i = 0; i < 4; i++)
        children[i] = start(quota, "storm %d %d", i, steps);
    if (quota)
        TRY(open_standalone());
    for (int i = 0; i < 4; i++) {
        int status;
        EXPECT(waitpid(children[i], &status, WUNTRACED) == children[i]);
        if (!WIFSTOPPED(status))
            FAIL("storm %d ended with status %x", i, status);
    }
    TRY(settle_among_living(quota));
    for (int i = 0; i < 4; i++) {
        kill(children[i], SIGCONT);
        int status = finish(children[i]);
        if (status != 0)
            FAIL("storm %d ended with %d", i, status);
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ; /* daemons that were still about: the job is over when they are */
    TRY(no_client_failed());
    if (quota) {
        /* The last of a job removes its file; one that was killed leaves it to the next job's sweep. */
        char path[256];
        snprintf(path, sizeof path, "/dev/shm/hcs-%u-%s", (unsigned)geteuid(), job);
        int status = finish(start(quota, "ask 4"));
        if (status != 0 || access(path, F_OK) == 0)
            FAIL("a new process of the job ended with %d, its file %s", status, access(path, F_OK) == 0 ? "stays" : "went");
    } else {
        reap_as_agent();
        settle_as_agent();
        TRY(ledger_equals_truth());
        for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++)
            if (segment->slots[i].state != HCS_SLOT_FREE)
                FAIL("everybody is gone, slot %u is taken", i);
    }
    for (int d = 0; d < DEVICES; d++)
        if (truth_of(d) != 0)
            FAIL("everybody is gone, the driver holds %llu", (unsigned long long)truth_of(d));
    NOTE("4 x %d steps, %llu grants", steps, (unsigned long long)world->granted);
    return PASSED;
}

static int storms_of_processes(void) {
    fresh_world(1);
    make_segment(UINT64_C(4) << 30, UINT64_C(8) << 30);
    return process_storm(NULL, small ? 25 : 250);
}

static int storms_of_processes_standalone(void) {
    fresh_world(1);
    return process_storm("4Gi,total=8Gi", small ? 25 : 250);
}

/* --- stopped peers ------------------------------------------------------------------------------------------------------------- */

/* Half of the processes are stopped at random instants, in hooks too: the others go on, nobody takes the stopped for dead. */
static int stopped_peers(void) {
    struct storm s = {.reaper = SURVIVORS, .fork_here = fork, .workers = 8, .survivors = 4, .threads = 2};
    unsigned state = 99;
    uint64_t worst = 0;
    int count = small ? 30 : 300, slots[WORKERS];
    uint64_t held[WORKERS];
    fresh_world(0);
    make_segment(1 * MIB, 3 * MIB / 2);
    expect_limits(1 * MIB, 3 * MIB / 2);
    world->keep_full = 1;
    for (int i = 0; i < s.workers; i++)
        TRY(spawn_worker(&s, i));
    for (int i = 0; i < s.workers; i++)
        TRY(wait_until_running(&s, i));
    for (int n = 0; n < count; n++) {
        usleep(rand_r(&state) % 3000);
        for (int i = s.survivors; i < s.workers; i++) {
            int status;
            kill(s.pids[i], SIGSTOP);
            EXPECT(waitpid(s.pids[i], &status, WUNTRACED) == s.pids[i] && WIFSTOPPED(status));
            slots[i] = slot_of(s.pids[i]);
            held[i] = slots[i] < 0 ? 0 : held_by(slots[i]);
        }
        for (int i = 0; i < s.survivors; i++) {
            uint64_t before = __atomic_load_n(&world->workers[i].operations, __ATOMIC_ACQUIRE), began = now_ns();
            while (__atomic_load_n(&world->workers[i].operations, __ATOMIC_ACQUIRE) < before + 20) {
                if (now_ns() - began > 3 * STALL)
                    FAIL("worker %d stands still while its peers are stopped", i);
                usleep(100);
            }
            worst = now_ns() - began > worst ? now_ns() - began : worst;
        }
        for (int i = s.survivors; i < s.workers; i++)
            if (slots[i] < 0 || held_by(slots[i]) != held[i])
                FAIL("a stopped process held %llu bytes, after a while %llu", (unsigned long long)held[i],
                     (unsigned long long)(slots[i] < 0 ? 0 : held_by(slots[i])));
        for (int i = s.survivors; i < s.workers; i++)
            kill(s.pids[i], SIGCONT);
    }
    TRY(compare_when_quiet(&s));
    __atomic_store_n(&world->stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < s.workers; i++)
        EXPECT(finish(s.pids[i]) == 0);
    EXPECT(truth_of(0) == 0 && truth_of(1) == 0);
    TRY(ledger_equals_truth());
    NOTE("%d stops of half the processes, 20 steps of another took at most %.0f ms, %llu bytes over", count,
         (double)worst / 1e6, (unsigned long long)world->over);
    return PASSED;
}

/* --- repairing while others live ---------------------------------------------------------------------------------------------- */

/* Three processes allocate and free the same size over and over; meanwhile the ledger is repaired, though nothing is broken.
 * Repairing may find nothing: what it takes is the living's. This meets a repair that does not look whether anything is
 * under way; what takes two coincidences of a few nanoseconds is left to the model (model/segment.pml). */
static int repair_among_living(const char *quota) {
    pid_t children[6];
    int count = quota ? 5 : 3;
    for (int i = 0; i < 3; i++)
        children[i] = start(quota, "blink %d", i);
    if (quota)
        TRY(open_standalone());
    for (int i = 3; i < count; i++)
        children[i] = start(quota, "demand %d", i);
    uint64_t until = now_ns() + (small ? 1 : 5) * SECOND, looks = 0;
    for (; now_ns() < until; looks++) {
        if (quota) {
            usleep(10000);
        } else {
            reap_as_agent();
            settle_as_agent();
        }
    }
    __atomic_store_n(&world->pause, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < count; i++)
        while (__atomic_load_n(&world->workers[i].quiet, __ATOMIC_ACQUIRE) == 0) {
            int status;
            if (waitpid(children[i], &status, WNOHANG) != 0)
                FAIL("worker %d ended early with status %x", i, status);
            usleep(300);
        }
    TRY(counters_never_below());
    TRY(ledger_equals_truth());
    __atomic_store_n(&world->stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < count; i++)
        EXPECT(finish(children[i]) == 0);
    TRY(never_over());
    NOTE("%llu allocations, %llu repairs", (unsigned long long)world->granted,
         (unsigned long long)(quota ? world->workers[3].operations + world->workers[4].operations : looks));
    return PASSED;
}

static int agent_repairs_among_living(void) {
    fresh_world(0);
    make_segment(512 * MIB, 768 * MIB);
    return repair_among_living(NULL);
}

static int processes_repair_among_living(void) {
    fresh_world(0);
    return repair_among_living("512Mi,total=768Mi");
}

/* --- running the tests ------------------------------------------------------------------------------------------------------- */

static const struct test {
    const char *name;
    int (*run)(void);
    int seconds;
} tests[] = {
    {"a race to the quota of a device grants all of it and never more", race_to_device_quota, 120},
    {"a race to total= never passes it, without an agent", race_to_total_quota, 120},
    {"killed at any instant, survivors take everything back", kills_survivors_reap, 120},
    {"killed at any instant, an agent takes everything back", kills_agent_reaps, 120},
    {"killed at any instant without an agent, the job settles itself", kills_standalone, 120},
    {"killed in pid namespaces of their own", kills_in_pid_namespaces, 120},
    {"killed at every instruction of an allocation and a free", kill_at_every_instruction, 120},
    {"fork, vfork, clone, exec, daemons, other users", storms_of_processes, 120},
    {"the same without an agent", storms_of_processes_standalone, 120},
    {"an agent that repairs takes nothing from the living", agent_repairs_among_living, 120},
    {"processes that repair take nothing from the living", processes_repair_among_living, 120},
    {"stopped peers stop nobody and lose nothing", stopped_peers, 120},
};

static void kill_group(pid_t group) {
    for (int i = 0; i < 50 && kill(-group, SIGKILL) == 0; i++)
        usleep(2000);
}

static int run_with_deadline(const struct test *test) {
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(test->run());
    }
    setpgid(child, child);
    uint64_t until = now_ns() + (uint64_t)test->seconds * SECOND;
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now_ns() > until) {
            kill_group(child);
            finish(child);
            snprintf(report->text, sizeof report->text, "not over after %d s", test->seconds);
            return FAILED;
        }
        usleep(1000);
    }
    kill_group(child);
    if (!WIFEXITED(status)) {
        snprintf(report->text, sizeof report->text, "ended by signal %d", WTERMSIG(status));
        return FAILED;
    }
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc < 2 || !realpath(argv[1], directory))
        return 2;
    small = argc > 2 && strcmp(argv[2], "small") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(scratch, sizeof scratch, "/tmp/hcs-stress-XXXXXX");
    if (!mkdtemp(scratch) || chmod(scratch, 0755) < 0)
        return 2;
    snprintf(segment_path, sizeof segment_path, "%s/segment", scratch);
    snprintf(world_path, sizeof world_path, "%s/world", scratch);
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int passed = 0, failed = 0, skipped = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (argc > 3 && !strstr(tests[i].name, argv[3]))
            continue;
        memset(report, 0, sizeof *report);
        uint64_t began = now_ns();
        int status = run_with_deadline(&tests[i]);
        double seconds = (double)(now_ns() - began) / 1e9;
        if (status == PASSED)
            printf("ok     %s (%.1f s: %s)\n", tests[i].name, seconds, report->note);
        else if (status == SKIPPED)
            printf("skipped %s, because %s\n", tests[i].name, report->text);
        else
            printf("FAILED %s (%.1f s)\n       %s\n", tests[i].name, seconds, report->text);
        passed += status == PASSED;
        skipped += status == SKIPPED;
        failed += status != PASSED && status != SKIPPED;
        unlink(segment_path);
        unlink(world_path);
    }
    rmdir(scratch);
    if (skipped)
        printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    else
        printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
