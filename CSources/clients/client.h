/* SPDX-License-Identifier: Apache-2.0
 *
 * A small program that uses one vendor's runtime as any program does and knows nothing of HCS. Its arguments are steps,
 * done in order; each prints one line. A client file gives the five functions of its runtime, and the further ways that
 * it has to allocate, and calls client_main.
 */
#ifndef HCS_CLIENT_H
#define HCS_CLIENT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_ALLOCATIONS 4096
#define CLIENT_CHILDREN 1024

/* "alloc-NAME SIZE"; free gives back what was taken last, however it was. */
struct client_kind {
    const char *name;
    int (*allocate)(void **pointer, size_t bytes);
    int (*release)(void *pointer);
};

struct client_runtime {
    const char *name;
    int (*start)(void); /* once per process, before its first use */
    int (*device)(int ordinal);
    int (*allocate)(void **pointer, size_t bytes);
    int (*release)(void *pointer);
    int (*info)(size_t *free_bytes, size_t *total);
    const struct client_kind *kinds; /* ended by one without a name; NULL = none */
};

static struct {
    const struct client_runtime *runtime;
    void *pointers[CLIENT_ALLOCATIONS];
    int (*releases[CLIENT_ALLOCATIONS])(void *pointer);
    int held;
    int code; /* of the last allocation */
    bool started;
    pid_t children[CLIENT_CHILDREN];
    int child_count;
    int leash[2]; /* children live until the parent's end is closed */
} client;

static void client_usage(FILE *to) {
    fputs("usage: STEP...\n"
          "  device N           use visible device N\n"
          "  alloc SIZE         allocate device memory; SIZE is digits and K M G T Ki Mi Gi Ti\n"
          "  alloc-KIND SIZE    the same by another way of this runtime\n"
          "  free               free the last allocation\n"
          "  info               print free and total device memory in bytes\n"
          "  fork-alloc SIZE N  N children allocate SIZE at once and hold it until this process ends\n"
          "  hold SECONDS       do nothing\n"
          "  expect CODE        exit 3 unless the last allocation answered CODE\n"
          "  print TEXT         print TEXT\n",
          to);
}

static bool client_size(const char *text, size_t *ret) {
    static const struct {
        const char *suffix;
        size_t factor;
    } units[] = {{"", 1},           {"K", 1000},       {"M", 1000000},    {"G", 1000000000}, {"T", 1000000000000},
                 {"Ki", 1ul << 10}, {"Mi", 1ul << 20}, {"Gi", 1ul << 30}, {"Ti", 1ul << 40}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long count = strtoul(text, &end, 10);
    for (size_t i = 0; errno == 0 && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].suffix) == 0)
            return !__builtin_mul_overflow(count, units[i].factor, ret);
    }
    return false;
}

static int client_start(void) {
    if (client.started)
        return 0;
    int code = client.runtime->start();
    client.started = code == 0;
    return code;
}

static void client_allocate_by(const struct client_kind *kind, size_t bytes) {
    if (client.held == CLIENT_ALLOCATIONS)
        exit(70);
    client.code = client_start();
    if (client.code == 0)
        client.code = kind->allocate(&client.pointers[client.held], bytes);
    if (client.code == 0)
        client.releases[client.held++] = kind->release;
}

static void client_allocate(size_t bytes) {
    client_allocate_by(&(struct client_kind){"", client.runtime->allocate, client.runtime->release}, bytes);
}

static const struct client_kind *client_kind(const char *step) {
    static const char prefix[] = "alloc-";
    const struct client_kind *kind = client.runtime->kinds;
    if (kind == NULL || strncmp(step, prefix, sizeof prefix - 1) != 0)
        return NULL;
    while (kind->name != NULL && strcmp(kind->name, step + sizeof prefix - 1) != 0)
        kind++;
    return kind->name != NULL ? kind : NULL;
}

