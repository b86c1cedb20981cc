/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the worker in every setting and prints one table: `table DIRECTORY [PEER]`. The Makefile has put the worker, the
 * fake driver, the marks and the preload library into DIRECTORY. README.md says what each row means.
 *
 * A missed target is printed, not an exit status: the figures belong to a machine, and a test may not depend on one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hcs_segment.h"

enum setting { NONE, DEVICE, TOTAL, PEER, SETTINGS };
#define LIMIT (UINT64_C(1) << 40)
#define MOST_TRIES 12 /* where several lanes did not get their cores */
#define TRIES 3      /* processes for one figure; each repeats 5 times */
#define STARTS 40    /* processes for one attach figure */
#define TOGETHER 64

static char directory[1024], peer[1024], scratch[1100];
static double none = -1; /* a cell without a figure */

/* --- processes --------------------------------------------------------------------------------------------------------------- */

static void path_of(char *out, size_t capacity, const char *name) { snprintf(out, capacity, "%s/%s", scratch, name); }

static void make_segment(const char *name, uint64_t total) {
    char path[1300];
    path_of(path, sizeof path, name);
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct hcs_segment *s = fd < 0 || ftruncate(fd, sizeof *s) < 0
                                ? MAP_FAILED
                                : mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    s->version_major = HCS_SEGMENT_VERSION_MAJOR;
    s->version_minor = HCS_SEGMENT_VERSION_MINOR;
    s->total_size = sizeof *s;
    s->device_capacity = HCS_SEGMENT_DEVICES;
    s->slot_capacity = HCS_SEGMENT_SLOTS;
    s->device_size = sizeof(struct hcs_segment_device);
    s->slot_size = sizeof(struct hcs_segment_slot);
    s->origin = HCS_ORIGIN_AGENT;
    s->total_limit = total;
    struct hcs_segment_device *d = &s->devices[0];
    d->vendor = HCS_VENDOR_NVIDIA;
    d->physical = LIMIT;
    strcpy(d->uuid, "GPU-ab000000-0000-0000-0000-000000000000");
    d->limit = LIMIT;
    d->state = HCS_DEVICE_READY;
    hcs_store_u64(&s->magic, HCS_SEGMENT_MAGIC);
    munmap(s, sizeof *s);
    close(fd);
}

static void fresh_segments(void) {
    char path[1300];
    make_segment("device", HCS_UNLIMITED);
    make_segment("total", LIMIT);
    path_of(path, sizeof path, "peer.cache");
    unlink(path);
}

/* An environment of strings in one buffer; standalone: HCS_VRAM_QUOTA instead of a segment. */
struct environment {
    char text[8][2600];
    char *list[9];
};
static char **environment(struct environment *e, enum setting setting, const char *job, int marks) {
    static const char *const segment[] = {[DEVICE] = "device", [TOTAL] = "total"};
    int n = 0;
    char library[1100] = "";
    if (setting == PEER)
        snprintf(library, sizeof library, "%s", peer);
    else if (setting != NONE)
        snprintf(library, sizeof library, "%s/libhcs_interceptor.so", directory);
    snprintf(e->text[n++], 2600, "LD_LIBRARY_PATH=%s", directory);
    if (marks)
        snprintf(e->text[n++], 2600, "LD_PRELOAD=%s/libafter.so:%s:%s/libbefore.so", directory, library, directory);
    else
        snprintf(e->text[n++], 2600, "LD_PRELOAD=%s", library);
    if (job) {
        snprintf(e->text[n++], 2600, "HCS_JOB=%s", job);
        snprintf(e->text[n++], 2600, "HCS_VRAM_QUOTA=%s", setting == TOTAL ? "1T,total=1T" : "1T");
    } else if (setting == DEVICE || setting == TOTAL) {
        snprintf(e->text[n++], 2600, "HCS_SEGMENT=%s/%s", scratch, segment[setting]);
    } else if (setting == PEER) { /* HAMi-core's; another library ignores them. An HCS build takes the segment. */
        snprintf(e->text[n++], 2600, "CUDA_DEVICE_MEMORY_LIMIT=64g");
        snprintf(e->text[n++], 2600, "CUDA_DEVICE_MEMORY_SHARED_CACHE=%s/peer.cache", scratch);
        snprintf(e->text[n++], 2600, "LIBCUDA_LOG_LEVEL=0");
        snprintf(e->text[n++], 2600, "HCS_SEGMENT=%s/device", scratch);
    }
    for (int i = 0; i < n; i++)
        e->list[i] = e->text[i];
    e->list[n] = NULL;
    return e->list;
}

