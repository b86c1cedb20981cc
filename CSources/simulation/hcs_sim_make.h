/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes and opens state files in C, for tests that have no Swift: what `hcs simulate` does from a scenario.
 */
#ifndef HCS_SIM_MAKE_H
#define HCS_SIM_MAKE_H

#include "hcs_sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The mapping of a new state file without devices, or NULL. An existing file is replaced by name: what has the old one
 * mapped keeps it. The descriptor is closed at once: a process that holds memory must not open the file itself. */
HCS_SIM_INLINE struct hcs_sim_host *hcs_sim_make(const char *path) {
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return NULL;
    void *map = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct hcs_sim_host)) == 0)
        map = mmap(NULL, sizeof(struct hcs_sim_host), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return NULL;
    struct hcs_sim_host *host = map;
    host->version = HCS_SIM_VERSION;
    host->total_size = sizeof *host;
    hcs_sim_store(&host->magic, HCS_SIM_MAGIC);
    return host;
}

HCS_SIM_INLINE struct hcs_sim_host *hcs_sim_open(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *map = mmap(NULL, sizeof(struct hcs_sim_host), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    struct hcs_sim_host *host = map == MAP_FAILED ? NULL : map;
    return host != NULL && hcs_sim_load(&host->magic) == HCS_SIM_MAGIC ? host : NULL;
}

/* A device of its vendor's usual kind. Its UUID is a1 <vendor> 00 .. 00 <position>. Returns its position, or -1. */
HCS_SIM_INLINE int hcs_sim_make_device(struct hcs_sim_host *host, uint32_t vendor, uint64_t memory,
                                       uint64_t granularity) {
    static const struct {
        const char *name;
        uint32_t pci_ids;
    } kinds[] = {{"none", 0},
                 {"NVIDIA H100 80GB HBM3", 0x233010de},
                 {"910B3", 0xd80219e5},
                 {"K100_AI", 0x62101d94},
                 {"MLU370-X8", 0x0370cabc}};
    if (vendor == 0 || vendor >= sizeof kinds / sizeof *kinds || host->device_count >= HCS_SIM_DEVICES)
        return -1;
    uint32_t position = host->device_count, index = 0;
    for (uint32_t i = 0; i < position; i++)
        index += host->devices[i].vendor == vendor;
    struct hcs_sim_device *device = &host->devices[position];
    memset(device, 0, sizeof *device);
    device->vendor = vendor;
    device->index = index;
    device->numa_node = UINT32_MAX;
    device->pci_domain = 0xffff;
    device->pci_bus = 0x10 + position;
    device->pci_ids = kinds[vendor].pci_ids;
    snprintf(device->name, sizeof device->name, "%s", kinds[vendor].name);
    device->uuid[0] = 0xa1;
    device->uuid[1] = (uint8_t)vendor;
    device->uuid[7] = device->uuid[15] = (uint8_t)position; /* some libraries print the first eight only */
    device->memory = memory;
    device->granularity = granularity;
    device->temperature_c = 40;
    hcs_sim_telemetry_init(&host->telemetry[position]);
    __atomic_store_n(&host->device_count, position + 1, __ATOMIC_RELEASE);
    return (int)position;
}

#endif
