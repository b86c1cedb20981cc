/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs every case of the preload library and prints one line for each: `runner DIRECTORY SYMBOLS [PART OF A NAME]`, where the Makefile has put the
 * library, the fake drivers and the clients. Each case starts clients with an environment of its own; the runner itself is
 * never preloaded.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hcs_segment.h"
#include "truth.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define SKIPPED 77 /* of a case or a client: cannot be run here (not root, no such compiler) */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            snprintf(failure, sizeof failure, "line %d: %s does not hold", __LINE__, #condition);                      \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

static char directory[1024], scratch[1100], segment_path[1200], truth_path[1200], error_path[1200], output_path[1200];
static char symbols_directory[1024];
static char job[64];
static char failure[4096];
static struct truth *truth;
static struct hcs_segment *segment;

/* --- a case's world --------------------------------------------------------------------------------------------------- */

static void *map_file(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *map = fd < 0 || ftruncate(fd, (off_t)size) < 0 ? MAP_FAILED
                                                         : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return map;
}

/* An agent's segment: devices 0 and 1 of every vendor, device 0 with `first` bytes, device 1 with `second`. */
static void make_segment(uint64_t first, uint64_t second) {
    if (segment)
        munmap(segment, sizeof *segment);
    unlink(segment_path);
    segment = map_file(segment_path, sizeof *segment);
    *segment = (struct hcs_segment){
        .magic = HCS_SEGMENT_MAGIC,
        .version_major = HCS_SEGMENT_VERSION_MAJOR,
        .version_minor = 7, /* newer minors are fine */
        .total_size = sizeof *segment,
        .device_capacity = HCS_SEGMENT_DEVICES,
        .slot_capacity = HCS_SEGMENT_SLOTS,
        .device_size = sizeof(struct hcs_segment_device),
        .slot_size = sizeof(struct hcs_segment_slot),
        .origin = HCS_ORIGIN_AGENT,
        .workload = "11111111-2222-3333-4444-555555555555",
        .total_limit = HCS_UNLIMITED,
    };
    static const char *const uuids[] = {"", "GPU-abcd0000-0000-0000-0000-00000000000%u", "die-%u", "GPU-00000000deadbee%u",
                                        "serial-%u"};
    for (uint32_t vendor = 1; vendor <= 4; vendor++)
        for (uint32_t i = 0; i < 2; i++) {
            struct hcs_segment_device *d = &segment->devices[(vendor - 1) * 2 + i];
            d->state = HCS_DEVICE_READY;
            d->vendor = vendor;
            d->host_index = i;
            d->physical = TRUTH_PHYSICAL;
            snprintf(d->uuid, sizeof d->uuid, uuids[vendor], i);
            d->limit = i == 0 ? first : second;
        }
}

static void fresh_world(void) {
    memset(truth, 0, sizeof *truth);
    snprintf(job, sizeof job, "test%d-%ld", getpid(), random());
    failure[0] = '\0';
}

static char *job_path(void) {
    static char path[256];
    snprintf(path, sizeof path, "/dev/shm/hcs-%u-%s", (unsigned)geteuid(), job);
    return path;
}

static int exists(const char *path) { return access(path, F_OK) == 0; }

