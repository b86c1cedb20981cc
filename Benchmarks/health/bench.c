/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a fault's line in the kernel log takes until the scheduler has decided on it, and what a storm of lines costs
 * the agent: starts hcs-scheduler and hcs-agent on a simulated host of 8 devices, writes lines into /dev/kmsg (or, where
 * that may not be, into the file that stands for it) and follows the scheduler's events.
 * `bench PROGRAMS LIBRARIES SCENARIO INJECTIONS SECONDS SHARE`; README.md says what each row means.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { DEVICES = 8, ANSWER = 1 << 22, CODE_LIMIT = 1000, PATIENCE = 10, LINES_A_MINUTE = 100000, MARGIN_KB = 2048 };

static const char devkmsg[] = "/proc/sys/kernel/printk_devkmsg";

/* Hard faults of NVIDIA's catalogue, each a fault of its own (`duplicates.sameFault` of the health policy). */
static const int hard[] = {46, 54, 62, 64, 79, 95, 109, 119, 120, 136, 143, 151, 155, 156, 158, 167};
enum { CODES = sizeof hard / sizeof *hard };

/* ---- the kernel log ---- */

static int log_fd = -1;
static bool is_kernel_log;

static bool read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    text[got] = 0;
    text[strcspn(text, "\n")] = 0;
    return *text != 0;
}

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return written;
}

/* Puts kernel.printk_devkmsg back when this process ends, however it ends: a child waits for that. */
static bool lift_rate_limit(void) {
    char before[32] = "";
    int pipe_fds[2];
    if (!read_text(devkmsg, before, sizeof before - 1) || pipe2(pipe_fds, O_CLOEXEC) < 0)
        return false;
    pid_t keeper = fork();
    if (keeper < 0)
        return false;
    if (keeper == 0) {
        setsid();
        for (int i = 1; i < NSIG; i++)
            signal(i, SIG_IGN);
        close(pipe_fds[1]);
        char end;
        while (read(pipe_fds[0], &end, 1) < 0 && errno == EINTR) {
        }
        /* The kernel takes the word with its newline only. */
        strcat(before, "\n");
        if (!write_text(devkmsg, before))
            fprintf(stderr, "bench: could not set %s back to %s\n", devkmsg, before);
        _exit(0);
    }
    close(pipe_fds[0]);
    return write_text(devkmsg, "on\n");
}

/* KERN_WARNING: what is more urgent goes to the console too, on a virtual machine a slow serial line. */
static void print(const char *text) {
    char line[512];
    int size = snprintf(line, sizeof line, "%s%s [hcs simulated]\n", is_kernel_log ? "<4>" : "", text);
    if (write(log_fd, line, (size_t)size) != size)
        die("the line was not taken: %s", strerror(errno));
}

static void print_xid(int device, int code, const char *process) {
    char text[256];
    snprintf(text, sizeof text, "NVRM: Xid (PCI:ffff:b%d:00): %d, %s, bench", device, code, process);
    print(text);
}

/* ---- the scheduler ---- */

static int port;
static char token[128];

/* One request on a connection that stays; the body's place in `buffer`. */
static char *request(int fd, char *buffer, const char *method, const char *target, const char *body) {
    char head[1024];
    int size = snprintf(head, sizeof head,
                        "%s %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s", method,
                        target, token, strlen(body), body);
    if (write(fd, head, (size_t)size) != size)
        die("the scheduler takes no request");
    size_t have = 0;
    for (;;) {
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "\r\ncontent-length:");
        if (end != NULL && length == NULL)
            die("%s %s: an answer without its length", method, target);
        if (end != NULL && have >= (size_t)(end + 4 - buffer) + strtoul(length + 17, NULL, 10)) {
            if (strncmp(buffer, "HTTP/1.1 20", 11) != 0)
                die("%s %s: %.300s", method, target, buffer);
            return end + 4;
        }
        ssize_t got = have < ANSWER ? read(fd, buffer + have, ANSWER - have) : 0;
        if (got <= 0)
            die("the scheduler ended");
        have += (size_t)got;
    }
}

/* What its events said, with the time they came. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;
static double latched[DEVICES][CODE_LIMIT]; /* 0 = not since forget() */
static int appeared, applied;

