/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory pools of CUDA and HIP: stream-ordered allocations come out of reserved memory, which the driver keeps for
 * later when they are freed. A pool without fragmentation: only its sums are modelled.
 */
#include "hcs_sim_objects.h"

#include <stdlib.h>
#include <sys/mman.h>

struct hcs_sim_pool {
    struct hcs_sim_pool *next;
    int ordinal;
    uint32_t position;
    uint64_t granularity;
    uint64_t figures[HCS_SIM_POOL_FIGURES];
    bool doomed; /* destroyed while memory of it was in use */
};

static struct hcs_sim_pool *pools;
static struct hcs_sim_pool *defaults[HCS_SIM_DEVICES], *currents[HCS_SIM_DEVICES], *graphs[HCS_SIM_DEVICES];

static struct hcs_sim_pool *make_locked(int ordinal) {
    struct hcs_sim_view view;
    if (ordinal == HCS_SIM_CURRENT)
        ordinal = hcs_sim_runtime_current();
    if (!hcs_sim_runtime_device(ordinal, &view))
        return NULL;
    struct hcs_sim_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->next = pools;
    pool->ordinal = ordinal;
    pool->position = view.position;
    pool->granularity = hcs_sim_granularity(&view);
    return pools = pool;
}

static bool is_known_locked(const struct hcs_sim_pool *pool) {
    for (const struct hcs_sim_pool *p = pools; p != NULL; p = p->next) {
        if (p == pool)
            return !p->doomed;
    }
    return false;
}

static struct hcs_sim_pool *pool_in(struct hcs_sim_pool **table, int ordinal) {
    struct hcs_sim_pool *pool = NULL;
    if (ordinal == HCS_SIM_CURRENT)
        ordinal = hcs_sim_runtime_current();
    hcs_sim_objects_lock();
    if (ordinal >= 0 && ordinal < (int)HCS_SIM_DEVICES) {
        if (table[ordinal] == NULL)
            table[ordinal] = make_locked(ordinal);
        pool = table[ordinal];
    }
    hcs_sim_objects_unlock();
    return pool;
}

struct hcs_sim_pool *hcs_sim_pool_default(int ordinal) {
    return pool_in(defaults, ordinal);
}

struct hcs_sim_pool *hcs_sim_pool_of_graphs(int ordinal) {
    struct hcs_sim_pool *pool = pool_in(graphs, ordinal);
    if (pool != NULL)
        hcs_sim_pool_set(pool, HCS_SIM_POOL_THRESHOLD, UINT64_MAX); /* keeps all until cuDeviceGraphMemTrim */
    return pool;
}

struct hcs_sim_pool *hcs_sim_pool_current(int ordinal) {
    if (ordinal == HCS_SIM_CURRENT)
        ordinal = hcs_sim_runtime_current();
    hcs_sim_objects_lock();
    struct hcs_sim_pool *pool = ordinal >= 0 && ordinal < (int)HCS_SIM_DEVICES ? currents[ordinal] : NULL;
    hcs_sim_objects_unlock();
    return pool != NULL ? pool : hcs_sim_pool_default(ordinal);
}