static void client_child(size_t bytes, int gate, int results) {
    char byte;
    close(client.leash[1]);
    while (read(gate, &byte, 1) < 0 && errno == EINTR) {
    }
    client_allocate(bytes);
    if (write(results, &client.code, sizeof client.code) != sizeof client.code)
        _exit(1);
    while (read(client.leash[0], &byte, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
}

static void client_fork_allocate(size_t bytes, int count) {
    int gate[2], results[2], granted = 0, refused = 0, code;
    if (pipe(gate) != 0 || pipe(results) != 0 || (client.child_count == 0 && pipe(client.leash) != 0))
        exit(71);
    fflush(stdout);
    for (int i = 0; i < count && client.child_count < CLIENT_CHILDREN; i++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            close(gate[1]);
            close(results[0]);
            client_child(bytes, gate[0], results[1]);
        }
        client.children[client.child_count++] = pid;
    }
    close(gate[0]);
    close(gate[1]); /* all children go at once */
    close(results[1]);
    while (granted + refused < count && read(results[0], &code, sizeof code) == sizeof code) {
        if (code == 0) {
            granted++;
        } else {
            refused++;
            client.code = code;
        }
    }
    close(results[0]);
    printf("fork-alloc %zu %d granted %d\n", bytes, count, granted);
}

static void client_end(void) {
    if (client.child_count == 0)
        return;
    close(client.leash[1]);
    for (int i = 0; i < client.child_count; i++)
        waitpid(client.children[i], NULL, 0);
}

static void client_hold(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Does one step and returns how many arguments it took; 0 = not understood. */
static int client_step(char **step, int left) {
    size_t bytes, total;
    char *end;
    if (strcmp(step[0], "free") == 0) {
        int code = -1;
        if (client.held > 0) {
            client.held--;
            code = client.releases[client.held](client.pointers[client.held]);
        }
        if (code == 0)
            printf("free ok\n");
        else
            printf("free error %d\n", code);
        return 1;
    }
    if (strcmp(step[0], "info") == 0) {
        int code = client_start();
        if (code == 0)
            code = client.runtime->info(&bytes, &total);
        if (code == 0)
            printf("info free %zu total %zu\n", bytes, total);
        else
            printf("info error %d\n", code);
        return 1;
    }
    if (left < 2)
        return 0;
    if (strcmp(step[0], "print") == 0) {
        printf("%s\n", step[1]);
        return 2;
    }
    if (strcmp(step[0], "alloc") == 0 && client_size(step[1], &bytes)) {
        client_allocate(bytes);
        if (client.code == 0)
            printf("alloc %zu ok\n", bytes);
        else
            printf("alloc %zu error %d\n", bytes, client.code);
        return 2;
    }
    const struct client_kind *kind = client_kind(step[0]);
    if (kind != NULL && client_size(step[1], &bytes)) {
        client_allocate_by(kind, bytes);
        if (client.code == 0)
            printf("%s %zu ok\n", step[0], bytes);
        else
            printf("%s %zu error %d\n", step[0], bytes, client.code);
        return 2;
    }
    if (strcmp(step[0], "fork-alloc") == 0 && left >= 3 && client_size(step[1], &bytes)) {
        long count = strtol(step[2], &end, 10);
        if (*end != '\0' || count < 1 || count > CLIENT_CHILDREN)
            return 0;
        client_fork_allocate(bytes, (int)count);
        return 3;
    }
    if (strcmp(step[0], "hold") == 0) {
        double seconds = strtod(step[1], &end);
        if (*end != '\0' || !(seconds >= 0 && seconds <= 1e6))
            return 0;
        printf("hold %s\n", step[1]);
        fflush(stdout);
        client_hold(seconds);
        return 2;
    }
    long number = strtol(step[1], &end, 10);
    if (*end != '\0')
        return 0;
    if (strcmp(step[0], "device") == 0) {
        int code = client_start();
        if (code == 0)
            code = client.runtime->device((int)number);
        if (code == 0)
            printf("device %ld ok\n", number);
        else
            printf("device %ld error %d\n", number, code);
        return 2;
    }
    if (strcmp(step[0], "expect") == 0) {
        if (client.code != number) {
            printf("expect %ld but the last allocation answered %d\n", number, client.code);
            fflush(stdout);
            client_end();
            exit(3);
        }
        printf("expect %ld ok\n", number);
        return 2;
    }
    return 0;
}

static int client_main(const struct client_runtime *runtime, int argc, char **argv) {
    client.runtime = runtime;
    for (int i = 1; i < argc;) {
        int taken = client_step(&argv[i], argc - i);
        fflush(stdout);
        if (taken == 0) {
            fprintf(stderr, "hcs-client-%s: step '%s' is not understood\n", runtime->name, argv[i]);
            client_usage(stderr);
            client_end();
            return 64;
        }
        i += taken;
    }
    client_end();
    return 0;
}

#endif
