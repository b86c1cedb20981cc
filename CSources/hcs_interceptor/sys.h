/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls without libc's wrappers: a wrapper may be interposed by another preload library, may be a cancellation
 * point, or may exist only in a newer glibc (fcntl64, the stat family). Results are >= 0 or -errno.
 */
#ifndef HCS_SYS_H
#define HCS_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define hcs_sys(...)                                                                                                   \
    __extension__({                                                                                                    \
        long hcs_sys_result = syscall(__VA_ARGS__);                                                                    \
        hcs_sys_result < 0 ? -(long)errno : hcs_sys_result;                                                            \
    })

static inline int hcs_open(const char *path, int flags, unsigned mode) {
    return (int)hcs_sys(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static inline void hcs_close(int fd) { (void)hcs_sys(SYS_close, fd); }

static inline int hcs_fstat(int fd, struct stat *ret_stat) { return (int)hcs_sys(SYS_fstat, fd, ret_stat); }

static inline int hcs_stat(const char *path, struct stat *ret_stat) {
    return (int)hcs_sys(SYS_newfstatat, AT_FDCWD, path, ret_stat, 0);
}

static inline uint32_t hcs_getpid(void) { return (uint32_t)hcs_sys(SYS_getpid); }

static inline void hcs_sleep_us(long microseconds) {
    struct timespec t = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000};
    (void)hcs_sys(SYS_nanosleep, &t, NULL);
}

/* One try for a POSIX record lock of one byte; type is F_RDLCK, F_WRLCK or F_UNLCK. */
static inline int hcs_lock_byte(int fd, short type, uint64_t offset) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1};
    return (int)hcs_sys(SYS_fcntl, fd, F_SETLK, &lock);
}

#endif
