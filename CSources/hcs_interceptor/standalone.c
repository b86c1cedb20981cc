/* SPDX-License-Identifier: Apache-2.0
 *
 * A segment without an agent: made by the first process that has HCS_VRAM_QUOTA and no HCS_SEGMENT, joined by others of the
 * same name, removed by the last.
 *
 * The file appears under its name complete (linked from a temporary name). Every user holds a read lock on one byte for
 * life. Whoever can write-lock that byte is alone: at the end it removes the file, at the start it removes what a killed job
 * left behind. Both happen under the write lock, and a process that got its read lock looks whether the name still leads
 * to the file it has; if not it starts over.
 */
#include <string.h>
#include <sys/mman.h>

#include "hook.h"
#include "quota.h"
#include "sys.h"

#define INITIAL_PID_NAMESPACE 4026531836u    /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define INITIAL_CGROUP_NAMESPACE 4026531835u /* PROC_CGROUP_INIT_INO */
#define TRIES 100

static int is_name(const char *name) {
    size_t length = 0;
    for (; name[length]; length++) {
        char c = name[length];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-'))
            return 0;
    }
    return length > 0 && length < HCS_UUID_BYTES;
}

static int in_own_namespace(const char *path, uint64_t initial) {
    struct stat namespace;
    return hcs_stat(path, &namespace) == 0 && namespace.st_ino != initial;
}

static uint64_t random_number(void) {
    uint64_t value = 0;
    if (hcs_sys(SYS_getrandom, &value, sizeof value, 0) == sizeof value)
        return value;
    int fd = hcs_open("/dev/urandom", O_RDONLY, 0);
    if (fd >= 0) {
        (void)hcs_sys(SYS_read, fd, &value, sizeof value);
        hcs_close(fd);
    }
    return value ^ ((uint64_t)hcs_getpid() << 32);
}

static void append_hex(char *text, uint64_t value) {
    char *out = text + strlen(text);
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[value >> shift & 15];
    *out = '\0';
}

int hcs_standalone_name(const char *job, char *ret_name, size_t capacity) {
    (void)capacity;
    if (job) {
        if (!is_name(job))
            return -EINVAL;
        memcpy(ret_name, job, strlen(job) + 1);
    } else if (in_own_namespace("/proc/self/ns/pid", INITIAL_PID_NAMESPACE) ||
               in_own_namespace("/proc/self/ns/cgroup", INITIAL_CGROUP_NAMESPACE)) {
        memcpy(ret_name, "container", sizeof "container");
    } else {
        ret_name[0] = '\0';
        append_hex(ret_name, random_number());
    }
    return 0;
}

static size_t directory_and_prefix(char *ret_path) {
    struct hcs_decimal number;
    memcpy(ret_path, "/dev/shm/hcs-", sizeof "/dev/shm/hcs-");
    strcat(ret_path, hcs_decimal((uint64_t)hcs_sys(SYS_geteuid), &number));
    strcat(ret_path, "-");
    return strlen(ret_path);
}

const char *hcs_standalone_name_in(const char *path) {
    char prefix[64];
    size_t length = directory_and_prefix(prefix);
    return strncmp(path, prefix, length) == 0 && is_name(path + length) ? path + length : NULL;
}

/* --- making ------------------------------------------------------------------------------------------------------------- */

static int fill(int fd, const char *name, const char *quota, uint64_t total) {
    long r = hcs_sys(SYS_fchmod, fd, 0600); /* whatever the umask is */
    if (r == 0)
        r = hcs_sys(SYS_ftruncate, fd, sizeof(struct hcs_segment));
    /* Pages that cannot be had later would be a SIGBUS in the workload. */
    long reserved = r == 0 ? hcs_sys(SYS_fallocate, fd, 0, (off_t)0, (off_t)sizeof(struct hcs_segment)) : 0;
    if (r < 0 || (reserved < 0 && reserved != -EOPNOTSUPP && reserved != -ENOSYS))
        return (int)(r < 0 ? r : reserved);
    struct hcs_segment *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (s == MAP_FAILED)
        return -ENOMEM;
    s->version_major = HCS_SEGMENT_VERSION_MAJOR;
    s->version_minor = HCS_SEGMENT_VERSION_MINOR;
    s->total_size = sizeof *s;
    s->device_capacity = HCS_SEGMENT_DEVICES;
    s->slot_capacity = HCS_SEGMENT_SLOTS;
    s->device_size = sizeof(struct hcs_segment_device);
    s->slot_size = sizeof(struct hcs_segment_slot);
    s->origin = HCS_ORIGIN_STANDALONE;
    memcpy(s->workload, name, strlen(name) + 1);
    memcpy(s->quota, quota, strlen(quota) + 1);
    s->total_limit = total;
    hcs_store_u64(&s->magic, HCS_SEGMENT_MAGIC);
    munmap(s, sizeof *s);
    return 0;
}

