/* SPDX-License-Identifier: Apache-2.0
 *
 * The process table: what each process holds of each simulated device. This is the driver's own truth.
 */
#include "hcs_sim_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who this process is, asked once per pid. */
static struct {
    pid_t pid;
    uint64_t start_time;
    uint64_t image;
    uint64_t pid_namespace;
    bool sees_pids; /* /proc is that of the own namespace */
} self;

struct stat_line {
    char state;
    uint64_t start_time;
    uint64_t image;
};

/* State, start time and start of the stack from a stat file. 1 = read, 0 = no such file, -1 = cannot tell. */
static int read_stat(const char *path, struct stat_line *ret) {
    char text[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return n < 0 && errno == ESRCH ? 0 : -1;
    text[n] = '\0';
    char *field = strrchr(text, ')'); /* the command name may hold anything, ')' included */
    if (field == NULL || field[1] != ' ')
        return -1;
    ret->state = field[2];
    for (int i = 2; i < 28; i++) { /* from ')' before field 3 to the blank before field 28 */
        field = strchr(field + 1, ' ');
        if (field == NULL)
            return -1;
        if (i == 21)
            ret->start_time = strtoull(field + 1, NULL, 10);
    }
    ret->image = strtoull(field + 1, NULL, 10); /* 0 or 1 where we may not trace the process */
    return 1;
}

static void know_self(void) {
    struct stat_line line = {0};
    struct stat status;
    char text[24];
    if (self.pid == getpid())
        return;
    self.pid = getpid();
    if (read_stat("/proc/self/stat", &line) != 1)
        line = (struct stat_line){0};
    self.start_time = line.start_time;
    self.image = line.image > 1 ? line.image : 0;
    self.pid_namespace = stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
    ssize_t n = readlink("/proc/self", text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    self.sees_pids = n > 0 && strtol(text, NULL, 10) == (long)self.pid;
}

/* The pid, in our namespace, of whoever locks the row; 0 = locked by somebody we cannot see, -1 = by nobody else. */
static pid_t lock_owner(const struct hcs_sim_host *host, const struct hcs_sim_process *process) {
    off_t offset = (const char *)process - (const char *)host;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    if (hcs_sim_file() < 0 || fcntl(hcs_sim_file(), F_GETLK, &lock) != 0)
        return 0;
    if (lock.l_type == F_UNLCK)
        return -1;
    return lock.l_pid > 0 ? lock.l_pid : 0;
}

static bool is_of_our_namespace(const struct hcs_sim_process *process) {
    return process->pid_namespace == 0 || process->pid_namespace == self.pid_namespace;
}

static bool is_dead(const struct hcs_sim_host *host, const struct hcs_sim_process *process) {
    struct stat_line line = {0};
    char path[32];
    if (process->pid > INT32_MAX)
        return true;
    if (!is_of_our_namespace(process) || (!self.sees_pids && process->pid_namespace != 0))
        return lock_owner(host, process) < 0;
    snprintf(path, sizeof path, "/proc/%u/stat", process->pid);
    int known = read_stat(path, &line);
    if (known <= 0)
        return kill((pid_t)process->pid, 0) != 0 && errno == ESRCH;
    if (line.image > 1 && process->image != 0 && line.image != process->image)
        return true; /* exec() gave the memory back */
    return line.state == 'Z' || line.state == 'X' || line.start_time != process->start_time;
}

static bool is_self(const struct hcs_sim_process *process) {
    return process->pid == (uint32_t)self.pid && is_of_our_namespace(process) &&
           process->start_time == self.start_time && process->image == self.image;
}

static bool is_live(const struct hcs_sim_host *host, struct hcs_sim_process *process) {
    if (__atomic_load_n(&process->pid, __ATOMIC_ACQUIRE) == 0)
        return false;
    if (is_self(process) || !is_dead(host, process))
        return true;
    if (hcs_sim_writable())
        memset(process, 0, sizeof *process);
    return false;
}

static uint64_t add(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint32_t row_count(const struct hcs_sim_host *host) {
    uint64_t rows = hcs_sim_load(&host->process_rows);
    return rows < HCS_SIM_PROCESSES ? (uint32_t)rows : HCS_SIM_PROCESSES;
}

/* The device that a position is, or is a part of. */
static const struct hcs_sim_device *device_of(const struct hcs_sim_host *host, uint32_t position, uint32_t *ret_device,
                                              const struct hcs_sim_mig **ret_mig) {
    uint32_t count = hcs_sim_device_count(host);
    *ret_mig = NULL;
    *ret_device = position;
    if (position < count)
        return &host->devices[position];
    for (uint32_t i = 0; i < count; i++) {
        const struct hcs_sim_device *device = &host->devices[i];
        for (uint32_t k = 0; k < device->mig_count && k < HCS_SIM_MIGS; k++) {
            if (device->migs[k].position != position)
                continue;
            *ret_mig = &device->migs[k];
            *ret_device = i;
            return device;
        }
    }
    return NULL;
}

/* With `check`, the dead are dropped first; without, their memory counts. */
static uint64_t used_locked(struct hcs_sim_host *host, uint32_t position, bool check) {
    uint64_t used = position < hcs_sim_device_count(host) ? hcs_sim_load(&host->devices[position].used_elsewhere) : 0;
    for (uint32_t i = 0; i < row_count(host); i++) {
        struct hcs_sim_process *process = &host->processes[i];
        if (process->pid != 0 && process->usage[position].charged != 0 && (!check || is_live(host, process)))
            used = add(used, process->usage[position].charged);
    }
    return used;
}

static bool fits(struct hcs_sim_host *host, uint32_t position, uint64_t memory, uint64_t more) {
    return add(used_locked(host, position, false), more) <= memory ||
           add(used_locked(host, position, true), more) <= memory;
}

uint64_t hcs_sim_used(uint32_t position) {
    const struct hcs_sim_mig *mig;
    uint32_t whole;
    struct hcs_sim_host *host = hcs_sim_lock();
    if (host == NULL)
        return 0;
    know_self();
    const struct hcs_sim_device *device = device_of(host, position, &whole, &mig);
    uint64_t memory = device == NULL ? 0 : mig != NULL ? mig->memory : device->memory;
    uint64_t used = device == NULL ? 0 : used_locked(host, position, true);
    hcs_sim_unlock();
    return used < memory ? used : memory;
}

/* A process of another namespace has the pid that its lock shows here; one that we cannot see is left out, as the real
 * management libraries leave it out in a container. */
uint32_t hcs_sim_holders(uint32_t position, struct hcs_sim_holder *out, uint32_t capacity) {
    struct hcs_sim_host *host = hcs_sim_lock();
    uint32_t count = 0;
    if (host == NULL)
        return 0;
    know_self();
    for (uint32_t i = 0; i < row_count(host); i++) {
        struct hcs_sim_process *process = &host->processes[i];
        const struct hcs_sim_usage *usage = &process->usage[position];
        if (process->pid == 0 || (usage->count == 0 && usage->charged == 0) || !is_live(host, process))
            continue;
        pid_t pid = is_of_our_namespace(process) ? (pid_t)process->pid : lock_owner(host, process);
        if (pid <= 0)
            continue;
        if (count < capacity)
            out[count] = (struct hcs_sim_holder){(uint32_t)pid, usage->charged, process->flags};
        count++;
    }
    hcs_sim_unlock();
    return count;
}

/* F_WRLCK or F_UNLCK. The lock goes with the process, whatever ends it, and with any descriptor of the file that it
 * closes. */
static void lock_row(const struct hcs_sim_host *host, const struct hcs_sim_process *process, short type) {
    off_t offset = (const char *)process - (const char *)host;
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    if (hcs_sim_file() >= 0)
        (void)fcntl(hcs_sim_file(), F_SETLK, &lock);
}

static struct hcs_sim_process *claim_locked(struct hcs_sim_host *host, struct hcs_sim_process *row) {
    memset(row, 0, sizeof *row);
    lock_row(host, row, F_WRLCK);
    row->flags = getenv("CUDA_MPS_PIPE_DIRECTORY") != NULL ? HCS_SIM_PROCESS_MPS : 0;
    row->start_time = self.start_time;
    row->pid_namespace = self.pid_namespace;
    row->image = self.image;
    uint64_t rows = (uint64_t)(row - host->processes) + 1;
    if (hcs_sim_load(&host->process_rows) < rows)
        hcs_sim_store(&host->process_rows, rows);
    __atomic_store_n(&row->pid, (uint32_t)self.pid, __ATOMIC_RELEASE);
    return row;
}

/* The row of this process; with `make`, a new one where there is none. A row left by an earlier owner of this pid, or
 * by this process before exec(), counts as nobody's. */
static struct hcs_sim_process *own_row_locked(struct hcs_sim_host *host, bool make) {
    static struct hcs_sim_process *known;
    static unsigned locked_at; /* which opening of the file the lock went through */
    struct hcs_sim_process *free_row = NULL;
    know_self();
    uint32_t rows = row_count(host);
    if (known == NULL || !is_self(known)) {
        known = NULL;
        locked_at = 0;
    }
    for (uint32_t i = 0; known == NULL && i < rows; i++) {
        struct hcs_sim_process *process = &host->processes[i];
        if (is_self(process))
            known = process;
        else if (process->pid == (uint32_t)self.pid && is_of_our_namespace(process))
            memset(process, 0, sizeof *process);
        if (process->pid == 0 && free_row == NULL)
            free_row = process;
    }
    if (known == NULL && make) {
        if (free_row == NULL && rows < HCS_SIM_PROCESSES)
            free_row = &host->processes[rows];
        for (uint32_t i = 0; free_row == NULL && i < rows; i++) {
            if (!is_live(host, &host->processes[i]))
                free_row = &host->processes[i];
        }
        if (free_row != NULL)
            known = claim_locked(host, free_row);
    }
    if (known != NULL && locked_at != hcs_sim_openings()) {
        lock_row(host, known,
                 F_WRLCK); /* a second library of this process, or a descriptor that was closed and opened again */
        locked_at = hcs_sim_openings();
    }
    return known;
}

static bool holds_nothing(const struct hcs_sim_process *row) {
    for (uint32_t i = 0; i < HCS_SIM_DEVICES; i++) {
        if (row->usage[i].count != 0 || row->usage[i].charged != 0)
            return false;
    }
    return true;
}

static void take_locked(struct hcs_sim_usage *usage, struct hcs_sim_usage delta) {
    usage->requested += delta.requested;
    usage->charged += delta.charged;
    usage->count += delta.count;
}

static void give_locked(struct hcs_sim_usage *usage, struct hcs_sim_usage delta) {
    usage->requested -= delta.requested < usage->requested ? delta.requested : usage->requested;
    usage->charged -= delta.charged < usage->charged ? delta.charged : usage->charged;
    usage->count -= delta.count < usage->count ? delta.count : usage->count;
}

enum hcs_sim_result hcs_sim_take(uint32_t position, struct hcs_sim_usage delta) {
    const struct hcs_sim_mig *mig;
    uint32_t whole;
    struct hcs_sim_host *host = hcs_sim_lock();
    if (host == NULL)
        return HCS_SIM_NO_DRIVER;
    know_self();
    const struct hcs_sim_device *device = device_of(host, position, &whole, &mig);
    struct hcs_sim_process *row = NULL;
    enum hcs_sim_result result = HCS_SIM_OK;
    if (!hcs_sim_writable() || device == NULL) {
        result = HCS_SIM_NO_DEVICE;
    } else if (hcs_sim_has_fault(device, HCS_SIM_FAULT_LOST)) {
        result = HCS_SIM_LOST;
    } else if (!fits(host, whole, device->memory, delta.charged) ||
               (mig != NULL && !fits(host, position, mig->memory, delta.charged)) ||
               (row = own_row_locked(host, true)) == NULL) {
        result = HCS_SIM_OUT_OF_MEMORY;
    } else {
        take_locked(&row->usage[position], delta);
        if (whole != position)
            take_locked(&row->usage[whole], delta);
    }
    hcs_sim_unlock();
    return result;
}

void hcs_sim_give(uint32_t position, struct hcs_sim_usage delta) {
    const struct hcs_sim_mig *mig;
    uint32_t whole;
    struct hcs_sim_host *host = hcs_sim_lock();
    if (host == NULL)
        return;
    const struct hcs_sim_device *device = device_of(host, position, &whole, &mig);
    struct hcs_sim_process *row = hcs_sim_writable() && device != NULL ? own_row_locked(host, false) : NULL;
    if (row != NULL) {
        give_locked(&row->usage[position], delta);
        if (whole != position)
            give_locked(&row->usage[whole], delta);
        if (holds_nothing(row)) {
            __atomic_store_n(&row->pid, 0, __ATOMIC_RELEASE);
            lock_row(host, row, F_UNLCK);
        }
    }
    hcs_sim_unlock();
}