static void become_worker(char **list, const char *words) {
    char copy[4096], program[1100], *argv[8] = {"worker"};
    int n = 1;
    snprintf(copy, sizeof copy, "%s", words);
    snprintf(program, sizeof program, "%s/worker", directory);
    for (char *w = strtok(copy, " "); w && n < 7; w = strtok(NULL, " "))
        argv[n++] = w;
    execve(program, argv, list);
    _exit(126);
}

static int finish(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the worker prints; empty when it failed. */
static void run(enum setting setting, char *ret_text, size_t capacity, const char *words) {
    struct environment e;
    char **list = environment(&e, setting, NULL, 0);
    int ends[2];
    size_t length = 0;
    ssize_t n;
    ret_text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        alarm(120);
        become_worker(list, words);
    }
    close(ends[1]);
    while ((n = read(ends[0], ret_text + length, capacity - 1 - length)) > 0)
        length += (size_t)n;
    ret_text[length] = '\0';
    close(ends[0]);
    if (finish(child) != 0)
        ret_text[0] = '\0';
}

static double value_of(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return strtod(line + length, NULL);
    return none;
}

static int lower(double a, double b) { return a >= 0 && (b < 0 || a < b); }

/* The best of several processes, by the first name; the second is of the same process. */
static double best(enum setting setting, const char *name, const char *second, double *ret_second, const char *format, ...) {
    char words[256], text[4096];
    double least = none;
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    if (setting == PEER && !peer[0])
        return none;
    for (int i = 0, counted = 0; i < MOST_TRIES && counted < TRIES; i++) {
        run(setting, text, sizeof text, words);
        double value = value_of(text, name);
        counted += value >= 0;
        if (lower(value, least)) {
            least = value;
            if (second)
                *ret_second = value_of(text, second);
        }
    }
    return least;
}

/* --- the table ------------------------------------------------------------------------------------------------------------------- */

static int passes, misses;

static void print_cell(double value) {
    if (value < 0)
        printf(" %10s", "-");
    else if (value < 10 && value != (double)(long)value)
        printf(" %10.2f", value);
    else if (value < 1000)
        printf(" %10.1f", value);
    else
        printf(" %10.0f", value);
}

static void print_head(void) {
    printf("%-52s %10s %10s %10s", "", "none", "device", "total=");
    if (peer[0])
        printf(" %10s", "peer");
    printf("  %-26s %s\n", "target", "");
}

/* Verdicts: for `device` and, where its target is not negative, for `total`. */
static void row(const double cells[SETTINGS], const char *target, double device, double total, const char *format, ...) {
    char label[128];
    va_list list;
    va_start(list, format);
    vsnprintf(label, sizeof label, format, list);
    va_end(list);
    printf("%-52s", label);
    for (int s = 0; s < SETTINGS; s++)
        if (s != PEER || peer[0])
            print_cell(cells[s]);
    printf("  %-26s ", target);
    const double limits[SETTINGS] = {[NONE] = none, [DEVICE] = device, [TOTAL] = total, [PEER] = none};
    const char *separator = "";
    for (int s = DEVICE; s <= TOTAL; s++)
        if (limits[s] >= 0 && cells[s] >= 0) {
            int pass = cells[s] <= limits[s];
            printf("%s%s", separator, pass ? "pass" : "MISS");
            separator = "/";
            passes += pass;
            misses += !pass;
        }
    printf("\n");
    fflush(stdout);
}

static const char *words(const char *format, ...) {
    static char pool[8][64];
    static int next;
    char *text = pool[next++ % 8];
    va_list list;
    va_start(list, format);
    vsnprintf(text, 64, format, list);
    va_end(list);
    return text;
}

#define EACH_SETTING(s) (enum setting s = NONE; s < SETTINGS; s++)

/* --- speed --------------------------------------------------------------------------------------------------------------------------- */

static void speed_of_one(double one[SETTINGS]) {
    for EACH_SETTING(s)
        one[s] = best(s, "ns", NULL, NULL, "threads 1 0");
    row(one, "<= 40, total= <= 55", 40, 55, "CPU ns per pair, 1 thread");
}