static size_t read_text(const char *path, char *text, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, capacity - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static const char *error_text(void) {
    static char text[65536];
    read_text(error_path, text, sizeof text);
    return text;
}

static int lines_of(const char *text) {
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Starts a client. `command` is "client SCENARIO [ARGUMENT]", the rest NAME=VALUE strings up to NULL. LD_PRELOAD defaults to
 * the interceptor, LD_LIBRARY_PATH to the fake drivers. A NAME given twice: the last one rules. */
static pid_t start_list(const char *command, va_list list) {
    char words[512], *argv[8] = {0};
    char preload[2300], truth_variable[1300], libraries[1100];
    char *environment[32];
    int count = 0, words_count = 0;
    snprintf(words, sizeof words, "%s", command);
    for (char *w = strtok(words, " "); w && words_count < 7; w = strtok(NULL, " "))
        argv[words_count++] = w;
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s/libhcs_interceptor.so", directory);
    snprintf(truth_variable, sizeof truth_variable, "FAKE_TRUTH=%s", truth_path);
    snprintf(libraries, sizeof libraries, "LD_LIBRARY_PATH=%s/fake", directory);
    environment[count++] = preload;
    environment[count++] = truth_variable;
    environment[count++] = libraries;
    for (char *variable; (variable = va_arg(list, char *)) && count < 31;) {
        size_t name = strcspn(variable, "=") + 1;
        int i = 0;
        while (i < count && strncmp(environment[i], variable, name) != 0)
            i++;
        environment[i] = variable;
        count += i == count;
    }
    environment[count] = NULL;
    pid_t child = fork();
    if (child == 0) {
        char program[1100];
        snprintf(program, sizeof program, "%s/%s", directory, argv[0]);
        int error = open(error_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        int output = open(output_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(error, 2);
        dup2(output, 1);
        close(error);
        close(output);
        alarm(50);
        execve(program, argv, environment);
        _exit(126);
    }
    return child;
}

static pid_t start(const char *command, ...) {
    va_list list;
    va_start(list, command);
    pid_t child = start_list(command, list);
    va_end(list);
    return child;
}

static int finish(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Exit status of a client that runs to its end. Its stderr is error_text(). */
static int run(const char *command, ...) {
    unlink(error_path);
    unlink(output_path);
    va_list list;
    va_start(list, command);
    int status = finish(start_list(command, list));
    va_end(list);
    return status;
}

static char *variable(const char *name, const char *value) {
    static char pool[16][1400];
    static int next;
    char *text = pool[next++ % 16];
    snprintf(text, 1400, "%s=%s", name, value);
    return text;
}
#define SEGMENT variable("HCS_SEGMENT", segment_path)
#define JOB variable("HCS_JOB", job)
#define QUOTA(text) variable("HCS_VRAM_QUOTA", text)

static int wait_for_output(const char *wanted) {
    char text[4096];
    for (int i = 0; i < 5000; i++) {
        read_text(output_path, text, sizeof text);
        if (strcmp(text, wanted) == 0)
            return 1;
        usleep(1000);
    }
    return 0;
}

static const char *const apis[] = {"cuda", "cu", "acl", "hip", "cnrt"};
#define EACH_API(i) (size_t i = 0; i < sizeof apis / sizeof *apis; i++)

static const char *with_api(const char *scenario, size_t i) {
    static char command[8192];
    snprintf(command, sizeof command, "client %s %s", scenario, apis[i]);
    return command;
}

/* --- cases -------------------------------------------------------------------------------------------------------------- */

static int passes_through(void) {
    for EACH_API(i) {
        memset(truth, 0, sizeof *truth);
        EXPECT(run(with_api("pass_through", i), NULL) == 0);
        EXPECT(error_text()[0] == '\0');
    }
    return 0;
}

static int denies_over_quota_with_each_vendors_code(void) {
    for EACH_API(i) {
        memset(truth, 0, sizeof *truth);
        EXPECT(run(with_api("over_quota", i), QUOTA("1Gi"), JOB, NULL) == 0);
        EXPECT(error_text()[0] == '\0');
    }
    return 0;
}

static int old_cnrt_has_its_own_code(void) {
    char libraries[2300];
    snprintf(libraries, sizeof libraries, "%s/fake/cnrt4:%s/fake", directory, directory);
    EXPECT(run("client_cnrt4 over_quota cnrt", QUOTA("1Gi"), JOB, variable("LD_LIBRARY_PATH", libraries), NULL) == 0);
    EXPECT(run("client_cnrt4 ordinals cnrt", QUOTA("0=2Gi,1=1Gi"), JOB, variable("LD_LIBRARY_PATH", libraries), NULL) == 0);
    EXPECT(run("client_cnrt4 denied cnrt", QUOTA("1GB"), variable("LD_LIBRARY_PATH", libraries), NULL) == 0);
    return 0;
}

static int bad_quotas_deny_and_say_why_once(void) {
    static const char *const bad[] = {"", "abc", "-1Gi", "+1Gi", "8GiB", "8GB", "1.5Gi", "8 Gi", " 8Gi", "8gi", "8Ei", "Gi",
        "16777216Ti", "18446744073709551616", "8Gi,", ",8Gi", "0=8Gi,0=4Gi", "8Gi,8Gi", "8Gi,0=4Gi", "total=16Gi",
        "total=8Gi,total=8Gi,1Gi", "intel:8Gi", "nvidia:", "nvidia", "64=8Gi", "0=", "=8Gi", "0x10", "nvidia:total=8Gi",
        "8Gi\n", "8Gi;9Gi", "total=18446744073709551615,1Gi"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int status = run("client denied", QUOTA(bad[i]), JOB, NULL);
        if (status != 0 || lines_of(error_text()) != 1 || strncmp(error_text(), "hcs: ", 5) != 0) {
            snprintf(failure, sizeof failure, "quota \"%s\": status %d, stderr \"%.300s\"", bad[i], status, error_text());
            return 1;
        }
        EXPECT(!exists(job_path()));
    }
    for EACH_API(i)
        EXPECT(run(with_api("denied", i), QUOTA("8GiB"), NULL) == 0);
    EXPECT(strstr(error_text(), "\"8GiB\"") && strstr(error_text(), "at byte 3"));
    EXPECT(run("client denied", QUOTA("0"), JOB, NULL) == 0);
    return 0;
}

static int good_quotas_grant(void) {
    static const char *const good[] = {"8Gi", "8G", "8589934592", "100M", "1Ti", "1T", "16Ki", "16K", "0=8Gi,1=4Gi", "00=8Gi",
        "8Gi,total=16Gi", "nvidia:0=8Gi", "nvidia:8Gi", "0,nvidia:8Gi", "ascend:1Gi,nvidia:8Gi", "63=1Gi,0=1Gi",
        "18446744073709551615"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int status = run("client granted", QUOTA(good[i]), JOB, NULL);
        if (status != 0) {
            snprintf(failure, sizeof failure, "quota \"%s\": status %d, %.300s", good[i], status, error_text());
            return 1;
        }
    }
    EXPECT(run("client denied", QUOTA("ascend:8Gi"), JOB, NULL) == 0);
    EXPECT(strstr(error_text(), "has no entry"));
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        perror(path);
    if (fd >= 0)
        close(fd);
}

static int unusable_segments_deny_and_say_why_once(void) {
    struct hcs_segment *good = malloc(2 * sizeof *good);
    char path[1300];
    make_segment(GIB, GIB);
    EXPECT(run("client granted", SEGMENT, NULL) == 0);
    memcpy(good, segment, sizeof *good);
    snprintf(path, sizeof path, "%s/broken", scratch);
    for (int kind = 0; kind < 11; kind++) {
        struct hcs_segment s = *good;
        size_t size = sizeof s;
        unlink(path);
        rmdir(path);
        switch (kind) {
        case 0: size = 0; break;
        case 1: size -= 1; break;
        case 2: size = 4096; break;
        case 3: s.magic ^= 1; break;
        case 4: s.version_major = 2; break;
        case 5: s.slot_size = 400; break;
        case 6: s.device_capacity = 32; break;
        case 7: s.total_size += 1; break;
        }
        if (kind < 8)
            write_file(path, &s, size);
        else if (kind == 8)
            EXPECT(mkdir(path, 0700) == 0);
        else if (kind == 9)
            EXPECT(mkfifo(path, 0600) == 0);
        /* 10: missing. A quota beside a segment is ignored. */
        int status = run("client denied", variable("HCS_SEGMENT", path), QUOTA("8Gi"), NULL);
        if (status != 0 || lines_of(error_text()) != 1 || !strstr(error_text(), path)) {
            snprintf(failure, sizeof failure, "kind %d: status %d, stderr \"%.500s\"", kind, status, error_text());
            return 1;
        }
    }
    /* One byte too many, and the empty name. */
    write_file(path, memset(good, 0, 1) ? (void *)good : NULL, sizeof *good + 1);
    EXPECT(run("client denied", variable("HCS_SEGMENT", path), NULL) == 0);
    EXPECT(run("client denied", "HCS_SEGMENT=", QUOTA("8Gi"), NULL) == 0);
    free(good);
    for EACH_API(i)
        EXPECT(run(with_api("denied", i), "HCS_SEGMENT=/nonexistent", NULL) == 0);
    return 0;
}

static int unreadable_segment_denies(void) {
    make_segment(GIB, GIB);
    chmod(segment_path, 0400);
    if (geteuid() == 0) {
        /* Root may read anything; what it may not open for writing is a program that runs. */
        char path[1300];
        snprintf(path, sizeof path, "%s/client", directory);
        EXPECT(run("client denied", variable("HCS_SEGMENT", path), NULL) == 0);
    } else {
        EXPECT(run("client denied", SEGMENT, NULL) == 0);
    }
    return lines_of(error_text()) != 1;
}

static int random_damage_never_crashes(void) {
    for (unsigned seed = 1; seed <= 40; seed++) {
        make_segment(GIB, GIB);
        unsigned state = seed;
        unsigned bytes = seed % 2 ? 200000 : 300;
        for (unsigned i = 0; i < bytes; i++) {
            /* Half of the seeds leave the header alone, so that the damage lies behind the check. */
            size_t at = seed % 4 < 2 ? 48 + (size_t)rand_r(&state) % (sizeof *segment - 48) : (size_t)rand_r(&state) % 20000;
            ((unsigned char *)segment)[at] = (unsigned char)rand_r(&state);
        }
        int status = run("client survive", SEGMENT, NULL);
        if (status != 0) {
            snprintf(failure, sizeof failure, "seed %u: status %d, %.300s", seed, status, error_text());
            return 1;
        }
        EXPECT(lines_of(error_text()) <= 2);
    }
    return 0;
}

static int threads_never_pass_the_quota(void) {
    EXPECT(run("client race 8", QUOTA("512Mi"), JOB, NULL) == 0);
    EXPECT(truth->peak[0] <= 512 * MIB && truth->peak[0] > 256 * MIB);
    EXPECT(truth->used[0] == 0 && truth->allocations > 1000);
    make_segment(512 * MIB, 0);
    memset(truth, 0, sizeof *truth);
    EXPECT(run("client race 8", SEGMENT, NULL) == 0);
    EXPECT(truth->peak[0] <= 512 * MIB && segment->devices[0].used == 0);
    return 0;
}

static int processes_never_pass_the_quota(void) {
    pid_t children[8];
    make_segment(512 * MIB, 0);
    segment->total_limit = 500 * MIB;
    for (int i = 0; i < 8; i++)
        children[i] = start("client race 2", SEGMENT, NULL);
    for (int i = 0; i < 8; i++)
        EXPECT(finish(children[i]) == 0);
    EXPECT(truth->peak[0] <= 500 * MIB && truth->peak[0] > 250 * MIB && truth->used[0] == 0);
    EXPECT(segment->devices[0].used == 0 && segment->total_used == 0);
    /* Standalone: they make and join the file at the same time. */
    memset(truth, 0, sizeof *truth);
    for (int i = 0; i < 8; i++)
        children[i] = start("client race 2", JOB, QUOTA("512Mi"), NULL);
    for (int i = 0; i < 8; i++)
        EXPECT(finish(children[i]) == 0);
    EXPECT(truth->peak[0] <= 512 * MIB && truth->used[0] == 0);
    EXPECT(!exists(job_path()));
    return 0;
}

static int contenders_never_pass_the_quota(void) {
    pid_t children[4];
    make_segment(1000, 0);
    EXPECT(run("client contend 8", SEGMENT, NULL) == 0);
    EXPECT(truth->peak[0] == 600 && truth->used[0] == 0);
    for (int i = 0; i < 4; i++)
        children[i] = start("client contend 1", SEGMENT, NULL);
    for (int i = 0; i < 4; i++)
        EXPECT(finish(children[i]) == 0);
    EXPECT(truth->peak[0] == 600 && truth->used[0] == 0 && segment->devices[0].used == 0);
    return 0;
}

static int limits_hold_per_device(void) {
    for EACH_API(i) {
        memset(truth, 0, sizeof *truth);
        EXPECT(run(with_api("ordinals", i), QUOTA("0=2Gi,1=1Gi"), JOB, NULL) == 0);
        EXPECT(lines_of(error_text()) == 1 && strstr(error_text(), "device 2"));
        memset(truth, 0, sizeof *truth);
        make_segment(2 * GIB, GIB);
        EXPECT(run(with_api("ordinals", i), SEGMENT, NULL) == 0);
        EXPECT(lines_of(error_text()) == 1 && strstr(error_text(), "device 2"));
    }
    return 0;
}

static int narrowed_visibility_finds_the_right_entry(void) {
    static const char *const visibility[] = {"CUDA_VISIBLE_DEVICES=1", "CUDA_VISIBLE_DEVICES=1", "ASCEND_RT_VISIBLE_DEVICES=1",
                                             "HIP_VISIBLE_DEVICES=1", "MLU_VISIBLE_DEVICES=1"};
    for EACH_API(i) {
        make_segment(2 * GIB, GIB);
        memset(truth, 0, sizeof *truth);
        /* The scenario reads devices 0 and 1: put this vendor's there. */
        uint32_t vendor = i < 2 ? 0 : (uint32_t)i - 1;
        memmove(&segment->devices[0], &segment->devices[vendor * 2], 2 * sizeof segment->devices[0]);
        memset(&segment->devices[2], 0, 14 * sizeof segment->devices[0]);
        EXPECT(run(with_api("narrowed", i), SEGMENT, visibility[i], NULL) == 0);
    }
    make_segment(GIB, GIB);
    EXPECT(run("client denied acl", SEGMENT, "ASCEND_RT_VISIBLE_DEVICES=", NULL) == 0);
    EXPECT(run("client granted acl", SEGMENT, "ASCEND_RT_VISIBLE_DEVICES=1-3,0", NULL) == 0);
    EXPECT(run("client denied acl", SEGMENT, "ASCEND_RT_VISIBLE_DEVICES=2-3,0", NULL) == 0);
    /* A MIG instance's entry has another prefix than the 16 bytes tell. */
    memcpy(segment->devices[0].uuid, "MIG-ABCD", 8);
    EXPECT(run("client granted cuda", SEGMENT, NULL) == 0);
    return 0;
}

static int total_caps_the_sum(void) { return run("client total", QUOTA("2Gi,total=3Gi"), JOB, NULL); }

static int processes_share_one_segment(void) {
    EXPECT(run("client shares", QUOTA("1Gi"), JOB, NULL) == 0);
    EXPECT(!exists(job_path())); /* the last one out removed it */
    make_segment(GIB, GIB);
    EXPECT(run("client shares", SEGMENT, QUOTA("1"), NULL) == 0);
    EXPECT(exists(segment_path));
    EXPECT(run("client shares", QUOTA("1Gi"), NULL) == 0); /* a name of its own */
    return 0;
}

static int the_last_of_many_leavers_removes_the_file(void) {
    pid_t children[8];
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 8; i++)
            children[i] = start("client granted", JOB, QUOTA("1Gi"), NULL);
        for (int i = 0; i < 8; i++)
            EXPECT(finish(children[i]) == 0);
        EXPECT(!exists(job_path()));
    }
    return 0;
}

static int limit_changed_by_the_agent_holds_at_once(void) {
    make_segment(GIB, GIB);
    EXPECT(run("client gets 900", SEGMENT, NULL) == 0);
    hcs_store_u64(&segment->devices[0].limit, 100 * MIB);
    EXPECT(run("client gets 900", SEGMENT, NULL) == 1);
    return 0;
}

static int killed_process_gives_its_memory_back(void) {
    for (int standalone = 0; standalone < 2; standalone++) {
        make_segment(GIB, GIB);
        unlink(output_path);
        char *where = standalone ? JOB : SEGMENT;
        pid_t keeper = standalone ? start("client race 1", where, QUOTA("1Gi"), NULL) : 0;
        if (keeper)
            finish(keeper);
        pid_t holder = start("client hold", where, QUOTA("1Gi"), NULL);
        EXPECT(wait_for_output("0\n"));
        EXPECT(run("client gets 700", where, QUOTA("1Gi"), NULL) == 1);
        EXPECT(run("client gets 300", where, QUOTA("1Gi"), NULL) == 0);
        kill(holder, SIGSTOP); /* stopped is not dead */
        EXPECT(run("client gets 700", where, QUOTA("1Gi"), NULL) == 1);
        kill(holder, SIGKILL);
        siginfo_t info;
        waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT); /* a zombie is dead */
        EXPECT(run("client gets 1024", where, QUOTA("1Gi"), NULL) == 0);
        finish(holder);
        if (!standalone) {
            EXPECT(run("client gets 1024", where, QUOTA("1Gi"), NULL) == 0);
            EXPECT(segment->devices[0].used <= GIB);
        } else {
            EXPECT(!exists(job_path()));
        }
    }
    return 0;
}

static int kill_storm_leaves_nothing(void) {
    make_segment(512 * MIB, 0);
    segment->origin = HCS_ORIGIN_STANDALONE; /* no agent: the processes settle a torn update themselves */
    snprintf(segment->quota, sizeof segment->quota, "512Mi");
    pid_t survivor = start("client race 1", SEGMENT, NULL);
    finish(survivor);
    for (int i = 0; i < 60; i++) {
        pid_t child = start("client race 2", SEGMENT, NULL);
        usleep((useconds_t)(3000 + random() % 12000));
        kill(child, SIGKILL);
        finish(child);
    }
    memset(truth, 0, sizeof *truth); /* the dead hold nothing */
    int status = run("client gets 512", SEGMENT, NULL);
    if (status != 0)
        snprintf(failure, sizeof failure, "status %d, device.used %llu", status,
                 (unsigned long long)segment->devices[0].used);
    return status;
}

static int torn_update_is_settled(void) {
    make_segment(GIB, GIB);
    segment->origin = HCS_ORIGIN_STANDALONE;
    segment->devices[0].used = 300 * MIB; /* killed between the device's counter and the slot's */
    EXPECT(run("client gets 1024", SEGMENT, NULL) == 0);
    make_segment(GIB, GIB);
    segment->devices[0].used = 300 * MIB; /* with an agent that is the agent's */
    EXPECT(run("client gets 1024", SEGMENT, NULL) == 1);
    return 0;
}

static int slots_run_out_and_say_so_once(void) {
    make_segment(GIB, GIB);
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++) {
        segment->slots[i].state = HCS_SLOT_LIVE;
        segment->slots[i].pid = (uint32_t)getpid();
        segment->slots[i].pid_namespace = 0;
    }
    int fd = open(segment_path, O_RDWR | O_CLOEXEC);
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    EXPECT(fcntl(fd, F_SETLK, &all) == 0);
    EXPECT(run("client denied", SEGMENT, NULL) != 0); /* the memory question still answers */
    EXPECT(truth->allocations == 0 && lines_of(error_text()) == 2 && strstr(error_text(), "1024"));
    close(fd);
    EXPECT(run("client granted", SEGMENT, NULL) == 0);
    return 0;
}

static int name_with_another_quota_is_denied(void) {
    unlink(output_path);
    pid_t holder = start("client hold", JOB, QUOTA("1Gi"), NULL);
    EXPECT(wait_for_output("0\n"));
    EXPECT(run("client denied", JOB, QUOTA("2Gi"), NULL) == 0);
    EXPECT(strstr(error_text(), "1Gi") && strstr(error_text(), "2Gi"));
    EXPECT(run("client gets 300", JOB, QUOTA("1Gi"), NULL) == 0);
    kill(holder, SIGKILL);
    finish(holder);
    EXPECT(exists(job_path()));
    EXPECT(run("client granted", JOB, QUOTA("2Gi"), NULL) == 0); /* what a dead job left is no job */
    EXPECT(!exists(job_path()));
    EXPECT(run("client denied", variable("HCS_JOB", "../etc/x"), QUOTA("2Gi"), NULL) == 0);
    return 0;
}

static int files_of_killed_jobs_are_swept(void) {
    char killed[256];
    unlink(output_path);
    pid_t holder = start("client hold", JOB, QUOTA("1Gi"), NULL);
    EXPECT(wait_for_output("0\n"));
    snprintf(killed, sizeof killed, "%s", job_path());
    snprintf(job, sizeof job, "other%d", getpid());
    EXPECT(run("client granted", JOB, QUOTA("1Gi"), NULL) == 0);
    EXPECT(exists(killed)); /* a living job's file stays */
    kill(holder, SIGKILL);
    finish(holder);
    EXPECT(run("client granted", JOB, QUOTA("1Gi"), NULL) == 0);
    EXPECT(!exists(killed));
    return 0;
}

static int orphan_finds_its_segment(void) {
    char result[1300], text[8] = "";
    snprintf(result, sizeof result, "client orphan %s/orphan-result", scratch);
    EXPECT(run(result, JOB, QUOTA("1Gi"), NULL) == 0);
    for (int i = 0; i < 3000 && text[0] == '\0'; i++) {
        usleep(1000);
        read_text(result + strlen("client orphan "), text, sizeof text);
    }
    EXPECT(strcmp(text, "1") == 0);
    return 0;
}

static int in_own_segment(const char *scenario) {
    make_segment(GIB, GIB);
    return run(scenario, SEGMENT, NULL);
}

static int forked_child_owns_nothing(void) {
    EXPECT(in_own_segment("client fork_child") == 0);
    EXPECT(run("client fork_child", JOB, QUOTA("1Gi"), NULL) == 0);
    EXPECT(!exists(job_path()));
    return 0;
}
static int cloned_child_owns_nothing(void) { return in_own_segment("client clone_child"); }
static int fork_among_threads_does_not_hang(void) { return in_own_segment("client fork_storm"); }
static int exec_starts_anew(void) { return in_own_segment("client exec_again"); }
static int closed_descriptors_keep_the_charge(void) { return in_own_segment("client closes_descriptors"); }
static int the_guard_keeps_the_second_thread_out(void) { return run("guard_test 1000", "LD_PRELOAD=", NULL); }
static int every_operation_is_counted_once(void) {
    return in_own_segment("client counts_exactly");
}
static int daemons_are_held_to_the_rest(void) { return in_own_segment("client daemonises"); }
static int another_user_keeps_its_charge(void) { return in_own_segment("client changes_user"); }
static int pid_namespaces_do_not_mislead(void) { return in_own_segment("client own_pid_namespace"); }
static int foreign_proc_misleads_nobody(void) { return in_own_segment("client foreign_proc"); }
static int vfork_leaves_everything(void) { return in_own_segment("client vforks"); }
static int sanitized(const char *program) {
    char path[1100];
    snprintf(path, sizeof path, "%s/%s", directory, program);
    return exists(path) ? in_own_segment(program) : SKIPPED;
}
static int static_asan_starts(void) { return sanitized("sanitized_address"); }
static int static_tsan_starts(void) { return sanitized("sanitized_thread"); }
static int driver_failure_gives_back(void) { return in_own_segment("client driver_refuses"); }
static int charged_once(void) { return in_own_segment("client charged_once"); }
static int reused_address(void) { return in_own_segment("client reused_address"); }
static int null_infos(void) { return in_own_segment("client null_infos"); }
static int host_memory_is_not_narrowed(void) { return run("client acl_infos", JOB, QUOTA("1Gi"), NULL); }
static int ledger_cannot_grow(void) { return in_own_segment("client no_ledger_memory"); }
static int ledger_matches_the_driver(void) { return in_own_segment("client ledger_model"); }
static int dlvsym_door(void) { return in_own_segment("client dlvsym_door"); }
static int unhooked_names_are_forwarded(void) { return in_own_segment("client unhooked_names"); }
static int no_library_no_name(void) { return in_own_segment("client_unlinked finds_nothing"); }
static int local_handle(void) { return in_own_segment("client_unlinked local_handle"); }
static int closed_libraries_stay(void) { return in_own_segment("client_unlinked reopened"); }
static int local_plugin(void) { return in_own_segment("client_unlinked local_plugin"); }
static int local_pointer(void) { return in_own_segment("client_unlinked local_pointer"); }

static int every_function_is_charged(void) { return in_own_segment("cover functions"); }
static int pitches_are_corrected(void) { return in_own_segment("cover pitches"); }
static int arrays_are_rounded(void) { return in_own_segment("cover arrays"); }
static int virtual_memory_lives_by_handles_and_mappings(void) {
    EXPECT(in_own_segment("cover virtual_memory") == 0);
    memset(truth, 0, sizeof *truth);
    EXPECT(in_own_segment("cover many_handles") == 0);
    memset(truth, 0, sizeof *truth);
    return in_own_segment("cover virtual_memory_elsewhere");
}
static int streams_and_pools(void) { return in_own_segment("cover streams_and_pools"); }
static int graphs_are_booked_at_launch(void) { return in_own_segment("cover graphs"); }
static int numbers_are_of_a_class(void) { return in_own_segment("cover same_numbers"); }
static int doors_hand_out_hooks(void) { return in_own_segment("cover doors"); }
static int questions_are_answered_with_the_quota(void) { return in_own_segment("cover questions"); }
/* Over the simulated drivers; `directory` (may be empty) is searched before theirs. */
static int over_simulated_drivers(const char *scenario, const char *first) {
    char command[256], state[1300], libraries[3600];
    snprintf(command, sizeof command, "over_simulated %s", scenario);
    snprintf(state, sizeof state, "%s/state", scratch);
    snprintf(libraries, sizeof libraries, "%s/simulated/%s:%s/simulated", directory, first, directory);
    unlink(state);
    return run(command, JOB, QUOTA("1Gi"), variable("HCS_SIM_STATE", state), variable("LD_LIBRARY_PATH", libraries), NULL);
}
static int pools_keep_what_they_are_charged(void) {
    EXPECT(over_simulated_drivers("pools", "") == 0);
    return over_simulated_drivers("pools_of_two", "");
}
static int pools_in_any_order(void) {
    EXPECT(over_simulated_drivers("any_order", "") == 0);
    return over_simulated_drivers("threads", "");
}
static int resets_give_back(void) {
    EXPECT(over_simulated_drivers("resets", "") == 0);
    return over_simulated_drivers("resets_of_hip", "");
}
static int pools_end_unasked(void) {
    EXPECT(run("pools_test", "LD_PRELOAD=", NULL) == 0);
    return over_simulated_drivers("pools_that_end", "");
}
static int captures_go_on(void) { return over_simulated_drivers("captures", ""); }
static int managed_pools_are_charged(void) { return over_simulated_drivers("managed_pools", ""); }
static int denials_are_last_errors(void) { return over_simulated_drivers("last_errors", ""); }
static int devices_by_handle(void) { return over_simulated_drivers("cnrt4", "cnrt4"); }

static int tools_agree(void) { return in_own_segment("cover tools"); }

/* --- lists ---------------------------------------------------------------------------------------------------------------- */

/* Whether `text` has the word, followed by one of `ends`. */
static int has_word(const char *text, const char *word, size_t length, const char *ends) {
    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || strchr(" \n\t;{", at[-1])) && strchr(ends, at[length]))
            return 1;
    return 0;
}

