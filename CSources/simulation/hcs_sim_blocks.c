/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocations with an address of their own. Device memory is address space without pages behind it, so that 80 GiB cost
 * nothing and a program that touches a device pointer on the host faults, as it would with the real thing.
 */
#include "hcs_sim_objects.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS 16384u

struct entry {
    struct entry *next;
    struct hcs_sim_block block;
    size_t mapped; /* 0: the address space is somebody else's */
};
static struct entry *buckets[BUCKETS];
static _Thread_local const void *current_owner;

void hcs_sim_own(const void *owner) {
    current_owner = owner;
}

static struct entry **bucket_of(const void *address) {
    return &buckets[((uintptr_t)address >> 12) % BUCKETS];
}

size_t hcs_sim_pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded;
    return __builtin_add_overflow(bytes, page - 1, &rounded) ? 0 : rounded / page * page;
}

void *hcs_sim_address_space(size_t bytes, enum hcs_sim_kind kind, void *hint) {
    int protection = kind == HCS_SIM_MANAGED ? PROT_READ | PROT_WRITE : PROT_NONE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (kind == HCS_SIM_LOW) {
#ifdef MAP_32BIT
        flags |= MAP_32BIT;
#else
        return NULL;
#endif
    }
    void *address = bytes == 0 ? MAP_FAILED : mmap(hint, bytes, protection, flags, -1, 0);
    return address == MAP_FAILED ? NULL : address;
}

/* The device that an ordinal means, and its number. */
static bool resolve(int *ordinal, struct hcs_sim_view *ret) {
    if (*ordinal == HCS_SIM_CURRENT)
        *ordinal = hcs_sim_runtime_current();
    return hcs_sim_runtime_device(*ordinal, ret);
}

enum hcs_sim_result hcs_sim_block_add(struct hcs_sim_block block, size_t mapped) {
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return HCS_SIM_OUT_OF_MEMORY;
    struct entry **bucket = bucket_of(block.address);
    *entry = (struct entry){*bucket, block, mapped};
    entry->block.owner = current_owner;
    *bucket = entry;
    return HCS_SIM_OK;
}

static enum hcs_sim_result place(struct hcs_sim_block block, size_t space, void **ret) {
    size_t mapped = hcs_sim_pages(space);
    block.address = hcs_sim_address_space(mapped, block.kind, NULL);
    if (block.address == NULL)
        return HCS_SIM_OUT_OF_MEMORY;
    hcs_sim_objects_lock();
    enum hcs_sim_result result = hcs_sim_block_add(block, mapped);
    hcs_sim_objects_unlock();
    if (result == HCS_SIM_OK)
        *ret = block.address;
    else
        munmap(block.address, mapped);
    return result;
}

enum hcs_sim_result hcs_sim_allocate(enum hcs_sim_kind kind, int ordinal, size_t bytes, void **ret) {
    struct hcs_sim_view view;
    uint64_t charged;
    if (!resolve(&ordinal, &view))
        return HCS_SIM_NO_DEVICE;
    if (!hcs_sim_round_up(bytes, view.device->granularity, &charged))
        return HCS_SIM_OUT_OF_MEMORY;
    struct hcs_sim_usage delta = {bytes, charged, 1};
    enum hcs_sim_result result = hcs_sim_take(view.position, delta);
    if (result != HCS_SIM_OK)
        return result;
    result = place((struct hcs_sim_block){NULL, bytes, kind, ordinal, view.position, charged, NULL, NULL}, charged, ret);
    if (result != HCS_SIM_OK)
        hcs_sim_give(view.position, delta);
    return result;
}

enum hcs_sim_result hcs_sim_alias(enum hcs_sim_kind kind, int ordinal, size_t bytes, void **ret) {
    struct hcs_sim_view view;
    if (!resolve(&ordinal, &view))
        return HCS_SIM_NO_DEVICE;
    return place((struct hcs_sim_block){NULL, bytes, kind, ordinal, view.position, 0, NULL, NULL}, bytes, ret);
}