static void speed_in_parallel(const double one[SETTINGS]) {
    static const char *const modes[] = {"threads", "processes"};
    for (int m = 0; m < 2; m++) {
        double cells[SETTINGS], parallel[SETTINGS] = {none, none, none, none}, limits[SETTINGS];
        double swap[SETTINGS] = {none, none, none, none};
        swap[NONE] = best(NONE, "ns", NULL, NULL, "bare-%s 4", modes[m]);
        row(swap, "", none, none, "  a contended compare-and-swap pair, 4 %s", modes[m]);
        for EACH_SETTING(s) {
            cells[s] = best(s, "ns", "parallel", &parallel[s], "%s 4 0", modes[m]);
            double more = one[s] + 5 * swap[NONE];
            limits[s] = swap[NONE] < 0 ? none : 1.5 * one[s] > more ? 1.5 * one[s] : more;
        }
        row(cells, swap[NONE] < 0 ? "not known" : words("<= %.0f, total= <= %.0f", limits[DEVICE], limits[TOTAL]),
            limits[DEVICE], limits[TOTAL], "CPU ns per pair, 4 %s", modes[m]);
        row(parallel, "", none, none, "  cores in use meanwhile; - = never got them");
    }
}

static void speed_with_live(const double one[SETTINGS]) {
    static const uint32_t counts[] = {100, 1000, 10000, 100000};
    for (int i = 0; i < 4; i++) {
        double cells[SETTINGS], device = none, total = none;
        const char *target = "";
        for EACH_SETTING(s)
            cells[s] = best(s, "ns", NULL, NULL, "threads 1 %u", counts[i]);
        if (counts[i] == 10000) {
            device = 2 * one[DEVICE], total = 2 * one[TOTAL];
            target = words("<= %.0f, total= <= %.0f (2 x)", device, total);
        } else if (counts[i] == 100000) {
            device = total = 150;
            target = "<= 150";
        }
        row(cells, target, device, total, "CPU ns per pair, %u live allocations", counts[i]);
    }
}

static int start_idle(enum setting setting, int count, pid_t *ret_children) {
    struct environment e;
    char **list = environment(&e, setting, NULL, 0), byte;
    int ends[2], ready = 0;
    if (pipe(ends) < 0)
        return 0;
    for (int i = 0; i < count; i++) {
        ret_children[i] = fork();
        if (ret_children[i] == 0) {
            close(ends[0]);
            become_worker(list, words("idle %d", ends[1]));
        }
    }
    close(ends[1]);
    while (ready < count && read(ends[0], &byte, 1) == 1)
        ready++;
    close(ends[0]);
    return ready == count;
}

static void speed_beside_idle(void) {
    static const int counts[] = {0, 16, 64, 256};
    double first[SETTINGS] = {none, none, none, none};
    for (int i = 0; i < 4; i++) {
        double cells[SETTINGS];
        for EACH_SETTING(s) {
            pid_t children[256];
            cells[s] = none;
            if (s == PEER && !peer[0])
                continue;
            fresh_segments();
            if (start_idle(s, counts[i], children))
                cells[s] = best(s, "ns", NULL, NULL, "threads 1 0");
            for (int c = 0; c < counts[i]; c++) {
                kill(children[c], SIGKILL);
                finish(children[c]);
            }
        }
        if (i == 0)
            memcpy(first, cells, sizeof first);
        int last = i == 3;
        row(cells, last ? words("<= %.1f, %.1f (+10 %%)", 1.1 * first[DEVICE], 1.1 * first[TOTAL]) : "",
            last ? 1.1 * first[DEVICE] : none, last ? 1.1 * first[TOTAL] : none, "CPU ns per pair beside %d idle processes",
            counts[i]);
    }
    fresh_segments();
}

static void percentiles(void) {
    double half[SETTINGS], most[SETTINGS];
    for EACH_SETTING(s)
        most[s] = best(s, "p99", "p50", &half[s], "percentiles");
    for EACH_SETTING(s)
        half[s] = most[s] < 0 ? none : half[s];
    row(half, "", none, none, "p50 of a pair and two clock reads, wall ns");
    row(most, "<= 300", 300, 300, "p99 of a pair and two clock reads, wall ns");
}

/* --- attaching ------------------------------------------------------------------------------------------------------------------------- */

struct record {
    uint64_t constructor, first;
};

static int by_sum(const void *a, const void *b) {
    const struct record *x = a, *y = b;
    uint64_t p = x->constructor + x->first, q = y->constructor + y->first;
    return (p > q) - (p < q);
}