/* CUDA gives 16 bytes for a MIG instance as for a card; the entry says which it is. */
static int mig_instance_is_found(void) {
    make_segment(GIB, GIB);
    memcpy(segment->devices[0].uuid, "MIG", 3);
    EXPECT(run("client gets 700", SEGMENT, NULL) == 0);
    EXPECT(run("client gets 1100", SEGMENT, NULL) == 1);
    return 0;
}

static int lists_are_covered(void) {
    static const char *const lists[] = {"nvidia.txt", "ascend.txt", "hygon.txt", "cambricon.txt"};
    static char exports[65536], waivers[65536], all[65536], path[1400];
    snprintf(path, sizeof path, "%s/interceptor/exports.map", directory);
    EXPECT(read_text(path, exports, sizeof exports) > 1000);
    snprintf(path, sizeof path, "%s/waivers.txt", symbols_directory);
    EXPECT(read_text(path, waivers, sizeof waivers) > 1000);
    size_t length = 0;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", symbols_directory, lists[i]);
        size_t n = read_text(path, all + length, sizeof all - length);
        EXPECT(n > 100);
        length += n;
    }
    char word[128];
    for (const char *line = all; *line; line += strcspn(line, "\n") + 1) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(line, "\n"), line);
        if (word[0] == '#')
            continue;
        int hooked = has_word(exports, word, strlen(word), ";"), waived = has_word(waivers, word, strlen(word), ":");
        if (hooked == waived) {
            snprintf(failure, sizeof failure, "%s is %s", word, hooked ? "hooked and waived" : "neither hooked nor waived");
            return 1;
        }
    }
    for (const char *line = waivers; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, ":\n");
        snprintf(word, sizeof word, "%.*s", (int)n, line);
        if (word[0] != '#' && (line[n] != ':' || strcspn(line + n, "\n") < 20 || !has_word(all, word, strlen(word), "\n"))) {
            snprintf(failure, sizeof failure, "the waiver of %s has no reason, or no list has the name", word);
            return 1;
        }
    }
    const char *names = strstr(exports, "global:");
    for (const char *at = names + strlen("global:"); (at += strspn(at, " \n\t;")), strncmp(at, "local", 5) != 0; at += strcspn(at, ";")) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ";"), at);
        if (strcmp(word, "dlsym") && strcmp(word, "dlvsym") && !has_word(all, word, strlen(word), "\n")) {
            snprintf(failure, sizeof failure, "%s is hooked, but no list has the name", word);
            return 1;
        }
    }
    return 0;
}