/* A complete file under the name: its descriptor, present in it; -EEXIST when another process was faster. */
static int make(const char *path, const char *name, const char *quota, uint64_t total) {
    char temporary[192];
    memcpy(temporary, path, strlen(path) + 1);
    strcat(temporary, ".new-");
    append_hex(temporary, random_number());
    int fd = hcs_open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fd;
    fd = hcs_segment_raise(fd);
    int r = fill(fd, name, quota, total);
    if (r == 0)
        r = hcs_lock_byte(fd, F_RDLCK, HCS_PRESENCE_BYTE);
    if (r == 0)
        r = (int)hcs_sys(SYS_linkat, AT_FDCWD, temporary, AT_FDCWD, path, 0);
    (void)hcs_sys(SYS_unlinkat, AT_FDCWD, temporary, 0);
    if (r < 0) {
        hcs_close(fd);
        return r;
    }
    return fd;
}

/* --- joining ------------------------------------------------------------------------------------------------------------ */

static int owned_by_us(int fd) {
    struct stat file;
    return hcs_fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == (uint64_t)hcs_sys(SYS_geteuid);
}

/* Removes what a job left whose processes are all gone; *fd stays open and is useless then. 1 = removed. */
static int remove_leftover(int fd, const char *path) {
    const char *what;
    if (hcs_lock_byte(fd, F_WRLCK, HCS_PRESENCE_BYTE) < 0)
        return 0;
    struct hcs_segment *before = hcs_state.map;
    int usable = hcs_segment_map(fd, path, &what) == 0;
    int live = 0;
    if (usable) {
        /* A program that closed every descriptor is here without a lock. */
        (void)hcs_segment_reap_locked(fd);
        live = hcs_segment_has_live_slots(-1);
        munmap(hcs_state.map, sizeof(struct hcs_segment));
        hcs_state.map = before;
        hcs_state.fd = -1;
    }
    if (live || !hcs_segment_is_at(path, fd))
        return 0;
    (void)hcs_sys(SYS_unlinkat, AT_FDCWD, path, 0);
    return 1;
}

/* A shell ends by _exit, a kill runs nothing: files of such jobs stay, and one with a random name meets no successor. So who
 * starts a job looks for them. Called while this process has no segment yet; the number of files looked at is bounded. */
void hcs_standalone_sweep(void) {
    char prefix[64], path[64 + HCS_UUID_BYTES];
    size_t length = directory_and_prefix(prefix);
    const char *start = strrchr(prefix, '/') + 1;
    char entries[4096] __attribute__((aligned(8)));
    int directory = hcs_open("/dev/shm", O_RDONLY | O_DIRECTORY, 0);
    long n = directory < 0 ? -1 : hcs_sys(SYS_getdents64, directory, entries, sizeof entries);
    for (int reads = 0, looked = 0; n > 0 && reads < 16; reads++) {
        for (long at = 0; at < n && looked < 64;) {
            const char *entry = entries + at; /* struct linux_dirent64: the length at 16, the name at 19 */
            const char *name = entry + 19;
            at += *(const uint16_t *)(const void *)(entry + 16);
            if (strncmp(name, start, strlen(start)) != 0 || !is_name(name + strlen(start)) || strstr(name, ".new-"))
                continue;
            looked++;
            memcpy(path, prefix, length);
            strcpy(path + length, name + strlen(start));
            int fd = hcs_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
            if (fd < 0)
                continue;
            if (owned_by_us(fd))
                (void)remove_leftover(fd, path);
            hcs_close(fd);
        }
        n = hcs_sys(SYS_getdents64, directory, entries, sizeof entries);
    }
    if (directory >= 0)
        hcs_close(directory);
}

