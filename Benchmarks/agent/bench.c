/* SPDX-License-Identifier: Apache-2.0
 *
 * What the agent costs: starts hcs-agent on a simulated host of 8 devices of four vendors, plays its scheduler, reads
 * memory and CPU time of the agent and its workers from /proc, then makes one vendor's library hang and asks /metrics
 * and the local API. `bench PROGRAMS LIBRARIES SCENARIO SECONDS [NODE_EXPORTER]`; README.md says what each row means.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { REQUESTS = 500 };

/* ---- the scheduler the agent reports to ---- */

static double first_report; /* when 8 devices were first reported, 0 = not yet */
static uint64_t reports, report_bytes;

static void answer(int client, const char *body) {
    char reply[512];
    int size = snprintf(reply, sizeof reply,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body);
    if (write(client, reply, (size_t)size) != size)
        perror("bench: scheduler");
}

/* Connections are kept alive by the agent; a long poll waits as long as it asks for. */
static void *serve(void *argument) {
    int client = (int)(intptr_t)argument;
    size_t room = 1 << 22, have = 0;
    char *buffer = malloc(room + 1);
    while (buffer != NULL) {
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n");
        if (end == NULL) {
            ssize_t got = have < room ? read(client, buffer + have, room - have) : 0;
            if (got <= 0)
                break;
            have += (size_t)got;
            continue;
        }
        size_t head = (size_t)(end - buffer) + 4, body = 0;
        char *length = strcasestr(buffer, "\r\ncontent-length:");
        if (length != NULL && length < end)
            body = strtoul(length + 17, NULL, 10);
        if (head + body > room)
            break;
        while (have < head + body) {
            ssize_t got = read(client, buffer + have, room - have);
            if (got <= 0)
                goto done;
            have += (size_t)got;
        }
        if (strncmp(buffer, "PUT ", 4) == 0) {
            buffer[head + body - (body > 0)] = 0;
            size_t devices = 0;
            for (char *at = end; (at = strstr(at, "\"fingerprint\"")) != NULL; at++)
                devices++;
            if (devices >= 8 && first_report == 0)
                first_report = now();
            __atomic_add_fetch(&reports, 1, __ATOMIC_RELAXED);
            __atomic_add_fetch(&report_bytes, body, __ATOMIC_RELAXED);
            answer(client, "{\"revision\":1}");
        } else {
            char *wait = strstr(buffer, "wait=");
            if (wait != NULL && wait < end)
                sleep((unsigned)strtoul(wait + 5, NULL, 10));
            answer(client, "{\"node\":\"bench\",\"revision\":1,\"workloads\":[]}");
        }
        memmove(buffer, buffer + head + body, have - head - body);
        have -= head + body;
    }
done:
    free(buffer);
    close(client);
    return NULL;
}

static void *listen_for_agents(void *argument) {
    int listener = (int)(intptr_t)argument;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        pthread_t thread;
        if (client >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)client) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

/* ---- asking ---- */

/* Milliseconds of one GET with its connection, or -1; the answer's bytes are added to `*bytes`. */
static double ask(int port, const char *path, const char *target, uint64_t *bytes) {
    static char answer_text[1 << 22];
    double from = now();
    int fd = connect_to(port, path);
    if (fd < 0)
        return -1;
    char request[256];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n", target);
    size_t have = 0;
    if (write(fd, request, (size_t)size) == size)
        for (ssize_t got; have < sizeof answer_text - 1 &&
                          (got = read(fd, answer_text + have, sizeof answer_text - 1 - have)) > 0;)
            have += (size_t)got;
    close(fd);
    answer_text[have] = 0;
    if (strncmp(answer_text, "HTTP/1.1 200", 12) != 0)
        return -1;
    *bytes += have;
    return (now() - from) * 1000;
}

struct answers {
    double p50, p99, cpu, kilobytes; /* milliseconds, milliseconds, CPU milliseconds of the server each, kB each */
    int failed;
};