static int strange_arguments(void) {
    for EACH_API(i) {
        memset(truth, 0, sizeof *truth);
        EXPECT(run(with_api("strange_arguments", i), JOB, QUOTA("18446744073709551615"), NULL) != 126);
        EXPECT(run(with_api("strange_arguments", i), JOB, QUOTA("8Gi"), NULL) == 0);
    }
    return 0;
}

static int quota_above_physical_is_not_shown(void) {
    EXPECT(run("client infos", JOB, QUOTA("1Ti"), NULL) == 0);
    return 0;
}

static int wrapper_library_in_the_chain(void) {
    char preload[2500];
    for (int order = 0; order < 2; order++)
        for (int by_handle = 0; by_handle < 2; by_handle++) {
            make_segment(GIB, GIB);
            memset(truth, 0, sizeof *truth);
            snprintf(preload, sizeof preload, order ? "%s/libwrapper.so:%s/libhcs_interceptor.so"
                                                    : "%s/libhcs_interceptor.so:%s/libwrapper.so", directory, directory);
            int status = run("client wrapped", SEGMENT, variable("LD_PRELOAD", preload),
                             variable("WRAPPER", by_handle ? "handle" : "next"), NULL);
            if (status != 0) {
                snprintf(failure, sizeof failure, "order %d, by handle %d: status %d, %.300s", order, by_handle, status,
                         error_text());
                return 1;
            }
        }
    return 0;
}

