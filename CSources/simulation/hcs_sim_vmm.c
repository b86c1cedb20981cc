/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual memory management: address ranges, physical memory and mappings of one to the other. An imported handle
 * charges nothing: its creator pays. (A real driver keeps exported memory until the last importer lets go of it; here
 * it goes when its creator does.)
 */
#include "hcs_sim_objects.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT_MAGIC 0x31444E485F534348ull /* "HCS_HND1" */

struct hcs_sim_physical {
    struct hcs_sim_physical *next;
    int ordinal; /* HCS_SIM_CURRENT: host memory */
    uint32_t position;
    size_t bytes;
    uint64_t charged;
    uint32_t handles;
    uint32_t mappings;
};

struct range {
    struct range *next;
    uintptr_t start;
    size_t bytes;
};

struct mapping {
    struct mapping *next;
    uintptr_t start;
    size_t bytes;
    struct hcs_sim_physical *physical;
};

/* What an exported file says. */
struct export {
    uint64_t magic;
    uint64_t pid;
    uint64_t bytes;
    uint64_t ordinal;
    uint64_t physical; /* of meaning in the exporting process only */
};

static struct hcs_sim_physical *physicals;
static struct range *ranges;
static struct mapping *mappings;

static struct hcs_sim_physical *known_locked(const struct hcs_sim_physical *physical) {
    struct hcs_sim_physical *p = physicals;
    while (p != NULL && p != physical)
        p = p->next;
    return p;
}

static void drop_if_unused_locked(struct hcs_sim_physical *physical) {
    if (physical->handles != 0 || physical->mappings != 0)
        return;
    for (struct hcs_sim_physical **link = &physicals; *link != NULL; link = &(*link)->next) {
        if (*link != physical)
            continue;
        *link = physical->next;
        break;
    }
    if (physical->charged != 0)
        hcs_sim_give(physical->position, (struct hcs_sim_usage){physical->bytes, physical->charged, 1});
    free(physical);
}

static struct hcs_sim_physical *add_locked(struct hcs_sim_physical value) {
    struct hcs_sim_physical *physical = malloc(sizeof *physical);
    if (physical == NULL)
        return NULL;
    *physical = value;
    physical->next = physicals;
    physical->handles = 1;
    return physicals = physical;
}

enum hcs_sim_result hcs_sim_physical_create(enum hcs_sim_location location, int ordinal, size_t bytes,
                                            struct hcs_sim_physical **ret) {
    struct hcs_sim_physical value = {.ordinal = HCS_SIM_CURRENT, .bytes = bytes};
    struct hcs_sim_view view;
    enum hcs_sim_result result = HCS_SIM_OK;
    if (location == HCS_SIM_ON_DEVICE) {
        value.ordinal = ordinal;
        if (!hcs_sim_runtime_device(ordinal, &view))
            return HCS_SIM_INVALID;
        value.position = view.position;
        if (!hcs_sim_round_up(bytes, view.device->granularity, &value.charged))
            return HCS_SIM_OUT_OF_MEMORY;
        result = hcs_sim_take(value.position, (struct hcs_sim_usage){bytes, value.charged, 1});
        if (result != HCS_SIM_OK)
            return result;
    }
    hcs_sim_objects_lock();
    struct hcs_sim_physical *physical = add_locked(value);
    hcs_sim_objects_unlock();
    if (physical != NULL) {
        *ret = physical;
        return HCS_SIM_OK;
    }
    if (value.charged != 0)
        hcs_sim_give(value.position, (struct hcs_sim_usage){bytes, value.charged, 1});
    return HCS_SIM_OUT_OF_MEMORY;
}

