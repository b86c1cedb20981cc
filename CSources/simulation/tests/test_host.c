/* SPDX-License-Identifier: Apache-2.0
 *
 * What is common to the drivers: MIG and MPS, fork, exec, death, closed descriptors, pid namespaces, threads.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define CUDA "libcuda.so.1"
#define NVML "libnvidia-ml.so.1"
#define CU(name, ...) F(CUDA, int, name, __VA_ARGS__)
#define NV(name, ...) F(NVML, int, name, __VA_ARGS__)

static void start(int device) {
    void *context;
    CHECK_EQUAL(CU(cuInit, unsigned)(0), 0);
    CHECK_EQUAL(CU(cuDevicePrimaryCtxRetain, void **, int)(&context, device), 0);
    CHECK_EQUAL(CU(cuCtxSetCurrent, void *)(context), 0);
}

static uint64_t allocate(size_t bytes) {
    uint64_t pointer;
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, bytes), 0);
    return pointer;
}

static uint64_t used(int device) {
    void *handle;
    uint64_t memory[3];
    CHECK_EQUAL(NV(nvmlInit_v2, void)(), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByIndex_v2, unsigned, void **)((unsigned)device, &handle), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetMemoryInfo, void *, void *)(handle, memory), 0);
    return memory[2];
}

struct process {
    uint32_t pid;
    uint64_t bytes;
    uint32_t gpu_instance, compute_instance;
};

static unsigned processes(const char *name, void *handle, struct process *out) {
    unsigned count = 16;
    CHECK_EQUAL(((int (*)(void *, unsigned *, void *))check_symbol(NVML, name))(handle, &count, out), 0);
    return count;
}

static void mig(void) {
    static const uint8_t first[16] = {0xb2, 1, 2, 3, [15] = 1}, second[16] = {0xb2, 1, 2, 3, [15] = 2};
    struct hcs_sim_mig *one = hcs_sim_add_mig(host, NVIDIA0, first, 2 * GIB, 2);
    struct hcs_sim_mig *two = hcs_sim_add_mig(host, NVIDIA0, second, 1 * GIB, 1);
    uint8_t uuid[16];
    char name[96];
    int count;
    size_t left, total;
    uint64_t pointer;
    setenv("CUDA_VISIBLE_DEVICES", "MIG-b2010203-0000-0000-0000-000000000002,1", 1);
    start(0);
    CHECK_EQUAL(CU(cuDeviceGetCount, int *)(&count), 0);
    CHECK_EQUAL(count, 1); /* one instance and nothing beside it */
    CHECK_EQUAL(CU(cuDeviceGetUuid_v2, void *, int)(uuid, 0), 0);
    CHECK(memcmp(uuid, second, 16) == 0);
    CHECK_EQUAL(CU(cuDeviceGetUuid, void *, int)(uuid, 0), 0);
    CHECK(memcmp(uuid, host->devices[0].uuid, 16) == 0);
    CHECK_EQUAL(CU(cuDeviceGetName, char *, int, int)(name, sizeof name, 0), 0);
    CHECK(strstr(name, " MIG 1g.1gb") != NULL);
    CHECK_EQUAL(CU(cuDeviceTotalMem_v2, size_t *, int)(&total, 0), 0);
    CHECK_EQUAL(total, GIB);
    pointer = allocate(600 * MIB);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 600 * MIB), 2); /* the slice is full, the card is not */
    CHECK_TRUTH(two->position, 600 * MIB, 600 * MIB, 1);
    CHECK_TRUTH(NVIDIA0, 600 * MIB, 600 * MIB, 1);
    CHECK_TRUTH(one->position, 0, 0, 0);
    CHECK_EQUAL(CU(cuMemGetInfo_v2, size_t *, size_t *)(&left, &total), 0);
    CHECK_EQUAL(left, GIB - 600 * MIB);

    void *card, *instance, *found;
    unsigned mode, pending, most, handle_is;
    struct process list[16];
    uint64_t memory[3], attributes[5];
    CHECK_EQUAL(NV(nvmlInit_v2, void)(), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByIndex_v2, unsigned, void **)(0, &card), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetMigMode, void *, unsigned *, unsigned *)(card, &mode, &pending), 0);
    CHECK_EQUAL(mode, 1);
    CHECK_EQUAL(NV(nvmlDeviceGetMaxMigDeviceCount, void *, unsigned *)(card, &most), 0);
    CHECK_EQUAL(most, 7);
    CHECK_EQUAL(NV(nvmlDeviceGetMigDeviceHandleByIndex, void *, unsigned, void **)(card, 1, &instance), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetMigDeviceHandleByIndex, void *, unsigned, void **)(card, 2, &found), 6);
    CHECK_EQUAL(NV(nvmlDeviceIsMigDeviceHandle, void *, unsigned *)(instance, &handle_is), 0);
    CHECK_EQUAL(handle_is, 1);
    CHECK_EQUAL(NV(nvmlDeviceGetUUID, void *, char *, unsigned)(instance, name, sizeof name), 0);
    CHECK(strcmp(name, "MIG-b2010203-0000-0000-0000-000000000002") == 0);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByUUID, const char *, void **)(name, &found), 0);
    CHECK(found == instance);
    CHECK_EQUAL(NV(nvmlDeviceGetMemoryInfo, void *, void *)(instance, memory), 0);
    CHECK_EQUAL(memory[0], GIB);
    CHECK_EQUAL(memory[2], 600 * MIB);
    CHECK_EQUAL(used(0), 600 * MIB);
    CHECK_EQUAL(NV(nvmlDeviceGetAttributes_v2, void *, void *)(instance, attributes), 0);
    CHECK_EQUAL(attributes[4], 1024);
    CHECK_EQUAL(processes("nvmlDeviceGetComputeRunningProcesses_v3", card, list), 1);
    CHECK_EQUAL(list[0].pid, getpid());
    CHECK_EQUAL(list[0].bytes, 600 * MIB);
    CHECK_EQUAL(list[0].gpu_instance, 2);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByIndex_v2, unsigned, void **)(1, &card), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetMigMode, void *, unsigned *, unsigned *)(card, &mode, &pending), 3);
}

