/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char directory[] = "/tmp/hcs-bench-XXXXXX";
pid_t running[RUNNING];

void finish(int code) {
    for (size_t i = 0; i < RUNNING; i++)
        if (running[i] > 0)
            kill(-running[i], SIGKILL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        fprintf(stderr, "bench: %s is left over\n", directory);
    exit(code);
}

void die(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    finish(1);
}

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* ---- sockets ---- */

int local_port(int *ret_listener) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        die("no port: %s", strerror(errno));
    if (ret_listener != NULL)
        *ret_listener = listener;
    else
        close(listener); /* free again: taken by whoever is told next */
    return ntohs(address.sin_port);
}

int connect_to(int port, const char *path) {
    int fd;
    if (path == NULL) {
        struct sockaddr_in address = {
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
    } else {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
    }
    close(fd);
    return -1;
}

/* ---- processes ---- */

pid_t start(char *const argv[]) {
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0) {
        setpgid(0, 0);
        char log[64];
        snprintf(log, sizeof log, "%s/log", directory);
        int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(file, 1);
        dup2(file, 2);
        execv(argv[0], argv);
        _exit(127);
    }
    setpgid(pid, pid);
    return pid;
}

void run(char *const argv[]) {
    int status;
    if (waitpid(start(argv), &status, 0) < 0 || status != 0)
        die("%s %s failed; see %s/log", argv[0], argv[1], directory);
}

void stop(pid_t pid) {
    kill(pid, SIGTERM);
    for (int i = 0; i < 1000; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        usleep(10000);
    }
    die("process %d does not end", pid);
}

size_t tree(pid_t root, pid_t found[TREE]) {
    size_t count = 0;
    found[count++] = root;
    for (size_t i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/task", found[i]);
        DIR *tasks = opendir(path);
        for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
            snprintf(path, sizeof path, "/proc/%d/task/%.16s/children", found[i], task->d_name);
            FILE *file = fopen(path, "re");
            for (int child; file != NULL && fscanf(file, "%d", &child) == 1 && count < TREE;)
                found[count++] = child;
            if (file != NULL)
                fclose(file);
        }
        if (tasks != NULL)
            closedir(tasks);
    }
    return count;
}

static double rollup(pid_t pid, const char *field) {
    char path[64], line[256];
    double found = 0;
    size_t size = strlen(field);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, size) == 0 && sscanf(line + size, ": %lf kB", &found) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return found;
}

double kilobytes(pid_t pid) { return rollup(pid, "Pss"); }

double own_kilobytes(pid_t pid) {
    double own = rollup(pid, "Pss_Anon");
    return own > 0 ? own : rollup(pid, "Pss");
}

double cpu(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double cpu_of(pid_t root) {
    pid_t all[TREE];
    double sum = 0;
    for (size_t i = 0, count = tree(root, all); i < count; i++)
        sum += cpu(all[i]);
    return sum;
}

/* ---- the table ---- */

int missed;

void row(const char *what, const char *unit, double value, double target) {
    char limit[32] = "";
    if (target > 0)
        snprintf(limit, sizeof limit, "<= %g", target);
    const char *verdict = target <= 0 ? "" : value <= target ? "pass" : "MISS";
    missed += *verdict == 'M';
    printf("%-58s %10.*f %-6s %-10s %s\n", what, value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3, value, unit, limit,
           verdict);
    fflush(stdout);
}