enum hcs_sim_result hcs_sim_physical_release(struct hcs_sim_physical *physical) {
    hcs_sim_objects_lock();
    struct hcs_sim_physical *known = known_locked(physical);
    bool valid = known != NULL && known->handles > 0;
    if (valid) {
        known->handles--;
        drop_if_unused_locked(known);
    }
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

enum hcs_sim_result hcs_sim_physical_export(struct hcs_sim_physical *physical, int *ret_fd) {
    struct export text = {.magic = EXPORT_MAGIC, .pid = (uint64_t)getpid()};
    int ordinal;
    size_t bytes;
    if (!hcs_sim_physical_describe(physical, &ordinal, &bytes))
        return HCS_SIM_INVALID;
    text.bytes = bytes;
    text.ordinal = (uint64_t)ordinal;
    text.physical = (uint64_t)(uintptr_t)physical;
    int fd = memfd_create("hcs-simulated-memory", MFD_CLOEXEC);
    if (fd < 0)
        return HCS_SIM_OUT_OF_MEMORY;
    if (pwrite(fd, &text, sizeof text, 0) != sizeof text) {
        close(fd);
        return HCS_SIM_OUT_OF_MEMORY;
    }
    *ret_fd = fd;
    return HCS_SIM_OK;
}

enum hcs_sim_result hcs_sim_physical_import(int fd, struct hcs_sim_physical **ret) {
    struct export text;
    struct hcs_sim_physical *physical = NULL;
    if (pread(fd, &text, sizeof text, 0) != sizeof text || text.magic != EXPORT_MAGIC)
        return HCS_SIM_INVALID;
    hcs_sim_objects_lock();
    if (text.pid == (uint64_t)getpid()) {
        physical = known_locked((const struct hcs_sim_physical *)(uintptr_t)text.physical);
        if (physical != NULL)
            physical->handles++;
    }
    if (physical == NULL)
        physical = add_locked((struct hcs_sim_physical){.ordinal = (int)text.ordinal, .bytes = text.bytes});
    hcs_sim_objects_unlock();
    if (physical == NULL)
        return HCS_SIM_OUT_OF_MEMORY;
    *ret = physical;
    return HCS_SIM_OK;
}

bool hcs_sim_physical_describe(struct hcs_sim_physical *physical, int *ret_ordinal, size_t *ret_bytes) {
    hcs_sim_objects_lock();
    const struct hcs_sim_physical *known = known_locked(physical);
    if (known != NULL) {
        *ret_ordinal = known->ordinal;
        *ret_bytes = known->bytes;
    }
    hcs_sim_objects_unlock();
    return known != NULL;
}

static bool contains(uintptr_t start, size_t bytes, uintptr_t p, size_t length) {
    return p >= start && p - start <= bytes && length <= bytes - (p - start);
}

static struct mapping *mapping_at(uintptr_t p, size_t bytes) {
    for (struct mapping *m = mappings; m != NULL; m = m->next) {
        if (contains(m->start, m->bytes, p, bytes))
            return m;
    }
    return NULL;
}

enum hcs_sim_result hcs_sim_physical_retain(const void *address, struct hcs_sim_physical **ret) {
    hcs_sim_objects_lock();
    const struct mapping *mapping = mapping_at((uintptr_t)address, 1);
    if (mapping != NULL) {
        mapping->physical->handles++;
        *ret = mapping->physical;
    }
    hcs_sim_objects_unlock();
    return mapping != NULL ? HCS_SIM_OK : HCS_SIM_INVALID;
}

bool hcs_sim_mapping_holds(const void *address, size_t bytes) {
    hcs_sim_objects_lock();
    bool holds = mapping_at((uintptr_t)address, bytes) != NULL;
    hcs_sim_objects_unlock();
    return holds;
}

/* Addresses */

enum hcs_sim_result hcs_sim_address_reserve(size_t bytes, void *hint, void **ret) {
    struct range *range = malloc(sizeof *range);
    void *address = range == NULL ? NULL : hcs_sim_address_space(bytes, HCS_SIM_LINEAR, hint);
    if (address == NULL) {
        free(range);
        return HCS_SIM_OUT_OF_MEMORY;
    }
    hcs_sim_objects_lock();
    *range = (struct range){ranges, (uintptr_t)address, bytes};
    ranges = range;
    hcs_sim_objects_unlock();
    *ret = address;
    return HCS_SIM_OK;
}

static bool is_mapped(uintptr_t start, size_t bytes) {
    for (const struct mapping *m = mappings; m != NULL; m = m->next) {
        if (m->start < start + bytes && start < m->start + m->bytes)
            return true;
    }
    return false;
}

enum hcs_sim_result hcs_sim_address_free(void *address, size_t bytes) {
    struct range *found = NULL;
    hcs_sim_objects_lock();
    for (struct range **link = &ranges; *link != NULL; link = &(*link)->next) {
        if ((*link)->start != (uintptr_t)address || (bytes != 0 && (*link)->bytes != bytes) ||
            is_mapped((*link)->start, (*link)->bytes))
            continue;
        found = *link;
        *link = found->next;
        break;
    }
    if (found != NULL)
        munmap(address, found->bytes);
    hcs_sim_objects_unlock();
    free(found);
    return found != NULL ? HCS_SIM_OK : HCS_SIM_INVALID;
}

/* Mappings */

static bool is_reserved(uintptr_t start, size_t bytes) {
    for (const struct range *r = ranges; r != NULL; r = r->next) {
        if (contains(r->start, r->bytes, start, bytes))
            return true;
    }
    return false;
}

enum hcs_sim_result hcs_sim_map(void *address, size_t bytes, size_t offset, struct hcs_sim_physical *physical) {
    uintptr_t start = (uintptr_t)address;
    struct mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL)
        return HCS_SIM_OUT_OF_MEMORY;
    hcs_sim_objects_lock();
    struct hcs_sim_physical *known = known_locked(physical);
    bool valid = known != NULL && known->handles > 0 && bytes > 0 && offset <= known->bytes &&
                 bytes <= known->bytes - offset && is_reserved(start, bytes) && !is_mapped(start, bytes);
    if (valid) {
        *mapping = (struct mapping){mappings, start, bytes, known};
        mappings = mapping;
        known->mappings++;
    }
    hcs_sim_objects_unlock();
    if (!valid)
        free(mapping);
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

/* Whole mappings only, and no hole between them. */
static bool is_covered(uintptr_t start, size_t bytes) {
    size_t covered = 0;
    for (const struct mapping *m = mappings; m != NULL; m = m->next) {
        if (m->start >= start + bytes || start >= m->start + m->bytes)
            continue;
        if (!contains(start, bytes, m->start, m->bytes))
            return false;
        covered += m->bytes;
    }
    return covered == bytes && bytes != 0;
}

enum hcs_sim_result hcs_sim_unmap(void *address, size_t bytes) {
    uintptr_t start = (uintptr_t)address;
    hcs_sim_objects_lock();
    for (const struct mapping *m = mappings; bytes == 0 && m != NULL; m = m->next) {
        if (m->start == start)
            bytes = m->bytes;
    }
    bool valid = is_covered(start, bytes);
    for (struct mapping **link = &mappings; valid && *link != NULL;) {
        struct mapping *m = *link;
        if (!contains(start, bytes, m->start, m->bytes)) {
            link = &m->next;
            continue;
        }
        *link = m->next;
        m->physical->mappings--;
        drop_if_unused_locked(m->physical);
        free(m);
    }
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

enum hcs_sim_result hcs_sim_set_access(const void *address, size_t bytes) {
    hcs_sim_objects_lock();
    bool valid = is_covered((uintptr_t)address, bytes);
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

void hcs_sim_vmm_drop(bool give) {
    while (mappings != NULL) {
        struct mapping *m = mappings;
        mappings = m->next;
        free(m);
    }
    while (ranges != NULL) {
        struct range *r = ranges;
        ranges = r->next;
        munmap((void *)r->start, r->bytes);
        free(r);
    }
    while (physicals != NULL) {
        struct hcs_sim_physical *p = physicals;
        physicals = p->next;
        if (give && p->charged != 0)
            hcs_sim_give(p->position, (struct hcs_sim_usage){p->bytes, p->charged, 1});
        free(p);
    }
}
