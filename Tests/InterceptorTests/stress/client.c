/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs that run under the preload library: `client SCENARIO [ARGUMENT...]`, exit status 0 = as expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cuda_abi.h"
#include "world.h"

void stress_set_device(int device);

static struct world *world;
static struct worker *self;
static int argument_count;
static char **arguments;

static long number(int i) { return i < argument_count ? strtol(arguments[i], NULL, 10) : 0; }

static void note_failure(int line) {
    uint32_t none = 0;
    if (self)
        __atomic_compare_exchange_n(&self->failed, &none, (uint32_t)line, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "client %d: line %d: %s does not hold\n", (int)getpid(), __LINE__, #condition);            \
            note_failure(__LINE__);                                                                                    \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int run_threads(int count, void *(*body)(void *)) {
    pthread_t threads[64];
    int bad = 0;
    for (int i = 1; i < count; i++)
        EXPECT(pthread_create(&threads[i], NULL, body, (void *)(intptr_t)i) == 0);
    bad |= body((void *)0) != NULL;
    for (int i = 1; i < count; i++) {
        void *result;
        pthread_join(threads[i], &result);
        bad |= result != NULL;
    }
    return bad;
}

/* --- race: rounds in step with every other thread and the harness ------------------------------------------------------- */

#define HELD 64
static int race_threads;

/* What a round's threads ask for: harness.c, "rounds", knows what must come out. */
static uint64_t round_size(uint32_t kind, unsigned *state) {
    switch (kind) {
    case 0: /* of all requests one fits */
    case 4: /* the same, but it is freed at once: all the time somebody passes the check */
        return world->limit[0] * 6 / 10 / KIB * KIB;
    case 1: /* exactly 256 fit */
        return world->limit[0] / 256;
    default:
        return (1 + (uint64_t)rand_r(state) % (world->limit[0] / KIB / 64)) * KIB;
    }
}

static void *race_body(void *argument) {
    int thread = (int)(intptr_t)argument;
    unsigned state = (unsigned)(number(2) * 64 + thread + 1);
    uint64_t held[HELD];
    for (long round = number(1); round > 0; round--) {
        int count = 0, denials = 0;
        pthread_barrier_wait(&world->barrier);
        uint32_t kind = world->round_kind;
        for (int i = 0; i < HELD && count < HELD && denials < (kind == 4 ? 4 : 2); i++) {
            stress_set_device(world->limit_total ? (int)(rand_r(&state) % DEVICES) : 0);
            int status = cuMemAlloc_v2(&held[count], round_size(kind, &state));
            count += status == 0;
            denials += status != 0;
            if (status == 0 && (kind == 4 || (kind == 3 && rand_r(&state) % 2)) && cuMemFree_v2(held[--count]) != 0)
                return (void *)1;
        }
        __atomic_add_fetch(&world->kind_denied, (uint32_t)denials, __ATOMIC_RELAXED);
        pthread_barrier_wait(&world->barrier);
        pthread_barrier_wait(&world->barrier);
        while (count > 0)
            if (cuMemFree_v2(held[--count]) != 0)
                return (void *)1;
        pthread_barrier_wait(&world->barrier);
    }
    return NULL;
}

/* race THREADS ROUNDS ID */
static int race(void) {
    race_threads = (int)number(0);
    return run_threads(race_threads, race_body);
}

/* --- churn: allocates and frees until told to stop, dies at any instant ---------------------------------------------------- */

/* Every step is timed: a call that hangs shows here even if it ends. */
static uint64_t step(uint64_t last, int moved) {
    uint64_t now = now_ns(), longest = __atomic_load_n(&self->longest_ns, __ATOMIC_RELAXED);
    if (moved)
        __atomic_add_fetch(&self->operations, 1, __ATOMIC_RELAXED);
    while (now - last > longest &&
           !__atomic_compare_exchange_n(&self->longest_ns, &longest, now - last, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    return now;
}

static void hold_still(void) {
    __atomic_add_fetch(&self->quiet, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&world->pause, __ATOMIC_ACQUIRE) && !__atomic_load_n(&world->stop, __ATOMIC_ACQUIRE))
        usleep(200);
    __atomic_sub_fetch(&self->quiet, 1, __ATOMIC_ACQ_REL);
}

static void *churn_body(void *argument) {
    unsigned state = (unsigned)(getpid() * 64 + (int)(intptr_t)argument);
    uint64_t held[16] = {0}, last = now_ns();
    while (!__atomic_load_n(&world->stop, __ATOMIC_ACQUIRE)) {
        if (__atomic_load_n(&world->pause, __ATOMIC_ACQUIRE)) {
            hold_still();
            last = now_ns();
            continue;
        }
        unsigned k = (unsigned)rand_r(&state) % 16;
        stress_set_device((int)(rand_r(&state) % DEVICES));
        if (!held[k]) {
            if (cuMemAlloc_v2(&held[k], (1 + (uint64_t)rand_r(&state) % 64) * KIB) != 0)
                held[k] = 0;
        } else if (!world->keep_full || rand_r(&state) % 2) {
            if (cuMemFree_v2(held[k]) != 0)
                return (void *)1;
            held[k] = 0;
        }
        last = step(last, 1);
    }
    for (int k = 0; k < 16; k++)
        if (held[k] && cuMemFree_v2(held[k]) != 0)
            return (void *)1;
    return NULL;
}

/* churn THREADS WORKER */
static int churn(void) { return run_threads((int)number(0), churn_body); }

/* blink WORKER: a block of always the same size comes and goes, with gaps about as long as a look at the ledger takes. Every
 * number is seen twice: whoever compares two looks and takes equal for untouched is wrong here. */
static int blink(void) {
    unsigned state = (unsigned)getpid();
    uint64_t held, p, last = now_ns();
    EXPECT(cuMemAlloc_v2(&held, 64 * KIB) == 0);
    while (!__atomic_load_n(&world->stop, __ATOMIC_ACQUIRE)) {
        if (__atomic_load_n(&world->pause, __ATOMIC_ACQUIRE)) {
            hold_still();
            last = now_ns();
        }
        EXPECT(cuMemAlloc_v2(&p, 64 * KIB) == 0 && cuMemFree_v2(p) == 0);
        for (unsigned until = (unsigned)rand_r(&state) % 3000, i = 0; i < until; i++)
            __asm__ volatile("");
        last = step(last, 1);
    }
    EXPECT(cuMemFree_v2(held) == 0);
    return 0;
}

/* demand WORKER: asks for more than there is, all the time: it looks for the dead and settles the ledger. */
static int demand(void) {
    uint64_t p, last = now_ns();
    while (!__atomic_load_n(&world->stop, __ATOMIC_ACQUIRE)) {
        if (__atomic_load_n(&world->pause, __ATOMIC_ACQUIRE)) {
            hold_still();
            last = now_ns();
        }
        EXPECT(cuMemAlloc_v2(&p, 1024 * MIB) != 0);
        last = step(last, 1);
    }
    return 0;
}

/* --- small ones ---------------------------------------------------------------------------------------------------------- */

/* ask KIB: 0 when granted on device 0 (and freed again), 3 when denied. */
static int ask(void) {
    uint64_t p;
    int status = cuMemAlloc_v2(&p, (uint64_t)number(0) * KIB);
    if (status != 0)
        return status == HCS_CU_OUT_OF_MEMORY ? 3 : 1;
    EXPECT(cuMemFree_v2(p) == 0);
    return 0;
}

/* pair: attaches, stops, allocates and frees once, stops; the harness steps through what lies between. */
static int pair(void) {
    uint64_t p, q;
    EXPECT(cuMemAlloc_v2(&q, 3 * KIB) == 0 && cuMemAlloc_v2(&p, KIB) == 0 && cuMemFree_v2(p) == 0);
    raise(SIGSTOP);
    EXPECT(cuMemAlloc_v2(&p, 5 * KIB) == 0);
    EXPECT(cuMemFree_v2(p) == 0);
    raise(SIGSTOP);
    return 0;
}

/* --- storm: every way to become another process ----------------------------------------------------------------------------- */

static char own_path[4096];

static int take_and_give(unsigned *state) {
    uint64_t p[4];
    int count = 1 + (int)(rand_r(state) % 4);
    for (int i = 0; i < count; i++)
        EXPECT(cuMemAlloc_v2(&p[i], (1 + (uint64_t)rand_r(state) % 8) * KIB) == 0);
    for (int i = 0; i < count; i++)
        EXPECT(cuMemFree_v2(p[i]) == 0);
    return 0;
}

/* The end of a child: with or without what it holds, in every manner of dying. */
static void end_somehow(unsigned *state, int bad) {
    uint64_t p;
    if (bad)
        _exit(1);
    if (rand_r(state) % 2 && cuMemAlloc_v2(&p, 7 * KIB) != 0)
        _exit(1);
    /* Another user may not open the segment's file: what it executes is denied, rightly. */
    switch (rand_r(state) % (geteuid() == 65534 ? 3 : 4)) {
    case 0:
        exit(0);
    case 1:
        _exit(0);
    case 2:
        kill(getpid(), SIGKILL);
        break;
    default:
        execl(own_path, own_path, "leaf", arguments[0], NULL);
    }
    _exit(1);
}

static int finish(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int in_child(unsigned *state, uint64_t of_parent, int depth);

static int fork_child(unsigned *state, uint64_t of_parent, int depth) {
    pid_t child = fork();
    if (child == 0)
        end_somehow(state, in_child(state, of_parent, depth + 1));
    EXPECT(child > 0 && finish(child) == 0);
    return 0;
}

static int clone_child(unsigned *state, uint64_t of_parent) {
    long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) {
        uint64_t p;
        (void)of_parent;
        if (cuMemAlloc_v2(&p, 9 * KIB) != 0 || (rand_r(state) % 2 && cuMemFree_v2(p) != 0))
            syscall(SYS_exit_group, 1);
        syscall(SYS_exit_group, 0);
    }
    EXPECT(child > 0 && finish((pid_t)child) == 0);
    return 0;
}

static int vfork_child(void) {
    pid_t child = vfork();
    if (child == 0) {
        execl(own_path, own_path, "leaf", arguments[0], NULL);
        _exit(1);
    }
    EXPECT(child > 0 && finish(child) == 0);
    child = vfork();
    if (child == 0)
        _exit(0);
    EXPECT(child > 0 && finish(child) == 0);
    return 0;
}

static int daemon_child(unsigned *state) {
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        if (chdir("/") != 0)
            note_failure(__LINE__);
        uint64_t p;
        if (cuMemAlloc_v2(&p, 11 * KIB) != 0)
            note_failure(__LINE__);
        usleep(rand_r(state) % 20000);
        if (rand_r(state) % 2 && cuMemFree_v2(p) != 0)
            note_failure(__LINE__);
        _exit(0);
    }
    EXPECT(child > 0 && finish(child) == 0);
    return 0;
}

/* Another user from here on: the segment's file is not theirs to open, what is open stays. */
static int other_user_child(unsigned *state) {
    if (geteuid() != 0)
        return fork_child(state, 0, 2);
    pid_t child = fork();
    if (child == 0) {
        uint64_t p;
        int early = rand_r(state) % 2; /* attached before the change, or after */
        int bad = early && cuMemAlloc_v2(&p, 2 * KIB) != 0;
        bad |= setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0;
        bad |= take_and_give(state);
        if (early)
            bad |= cuMemFree_v2(p) != 0;
        if (!bad && rand_r(state) % 2)
            bad = fork_child(state, 0, 2);
        if (!bad && rand_r(state) % 2)
            kill(getpid(), SIGKILL);
        _exit(bad);
    }
    EXPECT(child > 0 && finish(child) == 0);
    return 0;
}

static int in_child(unsigned *state, uint64_t of_parent, int depth) {
    EXPECT(take_and_give(state) == 0);
    if (of_parent && rand_r(state) % 2)
        EXPECT(cuMemFree_v2(of_parent) != 0); /* the driver's own answer */
    return depth < 3 && rand_r(state) % 2 ? fork_child(state, of_parent, depth) : 0;
}

static int storm_step(unsigned *state, uint64_t held) {
    switch (rand_r(state) % 6) {
    case 0:
    case 1:
        return fork_child(state, held, 0);
    case 2:
        return vfork_child();
    case 3:
        return clone_child(state, held);
    case 4:
        return daemon_child(state);
    default:
        return other_user_child(state);
    }
}

static void *storm_noise(void *unused) {
    unsigned state = (unsigned)getpid();
    while (!__atomic_load_n(&world->stop, __ATOMIC_ACQUIRE) && self->operations < (uint64_t)number(1))
        if (take_and_give(&state) != 0)
            return (void *)1;
    return unused;
}

/* storm WORKER STEPS: one thread becomes others, two allocate all the while. */
static int storm(void) {
    unsigned state = (unsigned)(number(0) + 1) * 7919;
    pthread_t noise[2];
    uint64_t held, last = now_ns();
    EXPECT(cuMemAlloc_v2(&held, 13 * KIB) == 0);
    for (int i = 0; i < 2; i++)
        EXPECT(pthread_create(&noise[i], NULL, storm_noise, NULL) == 0);
    for (long i = 0; i < number(1); i++) {
        EXPECT(storm_step(&state, held) == 0);
        last = step(last, 1);
    }
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(noise[i], &result);
        EXPECT(result == NULL);
    }
    raise(SIGSTOP); /* the harness looks: of all that happened only `held` is left */
    EXPECT(cuMemFree_v2(held) == 0);
    return 0;
}

static int leaf(void) {
    unsigned state = (unsigned)getpid();
    return take_and_give(&state);
}

/* -------------------------------------------------------------------------------------------------------------------------- */

static const struct scenario {
    const char *name;
    int (*run)(void);
    int worker; /* index of the argument that says which worker this is; -1 = none */
} scenarios[] = {
    {"race", race, 2}, {"churn", churn, 1}, {"blink", blink, 0}, {"demand", demand, 0},
    {"ask", ask, -1}, {"pair", pair, -1}, {"storm", storm, 0}, {"leaf", leaf, 0},
};

int main(int argc, char **argv) {
    int fd = open(getenv("STRESS_WORLD"), O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (argc < 2 || map == MAP_FAILED)
        return 2;
    /* The descriptor stays open: closing it would drop this process's locks on the file, the driver's among them. */
    world = map;
    argument_count = argc - 2;
    arguments = argv + 2;
    ssize_t n = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    own_path[n > 0 ? n : 0] = '\0';
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            if (scenarios[i].worker >= 0)
                self = &world->workers[number(scenarios[i].worker) % WORKERS];
            return scenarios[i].run();
        }
    return 2;
}