/* Starts `count` workers, all at once or one after another, and sorts what they report. Returns how many did. */
static int attach(enum setting setting, const char *job, const char *mode, const char *argument, int count, int at_once,
                  struct record *ret_records) {
    struct environment e;
    char **list = environment(&e, setting, job, 1), byte;
    int reports[2], gate[2], got = 0;
    pid_t children[TOGETHER];
    if (pipe(reports) < 0 || pipe(gate) < 0)
        return 0;
    for (int i = 0; i < count; i++) {
        pid_t child = children[i] = fork();
        if (child == 0) {
            close(gate[1]);
            close(reports[0]);
            if (at_once)
                (void)!read(gate[0], &byte, 1); /* returns when the gate's other end closes */
            become_worker(list, words("%s %d %s", mode, reports[1], argument));
        }
        if (!at_once)
            finish(child);
    }
    close(gate[1]);
    close(reports[1]);
    while (got < count && read(reports[0], &ret_records[got], sizeof *ret_records) == sizeof *ret_records)
        got++;
    for (int i = 0; at_once && i < count; i++)
        finish(children[i]);
    close(gate[0]);
    close(reports[0]);
    qsort(ret_records, (size_t)got, sizeof *ret_records, by_sum);
    return got;
}

static double microseconds(const struct record *r) { return (double)(r->constructor + r->first) / 1000; }

/* Pages that a row of processes finds: the segment is used before the first of them comes. */
static double one_attach(enum setting setting, const char *job, const char *mode, const char *argument) {
    struct record records[TOGETHER];
    if (setting == PEER && !peer[0])
        return none;
    int got = attach(setting, job, mode, argument, STARTS, 0, records);
    return got == STARTS ? microseconds(&records[STARTS / 2]) : none;
}

static void minus(double cells[SETTINGS], double idle) {
    for EACH_SETTING(s)
        if (s != NONE && cells[s] >= 0)
            cells[s] = cells[s] > idle ? cells[s] - idle : 0;
}

static void attach_rows(const double cells[SETTINGS], const double bare[SETTINGS], const char *label) {
    double limit = 2.5 * bare[NONE] < 400 ? 2.5 * bare[NONE] : 400;
    row(cells, words("<= 400, <= %.0f (2.5 x bare)", 2.5 * bare[NONE]), limit, limit, "%s", label);
    row(bare, "", none, none, "  the bare system calls and faults of that, us");
}

static void attaching(void) {
    char path[1300], job[64];
    double cells[SETTINGS], bare[SETTINGS] = {none, none, none, none}, standalone[SETTINGS] = {none, none, none, none};
    path_of(path, sizeof path, "device");
    bare[NONE] = one_attach(NONE, NULL, "bare-attach", path);
    for EACH_SETTING(s)
        cells[s] = one_attach(s, NULL, "attach", "");
    double idle = cells[NONE];
    minus(cells, idle);
    attach_rows(cells, bare, "attach to an agent's segment, median CPU us");

    snprintf(job, sizeof job, "bench%d", getpid());
    snprintf(path, sizeof path, "/dev/shm/hcs-bench-bare-%d", getpid());
    bare[NONE] = one_attach(NONE, NULL, "bare-standalone", path);
    standalone[NONE] = idle;
    for (int s = DEVICE; s <= TOTAL; s++)
        standalone[s] = one_attach((enum setting)s, job, "attach", "");
    minus(standalone, idle);
    attach_rows(standalone, bare, "attach, making the segment, median CPU us");
}

static void attaching_together(void) {
    double half[SETTINGS], most[SETTINGS], worst[SETTINGS], alone[SETTINGS] = {none, none, none, none};
    char job[64];
    snprintf(job, sizeof job, "bench%d", getpid());
    for EACH_SETTING(s) {
        struct record records[TOGETHER];
        half[s] = most[s] = worst[s] = none;
        if (s == PEER && !peer[0])
            continue;
        for (int i = 0; i < TRIES; i++) {
            fresh_segments();
            if (attach(s, NULL, "attach", "", TOGETHER, 1, records) == TOGETHER &&
                lower(microseconds(&records[TOGETHER * 99 / 100]), most[s])) {
                half[s] = microseconds(&records[TOGETHER / 2]);
                most[s] = microseconds(&records[TOGETHER * 99 / 100]);
            }
            if ((s == DEVICE || s == TOTAL) && attach(s, job, "attach", "", TOGETHER, 1, records) == TOGETHER &&
                lower(microseconds(&records[TOGETHER * 99 / 100]), alone[s]))
                alone[s] = microseconds(&records[TOGETHER * 99 / 100]);
        }
    }
    row(half, "", none, none, "64 processes attach at once, p50 CPU us each");
    row(most, "<= 1000", 1000, 1000, "64 processes attach at once, p99 CPU us each");
    row(alone, "<= 1000", 1000, 1000, "the same without an agent, p99 CPU us each");
}

