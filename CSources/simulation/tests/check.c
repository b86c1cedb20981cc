/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every case: `check DIRECTORY-OF-LIBRARIES [NAME]`. Ends with "N passed, N failed".
 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct hcs_sim_host *host;
const char *check_state_path;
static const char *libraries;
static int gate[2] = {-1, -1};

void check_fail(const char *file, int line, const char *what) {
    const char *slash = strrchr(file, '/');
    fprintf(stderr, "    %s:%d: %s\n", slash != NULL ? slash + 1 : file, line, what);
    _exit(1);
}

void check_equal(const char *file, int line, const char *what, uint64_t value, uint64_t expected) {
    char text[400];
    if (value == expected)
        return;
    snprintf(text, sizeof text, "%s is %lld, not %lld", what, (long long)value, (long long)expected);
    check_fail(file, line, text);
}

struct hcs_sim_usage check_usage(pid_t pid, uint32_t position) {
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        if (host->processes[i].pid == (uint32_t)pid)
            return host->processes[i].usage[position];
    }
    return (struct hcs_sim_usage){0};
}

void check_truth(const char *file, int line, uint32_t position, uint64_t requested, uint64_t charged, uint64_t count) {
    struct hcs_sim_usage usage = check_usage(getpid(), position);
    check_equal(file, line, "requested", usage.requested, requested);
    check_equal(file, line, "charged", usage.charged, charged);
    check_equal(file, line, "count", usage.count, count);
}

static void *open_library(const char *library) {
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (handle == NULL)
        check_fail(__FILE__, __LINE__, dlerror());
    return handle;
}

void *check_symbol(const char *library, const char *name) {
    void *symbol = dlsym(open_library(library), name);
    if (symbol == NULL)
        check_fail(__FILE__, __LINE__, dlerror());
    return symbol;
}

bool check_has_symbol(const char *library, const char *name) {
    return dlsym(open_library(library), name) != NULL;
}

void check_version(const char *library, const char *name, const char *version) {
    if (dlvsym(open_library(library), name, version) == NULL)
        check_fail(__FILE__, __LINE__, dlerror());
}

/* Children that live on */

pid_t check_child(void (*run)(void *), void *argument) {
    int ready[2];
    char byte;
    if (pipe(ready) != 0)
        check_fail(__FILE__, __LINE__, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        gate[0] = ready[0];
        gate[1] = ready[1];
        run(argument);
        check_ready();
        pause();
        _exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        check_fail(__FILE__, __LINE__, "the child failed");
    close(ready[0]);
    return pid;
}

void check_ready(void) {
    if (gate[1] >= 0 && write(gate[1], "", 1) != 1)
        _exit(1);
    close(gate[1]);
    gate[1] = -1;
}

void check_end(pid_t pid, int signal) {
    kill(pid, signal);
    waitpid(pid, NULL, 0);
}

/* Cases */

static void prepare(const struct check_case *c) {
    char path[4096];
    host = hcs_sim_make(check_state_path);
    if (host == NULL)
        check_fail(__FILE__, __LINE__, strerror(errno));
    hcs_sim_make_device(host, HCS_VENDOR_NVIDIA, 8 * GIB, 2 * MIB);
    hcs_sim_make_device(host, HCS_VENDOR_NVIDIA, 8 * GIB, 2 * MIB);
    hcs_sim_make_device(host, HCS_VENDOR_ASCEND, 8 * GIB, 2 * MIB);
    hcs_sim_make_device(host, HCS_VENDOR_HYGON, 8 * GIB, 2 * MIB);
    hcs_sim_make_device(host, HCS_VENDOR_CAMBRICON, 8 * GIB, 2 * MIB);
    if (c->directory != NULL)
        snprintf(path, sizeof path, "%s/%s:%s", libraries, c->directory, libraries);
    else
        snprintf(path, sizeof path, "%s", libraries);
    setenv("LD_LIBRARY_PATH", path, 1);
    setenv("HCS_SIM_STATE", check_state_path, 1);
}

/* The dynamic linker reads LD_LIBRARY_PATH once, so a case is a process of its own, started anew. */
static int run_alone(const char *program, const char *name) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        alarm(60);
        execl(program, program, "--case", libraries, name, (char *)NULL);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    kill(-pid, SIGKILL); /* what a failed case left waiting */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const struct check_case *const lists[] = {check_cuda, check_cudart,    check_ascend,
                                                 check_hip,  check_cambricon, check_host};

static const struct check_case *find(const char *name) {
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const struct check_case *c = lists[i]; c->name != NULL; c++) {
            if (strcmp(c->name, name) == 0)
                return c;
        }
    }
    return NULL;
}

static int run_case(char **argv) {
    const struct check_case *c = find(argv[3]);
    check_state_path = getenv("CHECK_STATE");
    libraries = argv[2];
    if (c == NULL || check_state_path == NULL)
        return 64;
    if (getenv("CHECK_PREPARED") == NULL) {
        prepare(c);
        setenv("CHECK_PREPARED", "1", 1);
        execv("/proc/self/exe", argv);
        return 127;
    }
    host = hcs_sim_open(check_state_path);
    if (host == NULL)
        return 66;
    c->run();
    return 0;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    char state[64];
    if (argc == 4 && strcmp(argv[1], "--case") == 0)
        return run_case(argv);
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY-OF-LIBRARIES [NAME]\n", argv[0]);
        return 64;
    }
    snprintf(state, sizeof state, "/dev/shm/hcs-sim-check-%d", getpid());
    setenv("CHECK_STATE", state, 1);
    libraries = argv[1];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const struct check_case *c = lists[i]; c->name != NULL; c++) {
            if (argc > 2 && strstr(c->name, argv[2]) == NULL)
                continue;
            int status = run_alone("/proc/self/exe", c->name);
            printf("%s  %s\n", status == 0 ? "ok  " : status == 77 ? "skip" : "FAIL", c->name);
            fflush(stdout);
            passed += status == 0;
            failed += status != 0 && status != 77;
        }
    }
    unlink(state);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
