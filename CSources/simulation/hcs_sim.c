/* SPDX-License-Identifier: Apache-2.0 */
#include "hcs_sim_library.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* flock() excludes open file descriptions, so threads need the mutex beside it, and a forked child, which shares its
 * parent's description, opens the file again. */
static struct {
    pthread_mutex_t mutex;
    struct hcs_sim_host *host;
    char path[4096];
    int fd;
    pid_t fd_owner;
    bool writable;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void fork_prepare(void) {
    pthread_mutex_lock(&state.mutex);
}
static void fork_done(void) {
    pthread_mutex_unlock(&state.mutex);
}

__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(fork_prepare, fork_done, fork_done);
}

static bool looks_valid(const struct hcs_sim_host *host) {
    return hcs_sim_load(&host->magic) == HCS_SIM_MAGIC && host->version == HCS_SIM_VERSION &&
           host->total_size == sizeof(struct hcs_sim_host) && host->device_count <= HCS_SIM_DEVICES;
}

static bool open_state_locked(const char *path) {
    struct stat status;
    bool writable = true;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS)) {
        writable = false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }
    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != (off_t)sizeof(struct hcs_sim_host)) {
        close(fd);
        return false;
    }
    if (state.host == NULL) {
        int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
        void *map = mmap(NULL, sizeof(struct hcs_sim_host), protection, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED || !looks_valid(map)) {
            if (map != MAP_FAILED)
                munmap(map, sizeof(struct hcs_sim_host));
            close(fd);
            return false;
        }
        state.host = map;
        state.writable = writable;
        snprintf(state.path, sizeof state.path, "%s", path);
    }
    state.fd = fd;
    state.fd_owner = getpid();
    return true;
}

static struct hcs_sim_host *attach_locked(void) {
    if (state.host == NULL) {
        const char *path = getenv(HCS_SIM_ENV);
        if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof state.path)
            return NULL;
        if (!open_state_locked(path))
            return NULL;
    } else if (state.fd_owner != getpid()) {
        if (state.fd >= 0)
            close(state.fd);
        state.fd = -1;
        if (!open_state_locked(state.path))
            state.fd_owner = getpid(); /* goes on without the lock */
    }
    return state.host;
}

struct hcs_sim_host *hcs_sim_attach(void) {
    pthread_mutex_lock(&state.mutex);
    struct hcs_sim_host *host = attach_locked();
    pthread_mutex_unlock(&state.mutex);
    return host;
}

static struct hcs_sim_host *lock_host(void) {
    pthread_mutex_lock(&state.mutex);
    struct hcs_sim_host *host = attach_locked();
    if (host == NULL) {
        pthread_mutex_unlock(&state.mutex);
        return NULL;
    }
    while (state.fd >= 0 && flock(state.fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return host;
}

static void unlock_host(void) {
    if (state.fd >= 0)
        flock(state.fd, LOCK_UN);
    pthread_mutex_unlock(&state.mutex);
}

/* Devices */

static uint32_t device_count(const struct hcs_sim_host *host) {
    uint32_t count = __atomic_load_n(&host->device_count, __ATOMIC_ACQUIRE);
    return count <= HCS_SIM_DEVICES ? count : HCS_SIM_DEVICES;
}

uint32_t hcs_sim_count(uint32_t vendor) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    uint32_t count = 0;
    for (uint32_t i = 0; host != NULL && i < device_count(host); i++)
        count += host->devices[i].vendor == vendor;
    return count;
}

bool hcs_sim_find(uint32_t vendor, uint32_t index, struct hcs_sim_view *ret) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    for (uint32_t i = 0; host != NULL && i < device_count(host); i++) {
        if (host->devices[i].vendor != vendor || host->devices[i].index != index)
            continue;
        *ret = (struct hcs_sim_view){.device = &host->devices[i], .position = i};
        return true;
    }
    return false;
}

