/* SPDX-License-Identifier: Apache-2.0 */
#include "hcs_sim_private.h"

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
    unsigned openings; /* a number may come back, with no lock behind it */
    dev_t device;
    ino_t inode;
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
        __atomic_store_n(&state.host, map, __ATOMIC_RELEASE);
        state.writable = writable;
        snprintf(state.path, sizeof state.path, "%s", path);
    }
    state.fd = fd;
    state.openings++;
    state.fd_owner = getpid();
    state.device = status.st_dev;
    state.inode = status.st_ino;
    return true;
}

/* A daemon closes every descriptor, and the number may be another file's by now. */
static bool still_ours(void) {
    struct stat status;
    return fstat(state.fd, &status) == 0 && status.st_dev == state.device && status.st_ino == state.inode;
}

/* `check`: the descriptor is about to be used. */
static struct hcs_sim_host *attach_locked(bool check) {
    if (state.host == NULL) {
        const char *path = getenv(HCS_SIM_ENV);
        if (path == NULL || path[0] == '\0' || strlen(path) >= sizeof state.path)
            return NULL;
        if (!open_state_locked(path))
            return NULL;
    } else if (state.fd_owner != getpid() || (check && state.fd >= 0 && !still_ours())) {
        if (state.fd >= 0 && still_ours())
            close(state.fd);
        state.fd = -1;
        if (!open_state_locked(state.path))
            state.fd_owner = getpid(); /* goes on without the lock */
    }
    return state.host;
}

struct hcs_sim_host *hcs_sim_attach(void) {
    pthread_mutex_lock(&state.mutex);
    struct hcs_sim_host *host = attach_locked(false);
    pthread_mutex_unlock(&state.mutex);
    return host;
}

struct hcs_sim_host *hcs_sim_lock(void) {
    pthread_mutex_lock(&state.mutex);
    struct hcs_sim_host *host = attach_locked(true);
    if (host == NULL) {
        pthread_mutex_unlock(&state.mutex);
        return NULL;
    }
    while (state.fd >= 0 && flock(state.fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return host;
}

void hcs_sim_unlock(void) {
    if (state.fd >= 0)
        flock(state.fd, LOCK_UN);
    pthread_mutex_unlock(&state.mutex);
}

int hcs_sim_file(void) {
    return state.fd;
}

unsigned hcs_sim_openings(void) {
    return state.openings;
}

bool hcs_sim_writable(void) {
    return state.writable;
}

/* Once per call of a public memory function, whoever calls it. */
void hcs_sim_count_call(void) {
    struct hcs_sim_host *host = __atomic_load_n(&state.host, __ATOMIC_ACQUIRE);
    if (host == NULL)
        host = hcs_sim_attach();
    if (host != NULL && state.writable)
        __atomic_add_fetch(&host->public_calls, 1, __ATOMIC_ACQ_REL);
}

/* Devices */

uint32_t hcs_sim_device_count(const struct hcs_sim_host *host) {
    uint32_t count = __atomic_load_n(&host->device_count, __ATOMIC_ACQUIRE);
    return count <= HCS_SIM_DEVICES ? count : HCS_SIM_DEVICES;
}

uint32_t hcs_sim_count(uint32_t vendor) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    uint32_t count = 0;
    for (uint32_t i = 0; host != NULL && i < hcs_sim_device_count(host); i++)
        count += host->devices[i].vendor == vendor;
    return count;
}

bool hcs_sim_find(uint32_t vendor, uint32_t index, struct hcs_sim_view *ret) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    for (uint32_t i = 0; host != NULL && i < hcs_sim_device_count(host); i++) {
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

void hcs_sim_uuid_print(const uint8_t u[16], char out[HCS_SIM_UUID_TEXT]) {
    snprintf(out, HCS_SIM_UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

void hcs_sim_uuid_text(const struct hcs_sim_device *device, char out[HCS_SIM_UUID_TEXT]) {
    hcs_sim_uuid_print(device->uuid, out);
}

uint64_t hcs_sim_memory(const struct hcs_sim_view *view) {
    return view->mig != NULL ? view->mig->memory : view->device->memory;
}