static int works_before_its_constructor(void) {
    char preload[2500];
    make_segment(GIB, GIB);
    snprintf(preload, sizeof preload, "%s/libhcs_interceptor.so:%s/libearly.so", directory, directory);
    return run("client early", SEGMENT, variable("LD_PRELOAD", preload), NULL);
}

static int warns_when_asked(void) {
    EXPECT(run("client over_quota", JOB, QUOTA("1Gi"), "HCS_LOG_LEVEL=warn", NULL) == 0);
    EXPECT(lines_of(error_text()) == 1 && strstr(error_text(), "over quota"));
    return 0;
}

static int unrelated_programs_run(void) {
    make_segment(GIB, GIB);
    char command[8192];
    snprintf(command, sizeof command, "HCS_SEGMENT=%s LD_PRELOAD=%s/libhcs_interceptor.so sh -c 'ls / | cat | wc -l' "
             ">/dev/null 2>%s && ! test -s %s", segment_path, directory, error_path, error_path);
    EXPECT(system(command) == 0);
    snprintf(command, sizeof command, "HCS_SEGMENT=/nonexistent LD_PRELOAD=%s/libhcs_interceptor.so sh -c 'ls / | cat | wc -l' "
             ">/dev/null 2>%s && ! test -s %s", directory, error_path, error_path);
    EXPECT(system(command) == 0);
    return 0;
}