/* 0 with the segment mapped; -EAGAIN: the file went away, start over. */
static int join(int fd, const char *path, const char *quota, const char **ret_what, const char **ret_detail) {
    if (!owned_by_us(fd)) {
        *ret_what = "the job's segment belongs to another user or is no file";
        *ret_detail = path;
        return -EPERM;
    }
    if (remove_leftover(fd, path))
        return -EAGAIN;
    int r = hcs_segment_be_present(fd, path);
    if (r < 0) {
        *ret_what = "the job's segment is locked";
        *ret_detail = path;
        return r == -ENOENT ? -EAGAIN : r;
    }
    r = hcs_segment_map(fd, path, ret_what);
    if (r < 0)
        return r;
    if (strncmp(hcs_state.map->quota, quota, sizeof hcs_state.map->quota) != 0) {
        static char other[sizeof hcs_state.map->quota];
        memcpy(other, hcs_state.map->quota, sizeof other - 1);
        hcs_state.map = NULL;
        hcs_state.fd = -1;
        *ret_what = "a job of this name is running with another quota";
        *ret_detail = other;
        return -EEXIST;
    }
    return 0;
}

static int open_or_make(const char *path, const char *name, const char *quota, uint64_t total, const char **ret_what,
                        const char **ret_detail) {
    int fd = hcs_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd == -ENOENT) {
        fd = make(path, name, quota, total);
        if (fd == -EEXIST)
            return -EAGAIN;
        if (fd >= 0) {
            int r = hcs_segment_map(fd, path, ret_what);
            if (r < 0)
                hcs_close(fd);
            return r;
        }
    }
    if (fd < 0) {
        static struct hcs_decimal number;
        *ret_what = "the job's segment cannot be made or opened in /dev/shm";
        *ret_detail = hcs_error_name(fd, &number);
        return fd;
    }
    fd = hcs_segment_raise(fd);
    int r = join(fd, path, quota, ret_what, ret_detail);
    if (r < 0)
        hcs_close(fd);
    return r;
}

int hcs_standalone_open(const char *quota, const char *name, const char **ret_what, const char **ret_detail) {
    struct hcs_quota parsed;
    struct hcs_quota_error error;
    if (hcs_quota_parse(quota, &parsed, &error) < 0) {
        static char where[32] = "at byte ";
        static struct hcs_decimal number;
        memcpy(where + 8, hcs_decimal(error.offset, &number), 8);
        *ret_what = error.what;
        *ret_detail = where;
        return -EINVAL;
    }
    char path[128], own_name[HCS_UUID_BYTES];
    memcpy(own_name, name, strlen(name) + 1); /* may lie in hcs_state.path */
    directory_and_prefix(path);
    strcat(path, own_name);
    int r = -EAGAIN;
    for (int i = 0; r == -EAGAIN && i < TRIES; i++)
        r = open_or_make(path, own_name, quota, parsed.total, ret_what, ret_detail);
    if (r == -EAGAIN)
        *ret_what = "the job's segment in /dev/shm comes and goes";
    return r;
}

/* --- leaving ------------------------------------------------------------------------------------------------------------ */

/* Write-locks the presence byte if nobody else is present. Our own read lock goes first: were it kept, two that leave at
 * the same time would each see the other and both go. Another's write lock is one that leaves or joins, and is short. */
static int be_alone(int fd) {
    (void)hcs_lock_byte(fd, F_UNLCK, HCS_PRESENCE_BYTE);
    for (int tries = 0; tries < 100; tries++) {
        if (hcs_lock_byte(fd, F_WRLCK, HCS_PRESENCE_BYTE) == 0)
            return 1;
        struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = HCS_PRESENCE_BYTE, .l_len = 1};
        if (hcs_sys(SYS_fcntl, fd, F_GETLK, &other) < 0 || other.l_type == F_RDLCK)
            return 0;
        hcs_sleep_us(200);
    }
    return 0;
}

void hcs_standalone_leave(void) {
    if (!hcs_standalone_name_in(hcs_state.path))
        return; /* a file that was not named here is not removed here */
    hcs_lock(&hcs_slow_lock);
    int fd = hcs_segment_fd();
    if (fd >= 0 && be_alone(fd)) {
        (void)hcs_segment_reap_locked(fd);
        int own = hcs_state.slot ? (int)hcs_state.slot_index : -1;
        if (!hcs_segment_has_live_slots(own) && hcs_segment_is_at(hcs_state.path, fd))
            (void)hcs_sys(SYS_unlinkat, AT_FDCWD, hcs_state.path, 0);
        (void)hcs_lock_byte(fd, F_UNLCK, HCS_PRESENCE_BYTE);
    }
    hcs_unlock(&hcs_slow_lock);
}