static struct answers ask_often(pid_t server, int port, const char *path, const char *target) {
    static double took[REQUESTS];
    struct answers result = {0};
    uint64_t bytes = 0;
    int count = 0;
    for (int i = 0; i < 20; i++)
        ask(port, path, target, &(uint64_t){0});
    double before = cpu(server);
    for (int i = 0; i < REQUESTS; i++) {
        double each = ask(port, path, target, &bytes);
        if (each < 0)
            result.failed++;
        else
            took[count++] = each;
    }
    if (count == 0)
        die("%s does not answer", target);
    result.cpu = (cpu(server) - before) * 1000 / REQUESTS;
    result.kilobytes = (double)bytes / count / 1000;
    qsort(took, (size_t)count, sizeof *took, compare);
    result.p50 = took[count / 2];
    result.p99 = took[count * 99 / 100];
    return result;
}

/* ---- the agent ---- */

static pid_t start_agent(char **programs, const char *interval, int scheduler, int metrics) {
    char agent[512], worker[512], state[64], config[64], run_directory[64], segments[64], url[64], port[16], token[64];
    snprintf(agent, sizeof agent, "%s/hcs-agent", programs[0]);
    snprintf(worker, sizeof worker, "%s/hcs-vendor-worker", programs[0]);
    snprintf(state, sizeof state, "%s/state", directory);
    snprintf(config, sizeof config, "%s/config", directory);
    snprintf(run_directory, sizeof run_directory, "%s/run", directory);
    snprintf(segments, sizeof segments, "%s/segments", directory);
    snprintf(token, sizeof token, "%s/token", directory);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", scheduler);
    snprintf(port, sizeof port, "%d", metrics);
    FILE *file = fopen(token, "we");
    if (file == NULL || fputs("bench\n", file) < 0 || fclose(file) != 0)
        die("%s: %s", token, strerror(errno));
    char *argv[] = {agent, "run", "--scheduler", url, "--token-file", token, "--node-name", "bench", "--state-dir", state,
                    "--config-dir", config, "--runtime-dir", run_directory, "--segment-dir", segments, "--simulate",
                    programs[2], "--simulated-libraries", programs[1], "--worker", worker, "--sample-interval",
                    (char *)interval, "--metrics-port", port, "--log-level", "warning", NULL};
    return running[0] = start(argv);
}