static void mig_by_card(void) {
    static const uint8_t first[16] = {0xb2};
    size_t total;
    hcs_sim_add_mig(host, NVIDIA0, first, 2 * GIB, 2);
    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    start(0);
    CHECK_EQUAL(CU(cuDeviceTotalMem_v2, size_t *, int)(&total, 0), 0);
    CHECK_EQUAL(total, 2 * GIB); /* a card with MIG on stands for its first instance */
}

static void mps(void) {
    void *card;
    struct process list[16];
    setenv("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps", 1);
    start(0);
    allocate(MIB);
    CHECK_EQUAL(NV(nvmlInit_v2, void)(), 0);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByIndex_v2, unsigned, void **)(0, &card), 0);
    CHECK_EQUAL(processes("nvmlDeviceGetMPSComputeRunningProcesses_v3", card, list), 1);
    CHECK_EQUAL(list[0].pid, getpid());
    CHECK_EQUAL(processes("nvmlDeviceGetComputeRunningProcesses_v3", card, list), 1);
    CHECK_EQUAL(processes("nvmlDeviceGetGraphicsRunningProcesses_v3", card, list), 0);
}

static void hold(void *bytes) {
    start(0);
    allocate((size_t)(uintptr_t)bytes);
}

static void death(void) {
    pid_t child = check_child(hold, (void *)(uintptr_t)GIB);
    CHECK_EQUAL(used(0), GIB);
    check_end(child, SIGKILL);
    CHECK_EQUAL(used(0), 0);
    start(0);
    child = check_child(hold, (void *)(uintptr_t)(5 * GIB)); /* a child holds nothing of its parent's */
    uint64_t pointer;
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 5 * GIB), 2);
    check_end(child, SIGKILL);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 5 * GIB), 0); /* the dead make room */
    CHECK_TRUTH(NVIDIA0, 5 * GIB, 5 * GIB, 1);
}

static void hold_and_exec(void *bytes) {
    hold(bytes);
    check_ready();
    execl("/bin/sleep", "sleep", "60", (char *)NULL);
    _exit(1);
}

static void after_exec(void) {
    pid_t child = check_child(hold_and_exec, (void *)(uintptr_t)GIB);
    uint64_t left = GIB;
    for (int i = 0; i < 500 && left != 0; i++) {
        left = used(0);
        usleep(10000);
    }
    check_end(child, SIGKILL);
    CHECK_EQUAL(left, 0); /* exec() ends the address space, and the driver takes its memory back */
}

static void close_all(void *bytes) {
    hold(bytes);
    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n > 0 && strncmp(target, check_state_path, strlen(check_state_path)) == 0)
            close(fd);
    }
    uint64_t pointer = allocate(GIB); /* opens the file again */
    CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(pointer), 0);
}