enum hcs_sim_result hcs_sim_pool_make_current(int ordinal, struct hcs_sim_pool *pool) {
    struct hcs_sim_view view;
    if (!hcs_sim_runtime_device(ordinal, &view))
        return HCS_SIM_INVALID;
    hcs_sim_objects_lock();
    bool valid = is_known_locked(pool) && pool->ordinal == ordinal;
    if (valid)
        currents[ordinal] = pool;
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

enum hcs_sim_result hcs_sim_pool_create(int ordinal, struct hcs_sim_pool **ret) {
    hcs_sim_objects_lock();
    struct hcs_sim_pool *pool = make_locked(ordinal);
    hcs_sim_objects_unlock();
    if (pool == NULL)
        return HCS_SIM_INVALID;
    *ret = pool;
    return HCS_SIM_OK;
}

static void shrink_locked(struct hcs_sim_pool *pool, uint64_t keep) {
    uint64_t *reserved = &pool->figures[HCS_SIM_POOL_RESERVED], least;
    if (!hcs_sim_round_up(pool->figures[HCS_SIM_POOL_USED], pool->granularity, &least))
        return;
    uint64_t floor = least > keep ? least : keep;
    if (*reserved <= floor)
        return;
    hcs_sim_give(pool->position, (struct hcs_sim_usage){.charged = *reserved - floor});
    *reserved = floor;
}

static void forget_locked(struct hcs_sim_pool *pool) {
    for (struct hcs_sim_pool **link = &pools; *link != NULL; link = &(*link)->next) {
        if (*link != pool)
            continue;
        *link = pool->next;
        free(pool);
        return;
    }
}

enum hcs_sim_result hcs_sim_pool_destroy(struct hcs_sim_pool *pool) {
    hcs_sim_objects_lock();
    bool valid = is_known_locked(pool);
    for (uint32_t i = 0; i < HCS_SIM_DEVICES && valid; i++) {
        valid = defaults[i] != pool && graphs[i] != pool;
        if (valid && currents[i] == pool)
            currents[i] = NULL;
    }
    if (valid) {
        pool->doomed = true;
        shrink_locked(pool, 0);
        if (pool->figures[HCS_SIM_POOL_USED] == 0)
            forget_locked(pool);
    }
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

static void synchronise_locked(void) {
    for (struct hcs_sim_pool *pool = pools; pool != NULL; pool = pool->next)
        shrink_locked(pool, pool->figures[HCS_SIM_POOL_THRESHOLD]);
}

/* More reserved memory, if `bytes` more in use need it. The driver empties its other pools before it gives up. */
static enum hcs_sim_result grow_locked(struct hcs_sim_pool *pool, size_t bytes) {
    uint64_t *f = pool->figures, need, more = 0;
    if (__builtin_add_overflow(f[HCS_SIM_POOL_USED], bytes, &need))
        return HCS_SIM_OUT_OF_MEMORY;
    if (need > f[HCS_SIM_POOL_RESERVED] && !hcs_sim_round_up(need - f[HCS_SIM_POOL_RESERVED], pool->granularity, &more))
        return HCS_SIM_OUT_OF_MEMORY;
    struct hcs_sim_usage delta = {bytes, more, 1};
    enum hcs_sim_result result = hcs_sim_take(pool->position, delta);
    if (result == HCS_SIM_OUT_OF_MEMORY) {
        for (struct hcs_sim_pool *p = pools; p != NULL; p = p->next) {
            if (p != pool)
                shrink_locked(p, 0);
        }
        result = hcs_sim_take(pool->position, delta);
    }
    if (result != HCS_SIM_OK)
        return result;
    f[HCS_SIM_POOL_USED] = need;
    f[HCS_SIM_POOL_RESERVED] += more;
    if (f[HCS_SIM_POOL_USED_HIGH] < f[HCS_SIM_POOL_USED])
        f[HCS_SIM_POOL_USED_HIGH] = f[HCS_SIM_POOL_USED];
    if (f[HCS_SIM_POOL_RESERVED_HIGH] < f[HCS_SIM_POOL_RESERVED])
        f[HCS_SIM_POOL_RESERVED_HIGH] = f[HCS_SIM_POOL_RESERVED];
    return HCS_SIM_OK;
}

enum hcs_sim_result hcs_sim_pool_allocate(struct hcs_sim_pool *pool, size_t bytes, void *at, void **ret) {
    hcs_sim_objects_lock();
    enum hcs_sim_result result = is_known_locked(pool) ? grow_locked(pool, bytes) : HCS_SIM_INVALID;
    if (result == HCS_SIM_OK) {
        size_t mapped = at == NULL ? hcs_sim_pages(bytes) : 0;
        void *address = at == NULL ? hcs_sim_address_space(mapped, HCS_SIM_POOLED, NULL) : at;
        struct hcs_sim_block block = {address, bytes, HCS_SIM_POOLED, pool->ordinal, pool->position, 0, pool, NULL};
        result = address == NULL ? HCS_SIM_OUT_OF_MEMORY : hcs_sim_block_add(block, mapped);
        if (result == HCS_SIM_OK) {
            *ret = address;
        } else {
            hcs_sim_pool_take_back(pool, bytes);
            if (address != NULL && mapped != 0)
                munmap(address, mapped);
        }
    }
    hcs_sim_objects_unlock();
    return result;
}

void hcs_sim_pool_take_back(struct hcs_sim_pool *pool, uint64_t bytes) {
    pool->figures[HCS_SIM_POOL_USED] -= bytes;
    hcs_sim_give(pool->position, (struct hcs_sim_usage){.requested = bytes, .count = 1});
    if (pool->doomed) {
        shrink_locked(pool, 0);
        if (pool->figures[HCS_SIM_POOL_USED] == 0)
            forget_locked(pool);
    }
}

static bool is_there_locked(const struct hcs_sim_pool *pool) {
    struct hcs_sim_host *host = hcs_sim_attach();
    bool known = is_known_locked(pool);
    if (!known && host != NULL)
        __atomic_add_fetch(&host->pool_misses, 1, __ATOMIC_ACQ_REL);
    return known;
}

enum hcs_sim_result hcs_sim_pool_trim(struct hcs_sim_pool *pool, uint64_t keep) {
    hcs_sim_objects_lock();
    bool valid = is_there_locked(pool);
    if (valid)
        shrink_locked(pool, keep);
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

enum hcs_sim_result hcs_sim_pool_get(struct hcs_sim_pool *pool, enum hcs_sim_pool_figure figure, uint64_t *ret) {
    hcs_sim_objects_lock();
    bool valid = is_there_locked(pool);
    if (valid)
        *ret = pool->figures[figure];
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

/* The high-water marks can be set to 0 only, which makes them the present figures. */
enum hcs_sim_result hcs_sim_pool_set(struct hcs_sim_pool *pool, enum hcs_sim_pool_figure figure, uint64_t value) {
    hcs_sim_objects_lock();
    bool valid = is_known_locked(pool);
    bool mark = figure == HCS_SIM_POOL_RESERVED_HIGH || figure == HCS_SIM_POOL_USED_HIGH;
    valid = valid && (figure == HCS_SIM_POOL_THRESHOLD || (mark && value == 0));
    if (valid)
        pool->figures[figure] = mark ? pool->figures[figure - 1] : value;
    hcs_sim_objects_unlock();
    return valid ? HCS_SIM_OK : HCS_SIM_INVALID;
}

void hcs_sim_pool_synchronise(void) {
    hcs_sim_objects_lock();
    synchronise_locked();
    hcs_sim_objects_unlock();
}

void hcs_sim_pools_end(int ordinal) {
    if (ordinal < 0 || ordinal >= (int)HCS_SIM_DEVICES)
        return;
    hcs_sim_objects_lock();
    defaults[ordinal] = currents[ordinal] = graphs[ordinal] = NULL;
    for (struct hcs_sim_pool *pool = pools, *next; pool != NULL; pool = next) {
        next = pool->next;
        if (pool->ordinal != ordinal)
            continue;
        pool->doomed = true;
        shrink_locked(pool, 0);
        if (pool->figures[HCS_SIM_POOL_USED] == 0)
            forget_locked(pool);
    }
    hcs_sim_objects_unlock();
}

/* After the blocks. */
void hcs_sim_pools_drop(bool give) {
    for (uint32_t i = 0; i < HCS_SIM_DEVICES; i++)
        defaults[i] = currents[i] = graphs[i] = NULL;
    while (pools != NULL) {
        struct hcs_sim_pool *pool = pools;
        if (give)
            shrink_locked(pool, 0);
        pools = pool->next;
        free(pool);
    }
}