/* Blocks that were given to this process; aliases hold nothing. */
static void give_back(const struct hcs_sim_block *block) {
    if (block->pool != NULL)
        hcs_sim_pool_take_back(block->pool, block->bytes);
    else if (block->charged != 0)
        hcs_sim_give(block->position, (struct hcs_sim_usage){block->bytes, block->charged, 1});
}

enum hcs_sim_result hcs_sim_release(unsigned kinds, void *pointer) {
    struct entry *found = NULL;
    hcs_sim_objects_lock();
    for (struct entry **link = bucket_of(pointer); *link != NULL; link = &(*link)->next) {
        if ((*link)->block.address != pointer || ((unsigned)(*link)->block.kind & kinds) == 0)
            continue;
        found = *link;
        *link = found->next;
        break;
    }
    if (found != NULL) {
        if (found->mapped != 0)
            munmap(pointer, found->mapped);
        give_back(&found->block);
    }
    hcs_sim_objects_unlock();
    free(found);
    return found != NULL ? HCS_SIM_OK : HCS_SIM_INVALID;
}

static void release_matching(bool (*matches)(const struct hcs_sim_block *, const void *), const void *what, unsigned kinds) {
    hcs_sim_objects_lock();
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct entry **link = &buckets[i]; *link != NULL;) {
            struct entry *entry = *link;
            if (!matches(&entry->block, what) || ((unsigned)entry->block.kind & kinds) == 0) {
                link = &entry->next;
                continue;
            }
            *link = entry->next;
            if (entry->mapped != 0)
                munmap(entry->block.address, entry->mapped);
            give_back(&entry->block);
            free(entry);
        }
    }
    hcs_sim_objects_unlock();
}

static bool is_on(const struct hcs_sim_block *block, const void *ordinal) {
    return block->ordinal == *(const int *)ordinal;
}
static bool is_owned(const struct hcs_sim_block *block, const void *owner) {
    return block->owner == owner;
}

void hcs_sim_release_all(int ordinal, unsigned kinds) {
    release_matching(is_on, &ordinal, kinds);
}

void hcs_sim_release_owned(const void *owner, unsigned kinds) {
    release_matching(is_owned, owner, kinds);
}

void hcs_sim_blocks_drop(bool give) {
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (buckets[i] != NULL) {
            struct entry *entry = buckets[i];
            buckets[i] = entry->next;
            if (entry->mapped != 0)
                munmap(entry->block.address, entry->mapped);
            if (give)
                give_back(&entry->block);
            free(entry);
        }
    }
}

static bool holds(const struct hcs_sim_block *block, const void *pointer, size_t bytes) {
    uintptr_t p = (uintptr_t)pointer, start = (uintptr_t)block->address;
    return p >= start && p - start <= block->bytes && bytes <= block->bytes - (p - start);
}

bool hcs_sim_block_of(unsigned kinds, const void *pointer, struct hcs_sim_block *ret) {
    bool found = false;
    hcs_sim_objects_lock();
    for (const struct entry *e = *bucket_of(pointer); e != NULL && !found; e = e->next) { /* most ask for a beginning */
        found = e->block.address == pointer && ((unsigned)e->block.kind & kinds) != 0;
        if (found)
            *ret = e->block;
    }
    for (uint32_t i = 0; i < BUCKETS && !found; i++) {
        for (const struct entry *e = buckets[i]; e != NULL && !found; e = e->next) {
            found = holds(&e->block, pointer, 1) && ((unsigned)e->block.kind & kinds) != 0;
            if (found)
                *ret = e->block;
        }
    }
    hcs_sim_objects_unlock();
    return found;
}

bool hcs_sim_owns(const void *pointer, size_t bytes) {
    struct hcs_sim_block block;
    if (hcs_sim_block_of(HCS_SIM_POINTERS | HCS_SIM_SHARED, pointer, &block) && holds(&block, pointer, bytes))
        return true;
    return hcs_sim_mapping_holds(pointer, bytes);
}