static void take(const char *body, double at) {
    for (const char *item = body; (item = strstr(item, "\"device\":\"GPU-")) != NULL; item++) {
        const char *next = strstr(item + 1, "\"device\":\"GPU-");
        const char *id_end = strchr(item + 10, '"');
        int device = id_end == NULL ? -1 : id_end[-1] - '0';
        const char *kind = strstr(item, "\"kind\":\""), *code = strstr(item, "\"code\":\"nvidia/xid/");
        if (device < 0 || device >= DEVICES || kind == NULL || (next != NULL && kind > next))
            continue;
        kind += 8;
        if (strncmp(kind, "device-appeared", 15) == 0)
            appeared++;
        else if (strncmp(kind, "clearance-applied", 17) == 0)
            applied++;
        else if (strncmp(kind, "fault-latched", 13) == 0 && code != NULL && code < kind) {
            long number = strtol(code + 19, NULL, 10);
            if (number > 0 && number < CODE_LIMIT && latched[device][number] == 0)
                latched[device][number] = at;
        }
    }
}

/* A long poll on the event stream, as `hcs events --follow` does. */
static void *follow(void *argument) {
    char *buffer = argument, target[160];
    int fd = connect_to(port, NULL);
    unsigned long after = 0;
    for (;;) {
        snprintf(target, sizeof target,
                 "/v1/events?after=%lu&limit=500&wait=30&kind=fault-latched,clearance-applied,device-appeared", after);
        char *body = request(fd, buffer, "GET", target, "");
        double at = now();
        char *next = strstr(body, "\"next\":");
        if (next == NULL)
            die("no event page: %.200s", body);
        for (char *more; (more = strstr(next + 1, "\"next\":")) != NULL;)
            next = more;
        after = strtoul(next + 7, NULL, 10);
        pthread_mutex_lock(&lock);
        take(body, at);
        pthread_cond_broadcast(&news);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* With the lock: until *count is `wanted` or more, or *time is set. False: not within the patience. */
static bool wait_for(const int *count, int wanted, const double *time, double seconds) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(seconds > 1 ? seconds : 1);
    while (count != NULL ? *count < wanted : *time == 0)
        if (pthread_cond_timedwait(&news, &lock, &end) == ETIMEDOUT)
            return false;
    return true;
}

/* An operator's word for every device, through the scheduler (`hcs health set-healthy`). */
static void set_healthy(int fd, char *buffer) {
    pthread_mutex_lock(&lock);
    applied = 0;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < DEVICES; i++) {
        char body[160];
        snprintf(body, sizeof body, "{\"device\":\"GPU-be9c4ea1-0000-4000-8000-00000000000%d\",\"reason\":\"bench\",\"by\":\"bench\"}",
                 i);
        request(fd, buffer, "POST", "/v1/clearances", body);
    }
    pthread_mutex_lock(&lock);
    if (!wait_for(&applied, DEVICES, NULL, 60))
        die("the agent does not carry out set-healthy: %d of %d", applied, DEVICES);
    memset(latched, 0, sizeof latched);
    pthread_mutex_unlock(&lock);
}

/* ---- the programs ---- */

static char programs[512], simulated_log[64], state_file[64];

static void start_scheduler(void) {
    char program[600], state[64], path[80], address[128];
    snprintf(program, sizeof program, "%s/hcs-scheduler", programs);
    snprintf(state, sizeof state, "%s/scheduler", directory);
    running[0] = start((char *[]){program, "--listen", "127.0.0.1:0", "--state-dir", state, "--log-level", "warning", NULL});
    double from = now();
    for (;;) {
        snprintf(path, sizeof path, "%s/address", state);
        char *colon = read_text(path, address, sizeof address) ? strrchr(address, ':') : NULL;
        snprintf(path, sizeof path, "%s/admin.token", state);
        if (colon != NULL && read_text(path, token, sizeof token)) {
            port = atoi(colon + 1);
            return;
        }
        if (now() - from > 60 || waitpid(running[0], NULL, WNOHANG) != 0)
            die("the scheduler does not start");
        usleep(10000);
    }
}

