/* SPDX-License-Identifier: Apache-2.0
 *
 * The segment in this process: mapping, our slot, taking back what dead processes hold. Nothing here runs on the way of a
 * granted request but for the first one.
 */
#include <string.h>
#include <sys/mman.h>

#include "hook.h"
#include "sys.h"

#define ALL_DEVICES HCS_SEGMENT_DEVICES
#define LOWEST_FD 200 /* programs that close "all" descriptors often stop earlier */

struct hcs_segment_state hcs_state = {.fd = -1};
uint32_t hcs_slow_lock;

/* --- /proc ---------------------------------------------------------------------------------------------------------- */

struct process {
    uint64_t pid; /* as this /proc counts */
    char state;
    uint64_t threads;
    uint64_t start_time;
};

static uint64_t read_decimal(const char *c) {
    uint64_t value = 0;
    while (*c >= '0' && *c <= '9')
        value = value * 10 + (uint64_t)(*c++ - '0');
    return value;
}

/* Fields 1, 3, 20 and 22 of /proc/<pid>/stat: 0 or -errno. pid 0 is this process. */
static int read_process(uint32_t pid, struct process *ret_process) {
    char path[32] = "/proc/self/stat", text[1024];
    if (pid != 0) {
        struct hcs_decimal number;
        const char *digits = hcs_decimal(pid, &number);
        size_t length = strlen(digits);
        memcpy(path + 6, digits, length);
        memcpy(path + 6 + length, "/stat", 6);
    }
    int fd = hcs_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    long n = hcs_sys(SYS_read, fd, text, sizeof text - 1);
    hcs_close(fd);
    if (n <= 0)
        return -ESRCH;
    text[n] = '\0';
    /* The second field is the command in parentheses and may hold anything, parentheses and spaces too. */
    const char *c = strrchr(text, ')');
    if (!c || c[1] != ' ')
        return -EBADMSG;
    struct process p = {.pid = read_decimal(text), .state = c[2]};
    c += 2;
    for (int field = 3; field < 22; field++) {
        c = strchr(c, ' ');
        if (!c)
            return -EBADMSG;
        c++;
        if (field == 19)
            p.threads = read_decimal(c);
    }
    p.start_time = read_decimal(c);
    *ret_process = p;
    return 0;
}

/* Behind unshare(CLONE_NEWPID) the old /proc stays mounted, where our pid numbers name other processes. */
static int proc_is_ours;

static void know_self(void) {
    struct process self = {0};
    struct stat namespace = {0};
    (void)read_process(0, &self);
    (void)hcs_stat("/proc/self/ns/pid", &namespace);
    hcs_state.start_time = self.start_time;
    hcs_state.pid_namespace = namespace.st_ino;
    proc_is_ours = self.pid == hcs_getpid();
    hcs_guard_prepare(self.threads == 1);
}

/* Whether the process that filled the slot is gone. The caller holds the slot's lock byte, which says so already; but a
 * program that closes every descriptor drops its lock, so where pid numbers mean the same to both, they must agree. */
static int owner_is_gone(const struct hcs_segment_slot *slot) {
    uint32_t pid = hcs_load_u32(&slot->pid);
    uint64_t space = hcs_load_u64(&slot->pid_namespace), start_time = hcs_load_u64(&slot->start_time);
    if (pid == 0 || space == 0 || space != hcs_state.pid_namespace)
        return 1;
    if (hcs_sys(SYS_kill, (int)pid, 0) == -ESRCH)
        return 1;
    struct process p;
    if (!proc_is_ours || read_process(pid, &p) < 0)
        return 0;
    return p.state == 'Z' || p.state == 'X' || (start_time != 0 && p.start_time != start_time);
}

/* --- mapping -------------------------------------------------------------------------------------------------------- */

static const char *problem_text(int problem) {
    switch (problem) {
    case HCS_SEGMENT_BAD_SIZE:
        return "the segment has the wrong size";
    case HCS_SEGMENT_BAD_MAGIC:
        return "the file is not a segment (wrong magic number)";
    case HCS_SEGMENT_BAD_VERSION:
        return "the segment has another major version; preload library and agent must be of one release";
    default:
        return "the segment's layout differs from this library's";
    }
}