static void wait_for_report(double from) {
    while (first_report == 0) {
        if (now() - from > 60)
            die("no report of 8 devices within a minute");
        if (waitpid(running[0], NULL, WNOHANG) != 0)
            die("the agent ended; see its log");
        usleep(1000);
    }
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: bench PROGRAMS LIBRARIES SCENARIO SECONDS [NODE_EXPORTER]\n");
        return 64;
    }
    char **given = argv + 1;
    double seconds = strtod(argv[4], NULL);
    if (seconds < 1 || mkdtemp(directory) == NULL)
        die("SECONDS must be 1 or more, and /tmp writable");
    signal(SIGPIPE, SIG_IGN);
    int listener, scheduler = local_port(&listener), metrics = local_port(NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, listen_for_agents, (void *)(intptr_t)listener);

    char load[64] = "?";
    FILE *file = fopen("/proc/loadavg", "re");
    if (file != NULL && fgets(load, 16, file) != NULL)
        fclose(file);
    printf("8 simulated devices of four vendors; %ld cores, load %s; %.0f s for memory and CPU\n\n",
           sysconf(_SC_NPROCESSORS_ONLN), load, seconds);

    /* Start to first report: the least of five, since only delays by others are added to it. */
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        first_report = 0;
        double from = now();
        pid_t agent = start_agent(given, "10s", scheduler, metrics);
        wait_for_report(from);
        if (first_report - from < best)
            best = first_report - from;
        stop(agent);
    }
    row("start to the first report of all devices", "ms", best * 1000, 300);

    /* Every ten seconds, as installed. */
    first_report = 0;
    double from = now();
    pid_t agent = start_agent(given, "10s", scheduler, metrics);
    wait_for_report(from);
    sleep(3);
    pid_t all[TREE];
    uint64_t reports_before = reports, bytes_before = report_bytes;
    double cpu_before = cpu_of(agent), wall = now();
    usleep((useconds_t)(seconds * 1e6));
    double slow = (cpu_of(agent) - cpu_before) / (now() - wall);
    double sent = (double)(reports - reports_before), kB = (double)(report_bytes - bytes_before) / 1000;
    size_t count = tree(agent, all);
    double total = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double each = kilobytes(all[i]);
        total += each;
        if (i > 0 && each > largest)
            largest = each;
    }
    row("agent and workers, proportional set size", "MB", total / 1000, 40);
    row("  the largest of the workers", "MB", largest / 1000, 2.5);
    row("agent and workers, of one core, a sample each 10 s", "%", slow * 100, 0.3);
    row("  reports to the scheduler", "1/s", sent / seconds, 0);
    row("  size of a report", "kB", sent > 0 ? kB / sent : 0, 0);
    struct answers calm = ask_often(agent, metrics, NULL, "/metrics");
    row("/metrics, CPU for each answer", "ms", calm.cpu, 0);
    row("/metrics, size of the answer", "kB", calm.kilobytes, 0);
    row("/metrics, p99", "ms", calm.p99, 0);

    /* One vendor's library hangs. */
    char hcs[512], state_file[64], socket_path[64];
    snprintf(hcs, sizeof hcs, "%s/hcs-agent", given[0]);
    snprintf(state_file, sizeof state_file, "%s/run/simulation.state", directory);
    snprintf(socket_path, sizeof socket_path, "%s/run/agent.sock", directory);
    run((char *[]){hcs, "simulate", "library", "ascend", "hangs", "--state", state_file, NULL});
    sleep(12); /* past the next sample and its deadline */
    struct answers hung = ask_often(agent, metrics, NULL, "/metrics");
    row("/metrics while a library hangs, p99", "ms", hung.p99, 10);
    struct answers local = ask_often(agent, 0, socket_path, "/v1/local/status");
    row("local API while a library hangs, p99", "ms", local.p99, 10);
    row("  answers that failed", "", hung.failed + local.failed + calm.failed, 0);
    run((char *[]){hcs, "simulate", "library", "ascend", "none", "--state", state_file, NULL});
    stop(agent);

    /* Ten times a second: what a sample of 8 devices costs is the slope. */
    first_report = 0;
    from = now();
    agent = start_agent(given, "100ms", scheduler, metrics);
    wait_for_report(from);
    sleep(2);
    cpu_before = cpu_of(agent), wall = now();
    usleep((useconds_t)((seconds < 20 ? seconds : 20) * 1e6));
    double fast = (cpu_of(agent) - cpu_before) / (now() - wall);
    row("a sample of 8 devices, CPU", "ms", (fast - slow) / 9.9 * 1000, 5);
    stop(agent);

    if (argc > 5 && *argv[5] != 0) {
        int port = local_port(NULL);
        char listen_on[64];
        snprintf(listen_on, sizeof listen_on, "--web.listen-address=127.0.0.1:%d", port);
        printf("\nprometheus-node-exporter on the same machine\n");
        running[1] = start((char *[]){argv[5], listen_on, NULL});
        for (int i = 0; i < 500 && ask(port, NULL, "/metrics", &(uint64_t){0}) < 0; i++)
            usleep(20000);
        struct answers peer = ask_often(running[1], port, NULL, "/metrics");
        row("/metrics, CPU for each answer", "ms", peer.cpu, 0);
        row("/metrics, p99", "ms", peer.p99, 0);
        row("proportional set size", "MB", kilobytes(running[1]) / 1000, 0);
        stop(running[1]);
    }
    printf("\n%d of the targets missed\n", missed);
    finish(0);
}
