/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that Swift cannot make: variadic ones (fcntl, prctl, syscall), function-like macros (WIFEXITED), and
 * those that glibc hides behind _GNU_SOURCE: Swift imports glibc without it, and a header that defined it would give the
 * importer two versions of one struct. Header only. Every function returns 0 or more, or a negative errno.
 */
#ifndef HCS_SYSTEM_H
#define HCS_SYSTEM_H

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal /* Linux 5.1; the same number on every architecture */
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open /* Linux 5.3 */
#define SYS_pidfd_open 434
#endif

#ifndef __USE_GNU /* glibc 2.29 and 2.34; hidden without _GNU_SOURCE */
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
#endif

/* Name of the calling thread, for ps and debuggers; the kernel cuts it after 15 bytes. */
static inline int hcs_name_thread(const char *name) {
    return prctl(PR_SET_NAME, (unsigned long)name, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

/* malloc for a small process whose threads mostly wait: two arenas instead of up to eight for each core, and what is
 * large or free at the end of an arena goes back to the kernel. glibc raises both thresholds to the largest block that
 * was ever freed, unless they are set. Before the first thread. */
static inline int hcs_keep_heap_small(void) {
#ifdef M_ARENA_MAX
    int ok = mallopt(M_ARENA_MAX, 2) && mallopt(M_MMAP_THRESHOLD, 128 << 10) && mallopt(M_TRIM_THRESHOLD, 128 << 10);
    return ok ? 0 : -EINVAL;
#else
    return -ENOSYS;
#endif
}

static inline int hcs_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* An inotify descriptor that becomes readable when something in `directory` is written, made, renamed or removed. */
static inline int hcs_watch_directory(const char *directory) {
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (inotify_add_watch(fd, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* glibc hides struct ucred behind _GNU_SOURCE: the kernel's layout, socket(7). */
struct hcs_peer {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};
_Static_assert(sizeof(struct hcs_peer) == 12, "struct ucred of the kernel");

/* Who is at the other end of a connected unix socket (SO_PEERCRED): as it was when it connected. */
static inline int hcs_peer_credentials(int socket, struct hcs_peer *ret_peer) {
    struct hcs_peer peer = {0};
    socklen_t size = sizeof(peer);
    if (getsockopt(socket, SOL_SOCKET, 17 /* SO_PEERCRED, asm-generic/socket.h */, &peer, &size) < 0)
        return -errno;
    if (size != sizeof(peer))
        return -EPROTO;
    *ret_peer = peer;
    return 0;
}

/* ---- processes ---- */

static inline int hcs_pidfd_open(pid_t pid) {
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

static inline int hcs_pidfd_send_signal(int pidfd, int signal_number) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

static inline int hcs_set_parent_death_signal(int signal_number) {
    return prctl(PR_SET_PDEATHSIG, (unsigned long)signal_number, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

static inline int hcs_set_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

/* Takes every capability but those of `keep` (bit = number) from the process for good: bounding, ambient, permitted,
 * effective and inheritable sets. What it lacks the right to take stays. Capabilities(7), version 3 of the interface. */
static inline int hcs_keep_capabilities(uint64_t keep) {
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2] = {{0, 0, 0}, {0, 0, 0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
    for (unsigned long number = 0; number < 64 && prctl(PR_CAPBSET_READ, number, 0UL, 0UL, 0UL) >= 0; number++)
        if ((keep >> number & 1) == 0)
            prctl(PR_CAPBSET_DROP, number, 0UL, 0UL, 0UL);
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    for (int word = 0; word < 2; word++) {
        data[word].permitted &= (uint32_t)(keep >> (32 * word));
        data[word].effective &= data[word].permitted;
        data[word].inheritable = 0;
    }
    header.version = 0x20080522;
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Answers EPERM to the system calls by which a process changes the machine: modules, mounts, namespaces, tracing, BPF,
 * clocks, reboot. For good, for all threads to come and all children. Needs no-new-privileges. The calls a library makes
 * to its device pass. seccomp(2), classic BPF; another architecture's call numbers (x32, i386) are refused whole. */
static inline int hcs_refuse_administration(void) {
#if defined(__x86_64__)
    const uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
    const uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
    return -ENOSYS;
#endif
    static const uint32_t refused[] = {
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff,
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_ptrace, SYS_process_vm_readv,
        SYS_process_vm_writev, SYS_bpf, SYS_perf_event_open, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
        SYS_sethostname, SYS_setdomainname, SYS_acct, SYS_quotactl, SYS_keyctl, SYS_add_key, SYS_request_key,
        SYS_open_by_handle_at, SYS_syslog,
    };
    enum { COUNT = sizeof(refused) / sizeof(*refused) };
    struct sock_filter program[4 + COUNT + 3];
    unsigned n = 0;
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, COUNT + 3);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    /* x32 calls carry bit 30; no call of either architecture has a number near it. */
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, COUNT + 1, 0);
    for (unsigned i = 0; i < COUNT; i++, n++)
        program[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], (uint8_t)(COUNT - i), 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog filter = {(unsigned short)n, program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (unsigned long)&filter, 0UL, 0UL) < 0 ? -errno : 0;
}

static inline int hcs_set_child_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0 ? -errno : 0;
}

/* Raises the soft limit of open files to `wanted`, never above the hard limit. Returns the limit now in force. */
static inline int64_t hcs_raise_open_files(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            return -errno;
    }
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

/* Core files of this process and its children: none (they would hold tokens and user data). */
static inline int hcs_disable_core_files(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

/* Non-blocking wait. 0: still running; 1: ended, with *ret_code (or -1) and *ret_signal (or 0). */
static inline int hcs_wait_now(pid_t pid, int *ret_code, int *ret_signal) {
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    if (got == 0)
        return 0;
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 1;
}

#define HCS_SPAWN_SETSID 1u
#define HCS_SPAWN_FDS 16

/* Starts `path`. Child's descriptors are exactly fds[0..count-1] as 0, 1, 2, ...: everything else is closed, whatever
 * other threads opened without O_CLOEXEC. Signals are at their defaults and unmasked. The environment is `envp` alone.
 * `directory` may be NULL. Needs glibc 2.34 (closefrom action). */
static inline int hcs_spawn(const char *path, char *const argv[], char *const envp[], const char *directory,
                            const int *fds, int count, unsigned flags, pid_t *ret_pid) {
    int high[HCS_SPAWN_FDS];
    int made = 0, r = 0;
    short spawn_flags = 0x04 | 0x08; /* POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    pid_t pid = -1;

    if (count < 3 || count > HCS_SPAWN_FDS)
        return -EINVAL;
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -r;
    }
    /* Copies above every target: a source that is itself a target number would be overwritten before its turn. */
    for (; made < count && r == 0; made++) {
        high[made] = fcntl(fds[made], F_DUPFD_CLOEXEC, HCS_SPAWN_FDS);
        if (high[made] < 0) {
            r = errno;
            break;
        }
        r = posix_spawn_file_actions_adddup2(&actions, high[made], made);
    }
    if (r == 0)
        r = posix_spawn_file_actions_addclosefrom_np(&actions, count);
    if (r == 0 && directory != NULL)
        r = posix_spawn_file_actions_addchdir_np(&actions, directory);
    sigfillset(&all);
    sigemptyset(&none);
    if (r == 0)
        r = posix_spawnattr_setsigdefault(&attributes, &all);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&attributes, &none);
    if (flags & HCS_SPAWN_SETSID)
        spawn_flags |= 0x80; /* POSIX_SPAWN_SETSID */
    if (r == 0)
        r = posix_spawnattr_setflags(&attributes, spawn_flags);
    if (r == 0)
        r = posix_spawn(&pid, path, &actions, &attributes, argv, envp);
    for (int i = 0; i < made; i++)
        close(high[i]);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        return -r;
    *ret_pid = pid;
    return 0;
}

/* ---- files ---- */

/* The file that the object with this address was loaded from: dladdr(3), whose struct glibc hides like ucred. Valid while
 * the object is loaded; NULL when the loader does not tell. */
struct hcs_dl_info {
    const char *file;
    void *base;
    const char *symbol;
    void *address;
};
#ifndef __USE_GNU
extern int dladdr(const void *, void *) __asm__("dladdr");
#endif
static inline const char *hcs_file_of_address(const void *address) {
    struct hcs_dl_info info = {0};
    return dladdr(address, (void *)&info) != 0 ? info.file : NULL;
}

/* dl_iterate_phdr(3), whose struct glibc hides as well: its first four fields, which are all that is read. */
struct hcs_dl_object {
    uintptr_t address;
    const char *name;
#if __SIZEOF_POINTER__ == 8
    const Elf64_Phdr *headers;
    Elf64_Half count;
#else
    const Elf32_Phdr *headers;
    Elf32_Half count;
#endif
};
extern int hcs_for_each_object(int (*)(struct hcs_dl_object *, size_t, void *), void *) __asm__("dl_iterate_phdr");

struct hcs_idle_code {
    int pagemap;
    uintptr_t page;
    uint64_t freed;
};

/* Lets go of the pages of [at, end) that are present and the file's own: bits 63 and 61 of pagemap. */
static inline void hcs_unmap_unchanged(struct hcs_idle_code *state, uintptr_t at, uintptr_t end) {
    uint64_t entries[512];
    while (at < end) {
        size_t wanted = (end - at) / state->page < 512 ? (end - at) / state->page : 512, run = 0;
        if (pread(state->pagemap, entries, 8 * wanted, (off_t)(at / state->page * 8)) != (ssize_t)(8 * wanted))
            return;
        for (size_t i = 0; i <= wanted; i++) {
            if (i < wanted && (entries[i] >> 61 & 5) == 5) {
                run++;
                continue;
            }
            if (run > 0 && madvise((void *)(at + (i - run) * state->page), run * state->page, MADV_DONTNEED) == 0)
                state->freed += run * state->page;
            run = 0;
        }
        at += wanted * state->page;
    }
}

static inline int hcs_unmap_object(struct hcs_dl_object *object, size_t size, void *data) {
    struct hcs_idle_code *state = data;
    (void)size;
    for (unsigned i = 0; i < object->count; i++) {
        if (object->headers[i].p_type != PT_LOAD || (object->headers[i].p_flags & PF_W) != 0)
            continue;
        uintptr_t start = object->address + object->headers[i].p_vaddr;
        uintptr_t end = start + object->headers[i].p_filesz;
        hcs_unmap_unchanged(state, start & ~(state->page - 1), (end + state->page - 1) & ~(state->page - 1));
    }
    return 0;
}

/* Takes the code and constants of the program and its libraries out of this process's memory. What runs again comes back
 * from the page cache. Pages that are not the file's own (a debugger's or a uprobe's break points, text relocations) stay.
 * The loader's lock is held meanwhile, so that no library is closed and its addresses given to somebody else. Returns the
 * bytes let go. */
static inline int64_t hcs_unmap_idle_code(void) {
    struct hcs_idle_code state = {open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), (uintptr_t)sysconf(_SC_PAGESIZE), 0};
    if (state.pagemap < 0)
        return -errno;
    hcs_for_each_object(hcs_unmap_object, &state);
    close(state.pagemap);
    return (int64_t)state.freed;
}

static inline int hcs_byte_lock(int fd, short type, int command, uint64_t offset, struct flock *lock) {
    memset(lock, 0, sizeof(*lock));
    lock->l_type = type;
    lock->l_whence = SEEK_SET;
    lock->l_start = (off_t)offset;
    lock->l_len = 1;
    return fcntl(fd, command, lock) < 0 ? -errno : 0;
}

/* Takes the exclusive POSIX lock on one byte. -EAGAIN: another process holds it. Note: POSIX locks belong to the
 * process, and closing any descriptor of the file gives all of them back. */
static inline int hcs_lock_byte(int fd, uint64_t offset) {
    struct flock lock;
    int r = hcs_byte_lock(fd, F_WRLCK, F_SETLK, offset, &lock);
    return r == -EACCES ? -EAGAIN : r;
}

static inline int hcs_unlock_byte(int fd, uint64_t offset) {
    struct flock lock;
    return hcs_byte_lock(fd, F_UNLCK, F_SETLK, offset, &lock);
}

/* 1: another process holds a lock on the byte, 0: nobody does. */
static inline int hcs_byte_is_locked(int fd, uint64_t offset) {
    struct flock lock;
    int r = hcs_byte_lock(fd, F_WRLCK, F_GETLK, offset, &lock);
    return r < 0 ? r : lock.l_type != F_UNLCK;
}

/* Compare-and-swap of a counter in the segment, for the repair of a residue. 1 = swapped. */
static inline int hcs_cas_u64(uint64_t *p, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(p, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

#endif