/* Who locks the row of a process; 0 = nobody. */
static pid_t lock_owner(pid_t pid) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        if (host->processes[i].pid == (uint32_t)pid)
            lock.l_start = (char *)&host->processes[i] - (char *)host;
    }
    int fd = open(check_state_path, O_RDWR | O_CLOEXEC);
    CHECK(lock.l_start != 0 && fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0);
    close(fd);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static void closed(void) {
    pid_t child = check_child(close_all, (void *)(uintptr_t)GIB);
    CHECK_EQUAL(lock_owner(child), child); /* the lock went with the descriptor, and came back */
    CHECK_EQUAL(used(0), GIB);
    check_end(child, SIGKILL);
    CHECK_EQUAL(used(0), 0);
}

/* In a pid namespace of its own, where it is number 1. */
static void in_namespace(void *bytes) {
    int status;
    if (unshare(CLONE_NEWPID) != 0)
        _exit(1);
    pid_t inner = fork();
    if (inner == 0) {
        hold(bytes);
        check_ready();
        pause();
        _exit(0);
    }
    signal(SIGTERM, SIG_DFL);
    waitpid(inner, &status, 0);
    _exit(0);
}

static pid_t enter_namespace(uint64_t bytes) {
    pid_t probe = fork();
    int status;
    if (probe == 0)
        _exit(unshare(CLONE_NEWPID) == 0 ? 0 : 1);
    waitpid(probe, &status, 0);
    if (status != 0) {
        fprintf(stderr, "    skipped, because a pid namespace cannot be made here\n");
        _exit(77);
    }
    return check_child(in_namespace, (void *)(uintptr_t)bytes);
}

/* The number that the process in the namespace has here. */
static pid_t inner_of(pid_t outer) {
    char children[64], path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", outer, outer);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fgets(children, sizeof children, file) != NULL);
    fclose(file);
    return (pid_t)strtol(children, NULL, 10);
}

static void kill_inner(pid_t outer) {
    CHECK_EQUAL(kill(inner_of(outer), SIGKILL), 0);
    waitpid(outer, NULL, 0);
}

static void namespaces(void) {
    void *card;
    struct process list[16];
    pid_t outer = enter_namespace(GIB);
    CHECK_EQUAL(check_usage(1, NVIDIA0).requested, GIB); /* it calls itself 1 */
    CHECK_EQUAL(used(0), GIB);                           /* and is not taken for dead */
    start(0);
    allocate(MIB);
    CHECK_EQUAL(check_usage(1, NVIDIA0).requested, GIB);
    CHECK_EQUAL(NV(nvmlDeviceGetHandleByIndex_v2, unsigned, void **)(0, &card), 0);
    CHECK_EQUAL(processes("nvmlDeviceGetComputeRunningProcesses_v3", card, list), 2);
    CHECK_EQUAL(list[0].pid, inner_of(outer)); /* by the number it has here */
    uint64_t pointer;
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 7 * GIB), 2);
    kill_inner(outer);
    CHECK_EQUAL(used(0), 2 * MIB);
    CHECK_EQUAL(CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 7 * GIB), 0);
}

static void two_namespaces(void) {
    pid_t one = enter_namespace(GIB), other = enter_namespace(2 * GIB);
    CHECK_EQUAL(used(0), 3 * GIB); /* both are number 1: two rows */
    kill_inner(one);
    CHECK_EQUAL(used(0), 2 * GIB);
    kill_inner(other);
    CHECK_EQUAL(used(0), 0);
}

#define THREADS 4
static void *churn(void *ignored) {
    start(0);
    for (int i = 0; i < 500; i++) {
        uint64_t pointer = 0;
        if (CU(cuMemAlloc_v2, uint64_t *, size_t)(&pointer, 100 * MIB) == 0)
            CHECK_EQUAL(CU(cuMemFree_v2, uint64_t)(pointer), 0);
    }
    return ignored;
}

static void storm(void *ignored) {
    pthread_t threads[THREADS];
    (void)ignored;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void threads(void) {
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            storm(NULL);
            CHECK_TRUTH(NVIDIA0, 0, 0, 0);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;
        waitpid(children[i], &status, 0);
        CHECK_EQUAL(status, 0);
    }
    CHECK_EQUAL(used(0), 0);
}

const struct check_case check_host[] = {
    {"mig: an instance has its own memory, and its card counts it", mig, NULL},
    {"mig: a card with MIG on stands for its first instance", mig_by_card, NULL},
    {"mps: a client's memory is its own, and it is in the list of clients", mps, NULL},
    {"host: the memory of the dead comes back", death, NULL},
    {"host: exec gives memory back", after_exec, NULL},
    {"host: a process that closed its descriptors keeps its memory", closed, NULL},
    {"host: a process of another pid namespace is alive until its lock is free", namespaces, NULL},
    {"host: two processes of one number in two namespaces are two", two_namespaces, NULL},
    {"host: threads and processes leave nothing behind", threads, NULL},
    {NULL, NULL, NULL},
};