/* --- memory, system calls -------------------------------------------------------------------------------------------------------------- */

static void memory(void) {
    static const char *const names[] = {"bytes_10000", "bytes_100000", "bytes_1000000", "bytes_worst"};
    static const char *const labels[] = {"at 10k", "at 100k", "at 1M", "at worst from 10k to 1M"};
    double cells[4][SETTINGS];
    for EACH_SETTING(s) {
        char text[4096] = "";
        if (s != PEER || peer[0])
            run(s, text, sizeof text, "memory");
        for (int i = 0; i < 4; i++)
            cells[i][s] = value_of(text, names[i]);
    }
    for (int i = 0; i < 4; i++)
        row(cells[i], "<= 40", 40, 40, "bytes per live allocation, %s", labels[i]);
}

static long call_number(pid_t child) {
#if defined(__x86_64__)
    struct user_regs_struct registers;
    return ptrace(PTRACE_GETREGS, child, NULL, &registers) < 0 ? -1 : (long)registers.orig_rax;
#else
    return ptrace(PTRACE_PEEKUSER, child, 0, NULL);
#endif
}

/* System calls between the worker's two getppid, by ptrace; none where that is not permitted. */
static double calls_per_pair(enum setting setting, int pairs) {
    struct environment e;
    char **list = environment(&e, setting, NULL, 0);
    int status, marks = 0, entering = 0;
    long calls = 0;
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(126);
        become_worker(list, words("calls %d", pairs));
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        int is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        entering = is_call ? !entering : 0;
        if (is_call && entering) {
            if (call_number(child) == SYS_getppid)
                marks++;
            else
                calls += marks == 1;
        }
        if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) < 0)
            break;
    }
    return marks == 2 ? (double)calls / pairs : none;
}

static void system_calls(void) {
    double cells[SETTINGS];
    for EACH_SETTING(s)
        cells[s] = s == PEER && !peer[0] ? none : calls_per_pair(s, 1000);
    row(cells, "0", 0, 0, "system calls per pair");
}

/* ------------------------------------------------------------------------------------------------------------------------------------------ */

static void print_machine(void) {
    struct utsname name;
    char line[256], model[128] = "?", load[64] = "?";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %127[^\n]", model) == 1)
            break;
    if (f)
        fclose(f);
    f = fopen("/proc/loadavg", "r");
    if (f && fscanf(f, "%63s", load) != 1)
        strcpy(load, "?");
    if (f)
        fclose(f);
    uname(&name);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 100000; i++)
        (void)syscall(SYS_getpid);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double call = (double)((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec) / 100000;
    printf("%s, %ld cores, Linux %s, getpid() %.0f ns, load %s; best of %d processes x 5 repetitions\n", model,
           sysconf(_SC_NPROCESSORS_ONLN), name.release, call, load, TRIES);
    if (peer[0])
        printf("peer: %s\n", peer);
    printf("\n");
}

static void remove_scratch(void) {
    static const char *const names[] = {"device", "total", "peer.cache"};
    char path[1300];
    for (int i = 0; i < 3; i++) {
        path_of(path, sizeof path, names[i]);
        unlink(path);
    }
    rmdir(scratch);
}

int main(int argc, char **argv) {
    if (argc < 2 || !realpath(argv[1], directory))
        return 2;
    if (argc > 2 && argv[2][0] && !realpath(argv[2], peer)) {
        fprintf(stderr, "table: cannot find the peer library %s\n", argv[2]);
        return 2;
    }
    /* In memory, as the agent's are. */
    snprintf(scratch, sizeof scratch, "/dev/shm/hcs-bench-XXXXXX");
    if (!mkdtemp(scratch))
        return 2;
    double one[SETTINGS];
    print_machine();
    fresh_segments();
    print_head();
    speed_of_one(one);
    speed_in_parallel(one);
    speed_with_live(one);
    speed_beside_idle();
    percentiles();
    attaching();
    attaching_together();
    memory();
    system_calls();
    printf("\n%d targets met, %d missed\n", passes, misses);
    remove_scratch();
    return 0;
}