int hcs_segment_map(int fd, const char *path, const char **ret_what) {
    struct stat file;
    if (hcs_fstat(fd, &file) < 0 || !S_ISREG(file.st_mode)) {
        *ret_what = "it is not a regular file";
        return -EINVAL;
    }
    if ((uint64_t)file.st_size != sizeof(struct hcs_segment)) {
        *ret_what = problem_text(HCS_SEGMENT_BAD_SIZE);
        return -EINVAL;
    }
    void *map = mmap(NULL, sizeof(struct hcs_segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        *ret_what = "the segment cannot be mapped";
        return -ENOMEM;
    }
    int problem = hcs_segment_check(map, (uint64_t)file.st_size);
    if (problem != HCS_SEGMENT_OK) {
        munmap(map, sizeof(struct hcs_segment));
        *ret_what = problem_text(problem);
        return -EINVAL;
    }
    hcs_state.map = map; /* a mapping that this one replaces stays: another thread may be reading it */
    hcs_state.slot = NULL;
    hcs_state.fd = fd;
    hcs_state.pid = hcs_getpid();
    hcs_state.standalone = hcs_load_u32(&hcs_state.map->origin) == HCS_ORIGIN_STANDALONE;
    hcs_state.device = file.st_dev;
    hcs_state.inode = file.st_ino;
    if (path != hcs_state.path)
        memcpy(hcs_state.path, path, strlen(path) + 1);
    know_self();
    return 0;
}

int hcs_segment_raise(int fd) {
    long high = hcs_sys(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOWEST_FD);
    if (high < 0)
        return fd;
    hcs_close(fd); /* before any lock is taken: closing one descriptor of a file drops the process's locks on it */
    return (int)high;
}

static const char *open_problem(int error) {
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
        return "there is no such file";
    case EACCES:
    case EPERM:
    case EROFS:
        return "it cannot be opened for reading and writing (permission)";
    case EISDIR:
        return "it is a directory";
    default:
        return "it cannot be opened";
    }
}

/* Whether the path still leads to the file behind the descriptor. */
int hcs_segment_is_at(const char *path, int fd) {
    struct stat file, named;
    return hcs_fstat(fd, &file) == 0 && hcs_stat(path, &named) == 0 && file.st_dev == named.st_dev &&
           file.st_ino == named.st_ino;
}

/* Takes part in a standalone file, which its last process removes: 0, -ENOENT when it was removed under us. */
int hcs_segment_be_present(int fd, const char *path) {
    for (int tries = 0; hcs_lock_byte(fd, F_RDLCK, HCS_PRESENCE_BYTE) < 0; tries++) {
        if (tries == 2000)
            return -EBUSY;
        hcs_sleep_us(1000);
    }
    return hcs_segment_is_at(path, fd) ? 0 : -ENOENT;
}

int hcs_segment_join(const char *path, const char **ret_what) {
    if (strlen(path) >= sizeof hcs_state.path) {
        *ret_what = "the path is too long";
        return -EINVAL;
    }
    /* O_NONBLOCK: a fifo in the segment's place must not hang the workload. */
    int fd = hcs_open(path, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0) {
        *ret_what = open_problem(fd);
        return fd;
    }
    fd = hcs_segment_raise(fd);
    struct hcs_segment *before = hcs_state.map;
    int r = hcs_segment_map(fd, path, ret_what);
    if (r == 0 && hcs_state.standalone) {
        r = hcs_segment_be_present(fd, path);
        if (r < 0) {
            *ret_what = r == -ENOENT ? "it was removed" : "it is locked";
            hcs_state.map = before;
            hcs_state.fd = -1;
        }
    }
    if (r < 0)
        hcs_close(fd);
    return r;
}