static int quota_parser_survives_noise(void) {
    char command[8192];
    snprintf(command, sizeof command, "%s/quota_fuzz 300000 >%s 2>&1", directory, error_path);
    return system(command);
}

static int repairs_wait_for_each_other(void) {
    char command[64 + sizeof scratch];
    snprintf(command, sizeof command, "settle_test %s", scratch);
    return run(command, "LD_PRELOAD=", NULL);
}
static int names_after_fork(void) { return run("names_test", "LD_PRELOAD=", NULL); }
static int ledger_agrees_with_a_model(void) { return run("ledger_test 40", "LD_PRELOAD=", NULL); }

static const struct test {
    const char *name;
    int (*run)(void);
} tests[] = {
    {"without a quota everything passes through", passes_through},
    {"over quota each vendor's own code is returned", denies_over_quota_with_each_vendors_code},
    {"CNRT 4 gets its old code", old_cnrt_has_its_own_code},
    {"a bad quota denies and says why once", bad_quotas_deny_and_say_why_once},
    {"every form of a good quota grants", good_quotas_grant},
    {"an unusable segment denies and says why once", unusable_segments_deny_and_say_why_once},
    {"an unreadable segment denies", unreadable_segment_denies},
    {"random damage in a segment never crashes the program", random_damage_never_crashes},
    {"8 threads never pass the quota", threads_never_pass_the_quota},
    {"8 processes of 2 threads never pass the quota", processes_never_pass_the_quota},
    {"requests of which one fits are never both granted", contenders_never_pass_the_quota},
    {"the guard keeps a second thread out, whenever it comes", the_guard_keeps_the_second_thread_out},
    {"a second thread beside the first: every operation is counted once", every_operation_is_counted_once},
    {"limits hold per device", limits_hold_per_device},
    {"a narrowed visibility finds the right entry", narrowed_visibility_finds_the_right_entry},
    {"total= caps the sum", total_caps_the_sum},
    {"processes share one segment, the last removes a standalone one", processes_share_one_segment},
    {"of many that leave at once the last removes the file", the_last_of_many_leavers_removes_the_file},
    {"a limit changed by the agent holds at once", limit_changed_by_the_agent_holds_at_once},
    {"a killed process gives its memory back, a stopped one does not", killed_process_gives_its_memory_back},
    {"a storm of kills leaves nothing charged", kill_storm_leaves_nothing},
    {"a torn update is settled where there is no agent", torn_update_is_settled},
    {"when all slots are taken memory is denied", slots_run_out_and_say_so_once},
    {"a job's name with another quota is denied, a dead job's is not", name_with_another_quota_is_denied},
    {"files that killed jobs left are swept by the next job", files_of_killed_jobs_are_swept},
    {"a child that outlives its parent finds its segment", orphan_finds_its_segment},
    {"a forked child owns nothing of its parent", forked_child_owns_nothing},
    {"a bare clone owns nothing of its parent", cloned_child_owns_nothing},
    {"fork among allocating threads does not hang", fork_among_threads_does_not_hang},
    {"a child of fork has the names that its parent was about to list", names_after_fork},
    {"exec starts with nothing charged", exec_starts_anew},
    {"a daemon is held to what is left", daemons_are_held_to_the_rest},
    {"a process that becomes another user keeps its charge", another_user_keeps_its_charge},
    {"pid namespaces do not mislead", pid_namespaces_do_not_mislead},
    {"in a pid namespace that has the old /proc who lost its lock lives", foreign_proc_misleads_nobody},
    {"vfork leaves slot and ledger as they are", vfork_leaves_everything},
    {"a program with gcc's static ASan starts and is held", static_asan_starts},
    {"a program with gcc's static TSan starts and is held", static_tsan_starts},
    {"a program that closes every descriptor keeps its charge", closed_descriptors_keep_the_charge},
    {"a refused allocation is given back, a refused free stays charged", driver_failure_gives_back},
    {"runtime over driver is charged once", charged_once},
    {"an address freed unseen is not charged twice", reused_address},
    {"strange sizes and pointers are the driver's or denied", strange_arguments},
    {"NULL goes to the driver in memory questions", null_infos},
    {"questions about host memory are not narrowed", host_memory_is_not_narrowed},
    {"a quota above physical memory is not shown", quota_above_physical_is_not_shown},
    {"without memory for the ledger requests are denied and undone", ledger_cannot_grow},
    {"the ledger's repair is alone, and reads the counter between its sums", repairs_wait_for_each_other},
    {"the ledger agrees with a model (ASan, UBSan)", ledger_agrees_with_a_model},
    {"100000 allocations in any order end at zero", ledger_matches_the_driver},
    {"every function of every list is hooked, or waived with a reason", lists_are_covered},
    {"every allocation function of every vendor is charged once and freed", every_function_is_charged},
    {"a pitch is corrected after the call", pitches_are_corrected},
    {"arrays are rounded, levels add up, sparse ones are free", arrays_are_rounded},
    {"virtual memory lives by handles and mappings", virtual_memory_lives_by_handles_and_mappings},
    {"a stream's and a pool's device pays", streams_and_pools},
    {"what a pool keeps stays charged, and is let go before a request is denied", pools_keep_what_they_are_charged},
    {"with pools in any order the driver is never over the quota", pools_in_any_order},
    {"a context that goes gives its memory back, and no other's", resets_give_back},
    {"a pool that is destroyed is asked nothing", pools_end_unasked},
    {"our questions end no stream capture", captures_go_on},
    {"pools of managed memory are charged", managed_pools_are_charged},
    {"a denial is the thread's last error", denials_are_last_errors},
    {"CNRT 4 finds its device by handle", devices_by_handle},
    {"a graph's memory is booked at launch", graphs_are_booked_at_launch},
    {"a pointer, an array and a handle of one number are three things", numbers_are_of_a_class},
    {"look-up functions hand out hooks, by pointer", doors_hand_out_hooks},
    {"every question for memory is answered with the quota", questions_are_answered_with_the_quota},
    {"nvidia-smi and its kin agree", tools_agree},
    {"a MIG instance is a device of its own", mig_instance_is_found},
    {"dlvsym and RTLD_DEFAULT lead to the hook of a versioned symbol", dlvsym_door},
    {"names that are not hooked are forwarded", unhooked_names_are_forwarded},
    {"without a vendor library the name is not found", no_library_no_name},
    {"dlopen RTLD_LOCAL and dlsym", local_handle},
    {"a library that is closed and opened again", closed_libraries_stay},
    {"a dependency of an RTLD_LOCAL plugin", local_plugin},
    {"a pointer handed out by an RTLD_LOCAL plugin", local_pointer},
    {"a wrapper library above or below, by RTLD_NEXT or by handle", wrapper_library_in_the_chain},
    {"hooks and dlsym work before our constructor", works_before_its_constructor},
    {"HCS_LOG_LEVEL=warn tells of denials once", warns_when_asked},
    {"programs that touch no device see nothing", unrelated_programs_run},
    {"the quota parser survives noise (ASan, UBSan)", quota_parser_survives_noise},
};

