/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a simulated host and shows the driver's truth, without Swift:
 *   hcs-sim make FILE nvidia=2x80Gi ascend=64Gi ... [granularity=2Mi]
 *   hcs-sim mig FILE DEVICE SIZE SLICES     a MIG instance of the device at that position; prints its UUID
 *   hcs-sim show FILE                       one line for each process and device: pid, position, requested, charged,
 * count
 */
#include "../segment/hcs_segment.h"
#include "../simulation/hcs_sim_make.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

static bool parse_size(const char *text, uint64_t *ret) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    uint64_t value = strtoull(text, &end, 10), factor = 1;
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    for (const char *u = units; unit != NULL && u <= unit; u++)
        factor *= 1024;
    if (errno != 0 || (*end != '\0' && (unit == NULL || strcmp(end + 1, "i") != 0)))
        return false;
    return !__builtin_mul_overflow(value, factor, ret);
}

static uint32_t parse_vendor(const char *text, size_t length) {
    static const char *const vendors[] = {"", "nvidia", "ascend", "hygon", "cambricon"};
    for (uint32_t i = 1; i < 5; i++) {
        if (strlen(vendors[i]) == length && strncmp(vendors[i], text, length) == 0)
            return i;
    }
    return HCS_VENDOR_NONE;
}

static int add_devices(struct hcs_sim_host *host, const char *text, uint64_t granularity) {
    size_t name = strcspn(text, "=");
    uint32_t vendor = parse_vendor(text, name);
    const char *size = text[name] == '=' ? text + name + 1 : "";
    uint64_t memory, count = 1;
    const char *times = strchr(size, 'x');
    if (times != NULL) {
        count = strtoull(size, NULL, 10);
        size = times + 1;
    }
    if (vendor == HCS_VENDOR_NONE || !parse_size(size, &memory))
        return 64;
    for (; count > 0; count--) {
        if (hcs_sim_make_device(host, vendor, memory, granularity) < 0)
            return 64;
    }
    return 0;
}

static int make(int argc, char **argv) {
    uint64_t granularity = 2 << 20;
    struct hcs_sim_host *host = hcs_sim_make(argv[2]);
    if (host == NULL) {
        perror(argv[2]);
        return 73;
    }
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "granularity=", 12) == 0 && !parse_size(argv[i] + 12, &granularity))
            return 64;
    }
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "granularity=", 12) != 0 && add_devices(host, argv[i], granularity) != 0) {
            fprintf(stderr, "hcs-sim: '%s' is not understood\n", argv[i]);
            return 64;
        }
    }
    return 0;
}

static int mig(struct hcs_sim_host *host, char **argv) {
    uint64_t memory;
    unsigned long device = strtoul(argv[3], NULL, 10), slices = strtoul(argv[5], NULL, 10);
    if (device >= host->device_count || !parse_size(argv[4], &memory))
        return 64;
    uint8_t uuid[16];
    memcpy(uuid, host->devices[device].uuid, sizeof uuid);
    uuid[0] = 0xb2;
    uuid[14] = (uint8_t)(host->devices[device].mig_count + 1);
    if (hcs_sim_add_mig(host, (uint32_t)device, uuid, memory, (uint32_t)slices) == NULL)
        return 64;
    printf("MIG-");
    for (int i = 0; i < 16; i++)
        printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    printf("\n");
    return 0;
}

/* Dead rows stay until a library looks at them. Nobody of another pid namespace is found by pid, so the lock is asked
 * as well. */
static bool is_live(int fd, const struct hcs_sim_host *host, const struct hcs_sim_process *process) {
    off_t offset = (const char *)process - (const char *)host;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    if (process->pid == 0)
        return false;
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        return true;
    return kill((pid_t)process->pid, 0) == 0 || errno != ESRCH;
}

static int show(const char *path, const struct hcs_sim_host *host) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    for (uint32_t i = 0; i < HCS_SIM_PROCESSES; i++) {
        const struct hcs_sim_process *process = &host->processes[i];
        if (!is_live(fd, host, process))
            continue;
        for (uint32_t d = 0; d < HCS_SIM_DEVICES; d++) {
            const struct hcs_sim_usage *usage = &process->usage[d];
            if (usage->count != 0 || usage->charged != 0)
                printf("%u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", process->pid, d, usage->requested, usage->charged,
                       usage->count);
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc >= 3 && strcmp(argv[1], "make") == 0)
        return make(argc, argv);
    struct hcs_sim_host *host = argc >= 3 ? hcs_sim_open(argv[2]) : NULL;
    if (host != NULL && argc == 6 && strcmp(argv[1], "mig") == 0)
        return mig(host, argv);
    if (host != NULL && argc == 3 && strcmp(argv[1], "show") == 0)
        return show(argv[2], host);
    fputs("usage: hcs-sim make FILE VENDOR=[COUNTx]SIZE... | mig FILE DEVICE SIZE SLICES | show FILE\n", stderr);
    return 64;
}