/* A host without a card of a vendor has no driver of that vendor loaded. */
bool hcs_sim_driver_present(uint32_t vendor) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    if (host == NULL || (hcs_sim_library_faults(host, vendor) & HCS_SIM_LIBRARY_INIT_FAILS) != 0)
        return false;
    return hcs_sim_count(vendor) > 0;
}

bool hcs_sim_has_fault(const struct hcs_sim_device *device, uint64_t fault) {
    return (hcs_sim_load(&device->faults) & fault) != 0;
}

void hcs_sim_gate(uint32_t vendor) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    if (host == NULL)
        return;
    if ((hcs_sim_library_faults(host, vendor) & HCS_SIM_LIBRARY_CRASHES) != 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    while ((hcs_sim_library_faults(host, vendor) & HCS_SIM_LIBRARY_HANGS) != 0) {
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
}

void hcs_sim_name(const struct hcs_sim_device *device, char *out, size_t size) {
    if (size == 0)
        return;
    size_t length = strnlen(device->name, sizeof device->name);
    if (length >= size)
        length = size - 1;
    memcpy(out, device->name, length);
    out[length] = '\0';
}

void hcs_sim_uuid_text(const struct hcs_sim_device *device, char out[HCS_SIM_UUID_TEXT]) {
    const uint8_t *u = device->uuid;
    snprintf(out, HCS_SIM_UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* Processes */

/* Reads state and start time of /proc/<pid>/stat. 1 = read, 0 = no such process, -1 = cannot tell. */
static int read_process(uint32_t pid, char *ret_state, uint64_t *ret_start) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kill((pid_t)pid, 0) != 0 && errno == ESRCH ? 0 : -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return kill((pid_t)pid, 0) != 0 && errno == ESRCH ? 0 : -1;
    text[n] = '\0';
    char *field = strrchr(text, ')'); /* the command name may hold anything, ')' included */
    if (field == NULL || field[1] != ' ')
        return -1;
    *ret_state = field[2];
    for (int i = 2; i < 22; i++) { /* from ')' before field 3 to the blank before field 22 */
        field = strchr(field + 1, ' ');
        if (field == NULL)
            return -1;
    }
    *ret_start = strtoull(field + 1, NULL, 10);
    return 1;
}

static bool is_dead(const struct hcs_sim_process *process) {
    char run_state = 0;
    uint64_t start = 0;
    if (process->pid > INT32_MAX)
        return true;
    int known = read_process(process->pid, &run_state, &start);
    if (known <= 0)
        return known == 0;
    return run_state == 'Z' || run_state == 'X' || start != process->start_time;
}

static bool is_live(struct hcs_sim_process *process) {
    if (__atomic_load_n(&process->pid, __ATOMIC_ACQUIRE) == 0)
        return false;
    if (process->pid == (uint32_t)getpid() || !is_dead(process))
        return true;
    if (state.writable)
        memset(process, 0, sizeof *process);
    return false;
}

static uint64_t add(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t used_locked(struct hcs_sim_host *host, uint32_t position) {
    uint64_t used = hcs_sim_load(&host->devices[position].used_elsewhere);
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        struct hcs_sim_process *process = &host->processes[i];
        if (process->pid != 0 && process->usage[position].charged != 0 && is_live(process)) {
            used = add(used, process->usage[position].charged);
        }
    }
    return used;
}

uint64_t hcs_sim_used(uint32_t position) {
    struct hcs_sim_host *host = lock_host();
    if (host == NULL)
        return 0;
    uint64_t used = used_locked(host, position);
    uint64_t memory = host->devices[position].memory;
    unlock_host();
    return used < memory ? used : memory;
}

uint32_t hcs_sim_holders(uint32_t position, struct hcs_sim_holder *out, uint32_t capacity) {
    struct hcs_sim_host *host = lock_host();
    uint32_t count = 0;
    if (host == NULL)
        return 0;
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        struct hcs_sim_process *process = &host->processes[i];
        if (process->pid == 0 || process->usage[position].count == 0 || !is_live(process))
            continue;
        if (count < capacity)
            out[count] = (struct hcs_sim_holder){process->pid, process->usage[position].charged};
        count++;
    }
    unlock_host();
    return count;
}

/* The row of this process; with `make`, a new one where there is none. A row left by an earlier owner of this pid
 * counts as nobody's. */
static struct hcs_sim_process *own_row_locked(struct hcs_sim_host *host, bool make) {
    static pid_t known_pid;
    static uint64_t start_time;
    char run_state;
    uint32_t pid = (uint32_t)getpid();
    struct hcs_sim_process *free_row = NULL;
    if (known_pid != (pid_t)pid) {
        if (read_process(pid, &run_state, &start_time) != 1)
            start_time = 0;
        known_pid = (pid_t)pid;
    }
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        struct hcs_sim_process *process = &host->processes[i];
        if (process->pid == pid) {
            if (process->start_time == start_time)
                return process;
            memset(process, 0, sizeof *process);
        }
        if (process->pid == 0 && free_row == NULL)
            free_row = process;
    }
    for (uint32_t i = 0; make && free_row == NULL && i < HCS_SIM_PROCESSES; i++) {
        if (!is_live(&host->processes[i]))
            free_row = &host->processes[i];
    }
    if (!make || free_row == NULL)
        return NULL;
    memset(free_row, 0, sizeof *free_row);
    free_row->start_time = start_time;
    __atomic_store_n(&free_row->pid, pid, __ATOMIC_RELEASE);
    return free_row;
}