int main(int argc, char **argv) {
    if (argc < 3 || !realpath(argv[1], directory) || !realpath(argv[2], symbols_directory))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    srandom((unsigned)getpid());
    snprintf(scratch, sizeof scratch, "%s/scratch.%d", directory, getpid());
    mkdir(scratch, 0700);
    snprintf(segment_path, sizeof segment_path, "%s/segment", scratch);
    snprintf(truth_path, sizeof truth_path, "%s/truth", scratch);
    snprintf(error_path, sizeof error_path, "%s/stderr", scratch);
    snprintf(output_path, sizeof output_path, "%s/stdout", scratch);
    truth = map_file(truth_path, sizeof *truth);
    int passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (argc > 3 && !strstr(tests[i].name, argv[3]))
            continue;
        fresh_world();
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        int status = tests[i].run();
        clock_gettime(CLOCK_MONOTONIC, &b);
        long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
        if (status == SKIPPED) {
            printf("skipped, because it cannot be run here (not root, or no such compiler): %s\n", tests[i].name);
            continue;
        }
        printf("%s %s (%ld ms)\n", status == 0 ? "ok    " : "FAILED", tests[i].name, ms);
        if (status != 0)
            printf("       status %d; %s\n       stderr: %.600s\n", status, failure, error_text());
        fflush(stdout);
        passed += status == 0;
        failed += status != 0;
        unlink(job_path());
    }
    if (failed == 0) {
        char command[8192];
        snprintf(command, sizeof command, "rm -rf '%s'", scratch);
        (void)!system(command);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