/* The descriptor, if it is still ours: programs close and re-use numbers. Otherwise the file is opened again. */
int hcs_segment_fd(void) {
    struct stat file;
    if (hcs_state.fd >= 0 && hcs_fstat(hcs_state.fd, &file) == 0 && file.st_dev == hcs_state.device &&
        file.st_ino == hcs_state.inode)
        return hcs_state.fd;
    int fd = hcs_open(hcs_state.path, O_RDWR | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    fd = hcs_segment_raise(fd);
    if (hcs_fstat(fd, &file) < 0 || file.st_dev != hcs_state.device || file.st_ino != hcs_state.inode) {
        hcs_close(fd);
        return -ESTALE;
    }
    hcs_state.fd = fd;
    if (hcs_state.standalone)
        (void)hcs_lock_byte(fd, F_RDLCK, HCS_PRESENCE_BYTE);
    if (hcs_state.slot)
        (void)hcs_lock_byte(fd, F_WRLCK, hcs_slot_offset(hcs_state.slot_index));
    return fd;
}

/* --- dead slots ------------------------------------------------------------------------------------------------------- */

/* Walks the slots that were ever written; the rest of the file is a hole, which a plain walk would fill with pages. */
struct walk {
    int fd;
    uint32_t next, end; /* slots next ... end - 1 lie in written pages */
};

static uint32_t slot_at(uint64_t offset, uint64_t round) {
    uint64_t first = hcs_slot_offset(0);
    uint64_t slot = offset <= first ? 0 : (offset - first + round) / sizeof(struct hcs_segment_slot);
    return slot < HCS_SEGMENT_SLOTS ? (uint32_t)slot : HCS_SEGMENT_SLOTS;
}

static int next_slot(struct walk *w, uint32_t *ret_slot) {
    if (w->next >= w->end && w->next < HCS_SEGMENT_SLOTS) {
        long data = hcs_sys(SYS_lseek, w->fd, (off_t)hcs_slot_offset(w->next), SEEK_DATA);
        long hole = data < 0 ? data : hcs_sys(SYS_lseek, w->fd, (off_t)data, SEEK_HOLE);
        if (data == -ENXIO) {
            w->next = HCS_SEGMENT_SLOTS;
        } else if (hole < 0) { /* the file system knows no holes */
            w->end = HCS_SEGMENT_SLOTS;
        } else {
            uint32_t first = slot_at((uint64_t)data, 0);
            w->next = first > w->next ? first : w->next;
            w->end = slot_at((uint64_t)hole, sizeof(struct hcs_segment_slot) - 1);
        }
    }
    *ret_slot = w->next++;
    return *ret_slot < HCS_SEGMENT_SLOTS;
}

static int take_back(struct hcs_segment_slot *slot) {
    int something = 0;
    /* Under way until the slot is free: whoever settles the counters now would take the same bytes off a second time. */
    hcs_store_u64(&slot->begin, hcs_load_u64(&slot->begin) + 1);
    for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++) {
        uint64_t n = hcs_exchange_u64(&slot->used[d], 0);
        hcs_store_u64(&slot->overhead_bytes[d], 0);
        if (n == 0)
            continue;
        something = 1;
        hcs_give_back(&hcs_state.map->devices[d].used, n);
        if (hcs_load_u64(&hcs_state.map->total_limit) != HCS_UNLIMITED)
            hcs_give_back(&hcs_state.map->total_used, n);
    }
    hcs_store_u64(&slot->end, hcs_load_u64(&slot->begin)); /* what the dead had begun is over, too */
    hcs_store_u32(&slot->state, HCS_SLOT_FREE);
    return something;
}

/* Frees the slot if its owner is dead; the lock byte is held meanwhile, so one process at a time does it. */
static int reap_slot(int fd, uint32_t index) {
    struct hcs_segment_slot *slot = &hcs_state.map->slots[index];
    if (slot == hcs_state.slot || hcs_load_u32(&slot->state) == HCS_SLOT_FREE)
        return 0;
    if (hcs_lock_byte(fd, F_WRLCK, hcs_slot_offset(index)) < 0)
        return 0;
    int something = hcs_load_u32(&slot->state) != HCS_SLOT_FREE && owner_is_gone(slot) ? take_back(slot) : 0;
    (void)hcs_lock_byte(fd, F_UNLCK, hcs_slot_offset(index));
    return something;
}

/* What a kill between "device.used += n" and "slot.used += n" left: the device counts more than its slots. With an agent
 * that is the agent's to repair; a standalone segment has only us. Sound only while no operation is under way: every live
 * slot's begin and end are equal and unmoved around the sum, and the counter itself unmoved when it is corrected. */