static bool round_up(uint64_t bytes, uint64_t granularity, uint64_t *ret) {
    uint64_t rest = granularity > 1 ? bytes % granularity : 0;
    return !__builtin_add_overflow(bytes, rest == 0 ? 0 : granularity - rest, ret);
}

enum hcs_sim_result hcs_sim_charge(uint32_t position, uint64_t bytes, uint64_t *ret_charged) {
    struct hcs_sim_host *host = lock_host();
    enum hcs_sim_result result = HCS_SIM_OK;
    uint64_t charged = 0;
    if (host == NULL)
        return HCS_SIM_NO_DRIVER;
    const struct hcs_sim_device *device = &host->devices[position];
    struct hcs_sim_process *row = NULL;
    if (!state.writable) {
        result = HCS_SIM_NO_DEVICE;
    } else if (hcs_sim_has_fault(device, HCS_SIM_FAULT_LOST)) {
        result = HCS_SIM_LOST;
    } else if (!round_up(bytes, device->granularity, &charged) ||
               add(used_locked(host, position), charged) > device->memory ||
               (row = own_row_locked(host, true)) == NULL) {
        result = HCS_SIM_OUT_OF_MEMORY;
    } else {
        row->usage[position].requested += bytes;
        row->usage[position].charged += charged;
        row->usage[position].count += 1;
        *ret_charged = charged;
    }
    unlock_host();
    return result;
}

void hcs_sim_discharge(uint32_t position, uint64_t bytes, uint64_t charged) {
    struct hcs_sim_host *host = lock_host();
    if (host == NULL)
        return;
    struct hcs_sim_process *row = state.writable ? own_row_locked(host, false) : NULL;
    if (row != NULL) {
        struct hcs_sim_usage *usage = &row->usage[position];
        uint64_t held = 0;
        usage->requested -= bytes < usage->requested ? bytes : usage->requested;
        usage->charged -= charged < usage->charged ? charged : usage->charged;
        usage->count -= usage->count > 0;
        for (uint32_t i = 0; i < HCS_SIM_DEVICES; i++)
            held |= row->usage[i].count;
        if (held == 0)
            __atomic_store_n(&row->pid, 0, __ATOMIC_RELEASE);
    }
    unlock_host();
}