/* `more` is one more flag, or NULL. */
static pid_t start_agent(char *scenario, char *libraries, int metrics, char *more) {
    char agent[600], worker[600], state[64], config[64], run_directory[64], segments[64], url[64], metrics_port[16], node_token[80];
    snprintf(agent, sizeof agent, "%s/hcs-agent", programs);
    snprintf(worker, sizeof worker, "%s/hcs-vendor-worker", programs);
    snprintf(state, sizeof state, "%s/state", directory);
    snprintf(config, sizeof config, "%s/config", directory);
    snprintf(run_directory, sizeof run_directory, "%s/run", directory);
    snprintf(segments, sizeof segments, "%s/segments", directory);
    snprintf(node_token, sizeof node_token, "%s/scheduler/node.token", directory);
    snprintf(simulated_log, sizeof simulated_log, "%s/kernel.log", directory);
    snprintf(state_file, sizeof state_file, "%s/run/simulation.state", directory);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    snprintf(metrics_port, sizeof metrics_port, "%d", metrics);
    char *argv[] = {agent, "run", "--scheduler", url, "--token-file", node_token, "--node-name", "bench", "--state-dir", state,
                    "--config-dir", config, "--runtime-dir", run_directory, "--segment-dir", segments, "--simulate",
                    scenario, "--simulated-libraries", libraries, "--simulated-kernel-log", simulated_log,
                    "--trust-user-kmsg", "--worker", worker, "--metrics-port", metrics_port, "--log-level", "warning", more, NULL};
    running[1] = start(argv);
    pthread_mutex_lock(&lock);
    if (!wait_for(&appeared, DEVICES, NULL, 60))
        die("the agent does not report its devices");
    pthread_mutex_unlock(&lock);
    return running[1];
}

