/* SPDX-License-Identifier: Apache-2.0
 *
 * The repair of a counter, with another process put exactly where it hurts: `settle_test DIRECTORY`. Every load of segment.c
 * passes here first, and a load that was waited for lets the other process act.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hcs_segment.h"

static uint64_t watched_load(const uint64_t *p);
#define hcs_load_u64(p) watched_load(p)
#include "../../../CSources/hcs_interceptor/segment.c"
#undef hcs_load_u64

#define N 4096
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "settle_test: line %d: %s does not hold\n", __LINE__, #condition);                         \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

__thread int hcs_depth;
static struct hcs_segment *s;
static int fd;
static int first_load, sums; /* of the counter; of the slot's generation, which ends its part of a sum */
static void (*at_counter)(void), (*at_second_sum)(void);

static uint64_t watched_load(const uint64_t *p) {
    uint64_t value = __atomic_load_n(p, __ATOMIC_ACQUIRE);
    if (p == &s->devices[0].used && !first_load++ && at_counter)
        at_counter();
    if (p == &s->slots[0].generation && ++sums == 2 && at_second_sum)
        at_second_sum();
    return value;
}

/* What segment.c needs of the rest; nothing of it is reached. */
int hcs_standalone_open(const char *quota, const char *name, const char **ret_what, const char **ret_detail) {
    (void)quota, (void)name, (void)ret_what, (void)ret_detail;
    return -ENOSYS;
}
const char *hcs_standalone_name_in(const char *path) { return path && *path ? NULL : path; }
void hcs_device_forget_all(void) {}

/* A process whose slot is the first one: it lives, and has its lock, as long as the pipe is open. */
static pid_t owner(int *ret_leash) {
    int leash[2], ready[2];
    char byte;
    if (pipe(leash) != 0 || pipe(ready) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        close(leash[1]);
        (void)!hcs_lock_byte(fd, F_WRLCK, hcs_slot_offset(0));
        (void)!write(ready[1], "r", 1);
        (void)!read(leash[0], &byte, 1);
        _exit(0);
    }
    (void)!read(ready[0], &byte, 1);
    *ret_leash = leash[1];
    return child;
}

static void allocate(void) {
    s->slots[0].begin++;
    s->devices[0].used += N; /* and not yet in the slot */
}
static void is_refused(void) {
    s->devices[0].used -= N;
    s->slots[0].end++;
}

/* Another process repairs now, if it may, and then the owner allocates. */
static void another_repairs(void) {
    pid_t child = fork();
    int status = 0;
    if (child == 0)
        _exit(hcs_lock_byte(fd, F_WRLCK, HCS_SETTLE_BYTE) == 0 ? 1 : 0);
    waitpid(child, &status, 0);
    if (status == 0)
        return;
    s->devices[0].used = 0;
    allocate();
}

static void fresh(uint64_t torn) {
    s->devices[0].used = torn;
    s->slots[0].begin = s->slots[0].end = 7;
    memset(s->slots[0].used, 0, sizeof s->slots[0].used);
    first_load = sums = 0;
    at_counter = at_second_sum = NULL;
}

int main(int argc, char **argv) {
    char path[4096];
    const char *what = "?";
    int leash = -1;
    snprintf(path, sizeof path, "%s/settle", argc > 1 ? argv[1] : ".");
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && ftruncate(fd, sizeof *s) == 0);
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT(s != MAP_FAILED);
    *s = (struct hcs_segment){.magic = HCS_SEGMENT_MAGIC, .version_major = HCS_SEGMENT_VERSION_MAJOR, .total_size = sizeof *s,
                              .device_capacity = HCS_SEGMENT_DEVICES, .slot_capacity = HCS_SEGMENT_SLOTS,
                              .device_size = sizeof s->devices[0], .slot_size = sizeof s->slots[0],
                              .origin = HCS_ORIGIN_STANDALONE, .total_limit = HCS_UNLIMITED};
    s->devices[0] = (struct hcs_segment_device){.state = HCS_DEVICE_READY, .vendor = 1, .limit = UINT64_C(1) << 30};
    s->slots[0].state = HCS_SLOT_LIVE;
    EXPECT(hcs_segment_map(fd, path, &what) == 0);
    s = hcs_state.map; /* the addresses that are loaded from */
    pid_t child = owner(&leash);

    fresh(N); /* torn, and nobody is about */
    EXPECT(hcs_segment_reap_locked(fd) && s->devices[0].used == 0);

    /* An operation that was under way is over, unchanged, when the slots are looked at; the next one takes as much. A counter
     * read before the first sum is met again after the second. */
    fresh(0);
    allocate();
    at_counter = is_refused;
    at_second_sum = allocate;
    (void)hcs_segment_reap_locked(fd);
    EXPECT(s->devices[0].used == N);

    /* Somebody else mends the same tear meanwhile, and an operation begins. */
    fresh(N);
    at_second_sum = another_repairs;
    (void)hcs_segment_reap_locked(fd);
    EXPECT(s->devices[0].used == (s->slots[0].begin == s->slots[0].end ? 0 : N));

    /* Under way: not touched. */
    fresh(N);
    allocate();
    (void)hcs_segment_reap_locked(fd);
    EXPECT(s->devices[0].used == 2 * N);

    close(leash);
    waitpid(child, NULL, 0);
    unlink(path);
    return 0;
}