static int sum_slots(int fd, uint32_t device, uint64_t *ret_used, uint64_t *ret_begun) {
    uint64_t used = 0, begun = 0;
    struct walk w = {.fd = fd};
    for (uint32_t i; next_slot(&w, &i);) {
        struct hcs_segment_slot *slot = &hcs_state.map->slots[i]; /* free ones too: the count must never go back */
        uint64_t end = hcs_load_u64(&slot->end), begin = hcs_load_u64(&slot->begin);
        if (begin != end)
            return -EBUSY;
        for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
            if (device == ALL_DEVICES || d == device)
                used += hcs_load_u64(&slot->used[d]);
        begun += begin + hcs_load_u64(&slot->generation);
    }
    *ret_used = used;
    *ret_begun = begun;
    return 0;
}

static int settle(int fd, uint64_t *counter, uint32_t device) {
    uint64_t used, begun, used_again, begun_again;
    if (sum_slots(fd, device, &used, &begun) < 0)
        return 0;
    /* Between the sums: a value from before them may belong to other sums, and come back just in time for the swap. */
    uint64_t counted = hcs_load_u64(counter);
    if (sum_slots(fd, device, &used_again, &begun_again) < 0)
        return 0;
    if (used >= counted || used != used_again || begun != begun_again)
        return 0;
    return __atomic_compare_exchange_n(counter, &counted, used, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* One process at a time: a second one would not see that the first has moved the counter. */
static int settle_all(int fd) {
    int something = 0;
    if (hcs_lock_byte(fd, F_WRLCK, HCS_SETTLE_BYTE) < 0)
        return 0;
    for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
        if (hcs_load_u32(&hcs_state.map->devices[d].state) == HCS_DEVICE_READY)
            something |= settle(fd, &hcs_state.map->devices[d].used, d);
    if (hcs_load_u64(&hcs_state.map->total_limit) != HCS_UNLIMITED)
        something |= settle(fd, &hcs_state.map->total_used, ALL_DEVICES);
    (void)hcs_lock_byte(fd, F_UNLCK, HCS_SETTLE_BYTE);
    return something;
}

int hcs_segment_reap_locked(int fd) {
    int something = 0;
    struct walk w = {.fd = fd};
    for (uint32_t i; next_slot(&w, &i);)
        something |= reap_slot(fd, i);
    return hcs_state.standalone ? something | settle_all(fd) : something;
}

int hcs_segment_reap(void) {
    hcs_lock(&hcs_slow_lock);
    int fd = hcs_segment_fd();
    int something = fd >= 0 ? hcs_segment_reap_locked(fd) : 0;
    hcs_unlock(&hcs_slow_lock);
    return something;
}

/* exec keeps pid and start time and ends everything that the slot stood for; nobody else would dare to reap it. */
void hcs_segment_reap_former_self(void) {
    uint32_t pid = hcs_getpid();
    struct walk w = {.fd = hcs_state.fd};
    for (uint32_t i; next_slot(&w, &i);) {
        struct hcs_segment_slot *slot = &hcs_state.map->slots[i];
        if (hcs_load_u32(&slot->state) == HCS_SLOT_FREE || hcs_load_u32(&slot->pid) != pid ||
            hcs_load_u64(&slot->pid_namespace) != hcs_state.pid_namespace ||
            hcs_load_u64(&slot->start_time) != hcs_state.start_time)
            continue;
        if (hcs_lock_byte(hcs_state.fd, F_WRLCK, hcs_slot_offset(i)) < 0)
            continue;
        (void)take_back(slot);
        (void)hcs_lock_byte(hcs_state.fd, F_UNLCK, hcs_slot_offset(i));
    }
}

int hcs_segment_has_live_slots(int except) {
    struct walk w = {.fd = hcs_state.fd};
    for (uint32_t i; next_slot(&w, &i);)
        if ((int)i != except && hcs_load_u32(&hcs_state.map->slots[i].state) != HCS_SLOT_FREE)
            return 1;
    return 0;
}

/* --- our slot ----------------------------------------------------------------------------------------------------------- */

static int claim(int fd, uint32_t index) {
    struct hcs_segment_slot *slot = &hcs_state.map->slots[index];
    if (hcs_load_u32(&slot->state) != HCS_SLOT_FREE)
        return 0;
    if (hcs_lock_byte(fd, F_WRLCK, hcs_slot_offset(index)) < 0)
        return 0;
    if (!hcs_cas_u32(&slot->state, HCS_SLOT_FREE, HCS_SLOT_LIVE)) {
        (void)hcs_lock_byte(fd, F_UNLCK, hcs_slot_offset(index));
        return 0;
    }
    hcs_store_u64(&slot->start_time, hcs_state.start_time);
    hcs_store_u64(&slot->pid_namespace, hcs_state.pid_namespace);
    hcs_store_u32(&slot->pid, hcs_state.pid);
    /* begin goes on where the last owner stopped: were it to start over, a settler could meet an old count again. */
    hcs_store_u64(&slot->end, hcs_load_u64(&slot->begin));
    for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
        hcs_store_u64(&slot->used[d], 0);
    (void)hcs_add_u64(&slot->generation, 1);
    hcs_state.slot_index = index;
    __atomic_store_n(&hcs_state.slot, slot, __ATOMIC_RELEASE);
    return 1;
}

static int claim_any(int fd) {
    for (uint32_t i = 0; i < HCS_SEGMENT_SLOTS; i++)
        if (claim(fd, i))
            return 1;
    return 0;
}

/* A standalone file may have been removed, and made again by others, while this child was being forked. */
static void follow_path(void) {
    const char *what;
    if (!hcs_state.standalone || (hcs_state.fd >= 0 && hcs_segment_is_at(hcs_state.path, hcs_state.fd)))
        return;
    int old = hcs_state.fd;
    char quota[sizeof hcs_state.map->quota];
    memcpy(quota, hcs_state.map->quota, sizeof quota);
    quota[sizeof quota - 1] = '\0';
    int r = hcs_segment_join(hcs_state.path, &what);
    const char *detail, *name = hcs_standalone_name_in(hcs_state.path);
    if (r == -ENOENT && name)
        r = hcs_standalone_open(quota, name, &what, &detail);
    if (old >= 0 && old != hcs_state.fd)
        hcs_close(old);
    hcs_device_forget_all();
}

struct hcs_segment_slot *hcs_segment_attach(void) {
    struct hcs_segment_slot *slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
    if (HCS_LIKELY(slot))
        return slot;
    hcs_lock(&hcs_slow_lock);
    if (!hcs_state.slot && hcs_state.map) {
        follow_path();
        int fd = hcs_segment_fd();
        if (fd >= 0 && !claim_any(fd)) {
            (void)hcs_segment_reap_locked(fd);
            (void)claim_any(fd);
        }
        static uint32_t once_full, once_gone;
        if (fd < 0)
            hcs_say(HCS_LOG_ERROR, &once_gone, "no device memory is granted: the segment \"", hcs_state.path,
                    "\" cannot be opened any more", NULL);
        else if (!hcs_state.slot)
            hcs_say(HCS_LOG_ERROR, &once_full, "no device memory is granted: all 1024 process slots of \"",
                    hcs_state.path, "\" are taken by living processes", NULL);
    }
    slot = hcs_state.slot;
    hcs_unlock(&hcs_slow_lock);
    return slot;
}

int hcs_segment_after_fork(void) {
    hcs_slow_lock = 0;
    if (!hcs_state.map)
        return 0;
    hcs_state.slot = NULL;
    hcs_state.pid = hcs_getpid();
    know_self();
    return hcs_state.standalone ? hcs_lock_byte(hcs_state.fd, F_RDLCK, HCS_PRESENCE_BYTE) : 0;
}

/* At exit the slot is given back only when it stands for nothing and no other thread could be about to use it; else device
 * memory is still held until the kernel has taken the process down, and whoever needs it reaps the slot then. */
void hcs_segment_leave(void) {
    hcs_lock(&hcs_slow_lock);
    struct hcs_segment_slot *slot = hcs_state.slot;
    struct process self = {0};
    int idle = slot && hcs_load_u64(&slot->end) == hcs_load_u64(&slot->begin) && read_process(0, &self) == 0 &&
               self.threads == 1;
    for (uint32_t d = 0; idle && d < HCS_SEGMENT_DEVICES; d++)
        idle = hcs_load_u64(&slot->used[d]) == 0;
    if (idle && hcs_segment_fd() >= 0) {
        __atomic_store_n(&hcs_state.slot, NULL, __ATOMIC_RELEASE);
        hcs_store_u32(&slot->state, HCS_SLOT_FREE);
        (void)hcs_lock_byte(hcs_state.fd, F_UNLCK, hcs_slot_offset(hcs_state.slot_index));
    }
    hcs_unlock(&hcs_slow_lock);
}