static void open_simulated_log(const char *why) {
    is_kernel_log = false;
    log_fd = open(simulated_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        die("%s: %s", simulated_log, strerror(errno));
    printf("simulated kernel log (a file): %s\n", why);
}

/* The kernel's own log, unless that may not be. The agent's own command says whether it may: it writes Xid 106, a test
 * message that counts as no fault, only where no vendor's driver is loaded and no real device has the address. */
static void open_log(void) {
    char agent[600];
    int status;
    snprintf(agent, sizeof agent, "%s/hcs-agent", programs);
    if (geteuid() != 0)
        return open_simulated_log("only root may write into /dev/kmsg");
    pid_t pid = start((char *[]){agent, "simulate", "xid", "nvidia:0", "106", "--kmsg", "--state", state_file, NULL});
    if (waitpid(pid, &status, 0) < 0 || status != 0)
        return open_simulated_log("`hcs simulate xid --kmsg` refuses: a vendor's driver is loaded, or no /dev/kmsg");
    log_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    if (log_fd < 0 || !lift_rate_limit()) {
        if (log_fd >= 0)
            close(log_fd);
        return open_simulated_log("kernel.printk_devkmsg cannot be set to on");
    }
    is_kernel_log = true;
    /* The first line also tells whether the agent hears the log. */
    print_xid(0, hard[0], "pid='<unknown>', name=<unknown>");
    pthread_mutex_lock(&lock);
    bool heard = wait_for(NULL, 0, &latched[0][hard[0]], PATIENCE);
    pthread_mutex_unlock(&lock);
    if (!heard) {
        close(log_fd);
        return open_simulated_log("the agent cannot read /dev/kmsg here");
    }
    printf("real kernel log (/dev/kmsg), kernel.printk_devkmsg=on for the run\n");
}

/* A series of the agent's, as it stands in /metrics; -1 where it is not there. */
static double series(int metrics, const char *name) {
    static char text[ANSWER];
    size_t have = 0;
    int fd = connect_to(metrics, NULL);
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    if (fd < 0)
        return -1;
    if (write(fd, get, sizeof get - 1) < 0)
        die("the agent's /metrics does not answer");
    for (ssize_t got; have < sizeof text - 1 && (got = read(fd, text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)got;
    close(fd);
    text[have] = 0;
    char *found = strstr(text, name);
    return found == NULL ? -1 : strtod(found + strlen(name), NULL);
}

/* A counter of the probe that reads the log. */
static double metric(int metrics, const char *name) {
    char text[160];
    snprintf(text, sizeof text, "\n%s{probe=\"%s\"} ", name, is_kernel_log ? "kernel-log" : "simulated-kernel-log");
    double value = series(metrics, text);
    if (value < 0)
        die("/metrics has no %s", text + 1);
    return value;
}

/* ---- what is measured ---- */

static int lost;

static void latency(int fd, char *buffer, int injections) {
    double *took = calloc((size_t)injections, sizeof *took);
    int count = 0;
    unsigned seed = 42;
    for (int i = 0; i < injections; i++) {
        int device = i % DEVICES, code = hard[i / DEVICES % CODES];
        if (device == 0)
            set_healthy(fd, buffer);
        usleep(10000 + (useconds_t)rand_r(&seed) % 50000); /* at any moment of the agent's and the kernel's periods */
        double from = now();
        print_xid(device, code, "pid='<unknown>', name=<unknown>");
        pthread_mutex_lock(&lock);
        if (wait_for(NULL, 0, &latched[device][code], PATIENCE))
            took[count++] = (latched[device][code] - from) * 1000;
        pthread_mutex_unlock(&lock);
    }
    qsort(took, (size_t)count, sizeof *took, compare);
    lost += injections - count;
    if (count > 0) {
        row("from the line to the scheduler's event, p50", "ms", took[count / 2], 0);
        row("from the line to the scheduler's event, p99", "ms", took[count * 99 / 100], 100);
        row("  the longest", "ms", took[count - 1], 0);
    }
    row("  faults written", "", injections, 0);
    row("  not decided on within 10 s", "", injections - count, 0);
    free(took);
}

/* What other drivers write, and what a program's fault makes NVIDIA's write again and again. */
static void print_noise(unsigned long number, unsigned share, unsigned *seed) {
    char text[160];
    if ((unsigned)rand_r(seed) % 100 < share) {
        snprintf(text, sizeof text, "pid=%lu, name=python", 1000 + number % 3);
        print_xid((int)(number % DEVICES), number % 2 == 0 ? 13 : 31, text);
    } else {
        snprintf(text, sizeof text, "usb 1-1: new high-speed USB device number %lu using xhci_hcd", number);
        print(text);
    }
}

static void storm(pid_t agent, int metrics, double seconds, unsigned share) {
    unsigned seed = 7;
    unsigned long lines = (unsigned long)(LINES_A_MINUTE / 60.0 * seconds), written = 0;
    const int faults = DEVICES * CODES;
    int told = 0;
    sleep(3); /* what the faults before it left to do is done */
    double quiet = cpu(agent), wall = now();
    sleep(10); /* the agent by itself, to compare with */
    quiet = (cpu(agent) - quiet) / (now() - wall);
    double dropped = metric(metrics, "hcs_probe_dropped_events_total"), seen = metric(metrics, "hcs_probe_events_total");
    double memory = kilobytes(agent), own = own_kilobytes(agent), used = cpu(agent);
    wall = now();
    while (written < lines) {
        double due = (now() - wall) / seconds;
        for (; written < lines && (double)written / (double)lines < due; written++) {
            if (told < faults && written >= lines / (unsigned)(faults + 1) * (unsigned)(told + 1)) {
                print_xid(told % DEVICES, hard[told / DEVICES], "pid='<unknown>', name=<unknown>");
                told++;
            } else
                print_noise(written, share, &seed);
        }
        usleep(5000); /* the bursts' distance */
    }
    double took = now() - wall;
    usleep(500000); /* what waits is read */
    used = cpu(agent) - used;
    double after = kilobytes(agent), own_after = own_kilobytes(agent);
    int decided = 0;
    pthread_mutex_lock(&lock);
    for (double end = now() + PATIENCE; decided < faults; decided++)
        if (!wait_for(NULL, 0, &latched[decided % DEVICES][hard[decided / DEVICES]], end - now()))
            break;
    decided = 0;
    for (int i = 0; i < faults; i++)
        decided += latched[i % DEVICES][hard[i / DEVICES]] != 0;
    pthread_mutex_unlock(&lock);
    lost += faults - decided;
    row("storm: lines a minute", "1/min", (double)lines * 60 / took, 0);
    row("  agent, of one core", "%", used / took * 100, 5);
    row("  agent before the storm, of one core", "%", quiet * 100, 0);
    row("  agent, proportional set size before", "MB", memory / 1000, 0);
    row("  what it grew by, code that came back included", "MB", after > memory ? (after - memory) / 1000 : 0, 0);
    row("  its own data before", "MB", own / 1000, 0);
    row("  what they grew by", "MB", own_after > own ? (own_after - own) / 1000 : 0, MARGIN_KB / 1000.0);
    row("  lines that the agent read (other programs' too)", "", metric(metrics, "hcs_probe_events_total") - seen, 0);
    row("  lines lost (hcs_probe_dropped_events_total)", "", metric(metrics, "hcs_probe_dropped_events_total") - dropped, 0);
    row("  hard faults among the lines", "", faults, 0);
    row("  hard faults that the scheduler was not told of", "", faults - decided, 0);
}

/* Nanoseconds of CPU time of the shortest system call there is; the least of many rounds. */
static double system_call(void) {
    enum { ROUNDS = 50, CALLS = 20000 };
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (int j = 0; j < CALLS; j++)
            syscall(SYS_getppid);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double each = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / CALLS;
        if (each < best)
            best = each;
    }
    return best;
}

/* What the opt-in probe of system calls on devices costs every other system call. */
static void tax(char *scenario, char *libraries, int metrics) {
    double without = system_call();
    stop(running[1]);
    start_agent(scenario, libraries, metrics, "--time-device-calls");
    double from = now(), attached = -1;
    while (attached != 1 && now() - from < 30) {
        usleep(100000);
        attached = series(metrics, "\nhcs_probe_state{probe=\"device-calls\",state=\"attached\"} ");
    }
    if (attached != 1) {
        printf("--time-device-calls: the eBPF program is not attached here, so nothing to measure\n");
        return;
    }
    double with = system_call();
    row("getppid()", "ns", without, 0);
    row("  while hcs-agent runs with --time-device-calls", "ns", with, 0);
    row("  ratio", "", with / without, 0);
}

static void interrupted(int number) {
    for (size_t i = 0; i < RUNNING; i++)
        if (running[i] > 0)
            kill(-running[i], SIGKILL);
    _exit(128 + number);
}

int main(int argc, char **argv) {
    int injections = argc < 7 ? 0 : atoi(argv[4]);
    double seconds = argc < 7 ? 0 : strtod(argv[5], NULL);
    int share = argc < 7 ? -1 : atoi(argv[6]);
    if (injections < 1 || injections > 100000 || seconds < 1 || seconds > 3600 || share < 0 || share > 100) {
        fprintf(stderr, "usage: bench PROGRAMS LIBRARIES SCENARIO INJECTIONS SECONDS SHARE\n"
                        "INJECTIONS 1 to 100000, SECONDS of the storm 1 to 3600, SHARE of faults in it 0 to 100 percent\n");
        return 64;
    }
    snprintf(programs, sizeof programs, "%s", argv[1]);
    if (mkdtemp(directory) == NULL)
        die("/tmp cannot be written");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, interrupted);
    signal(SIGTERM, interrupted);
    signal(SIGHUP, interrupted);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&news, &monotonic);

    char load[16] = "?";
    read_text("/proc/loadavg", load, 5);
    printf("%d simulated devices; %ld cores, load %s; ", DEVICES, sysconf(_SC_NPROCESSORS_ONLN), load);
    fflush(stdout);
    char *buffers[2] = {malloc(ANSWER + 1), malloc(ANSWER + 1)};
    pthread_t thread;
    start_scheduler();
    if (buffers[0] == NULL || buffers[1] == NULL || pthread_create(&thread, NULL, follow, buffers[0]) != 0)
        die("no memory");
    int metrics = local_port(NULL), fd = connect_to(port, NULL);
    pid_t agent = start_agent(argv[3], argv[2], metrics, NULL);
    open_log();
    printf("\n");
    latency(fd, buffers[1], injections);
    set_healthy(fd, buffers[1]);
    storm(agent, metrics, seconds, (unsigned)share);
    tax(argv[3], argv[2], metrics);
    printf("\n%d of the targets missed%s\n", missed, lost > 0 ? "; PROMISE BROKEN: faults were lost" : "");
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    stop(running[1]);
    running[1] = 0;
    stop(running[0]);
    running[0] = 0;
    finish(lost > 0);
}
