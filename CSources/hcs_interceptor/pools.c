/* SPDX-License-Identifier: Apache-2.0
 *
 * What stream-ordered memory pools keep. A free gives the bytes back to the pool, not to the device: the driver lets go of
 * them at a later synchronisation, and with a release threshold maybe never. So they stay charged, as `kept`, until the
 * driver's own figure of what the pool has reserved is lower; a later request of the same pool takes them over, and reserves
 * only the rest. live + kept never exceeds what was asked of the pool: rounding within it is the driver's, as everywhere.
 *
 * An account is one pool's, and outlives it while memory from it is live. Everything here is read and written under the
 * guard; the driver is asked outside. A driver follows the handles that it is given, so a pool is destroyed only when
 * nobody here is asking about it, and nobody begins.
 */
#include "hook.h"
#include "sys.h"

#define ASKED_AT_ONCE 16

struct account {
    uint64_t pool; /* 0: free, unless something is live */
    const struct hcs_pool_questions *ask;
    const void *near;
    uint32_t vendor;
    uint32_t device;
    uint64_t live, kept;
    uint64_t returns; /* +1 whenever `kept` grows: an older answer of the driver says nothing of that */
    uint32_t pins;    /* requests that have found it and are not in `live` yet */
    uint32_t asking;  /* threads that are asking the driver about it */
    uint32_t ending;  /* calls under way that may destroy it */
};

static struct account accounts[HCS_POOL_ACCOUNTS];
static uint32_t highest; /* accounts 1 ... highest were ever used */
uint32_t hcs_pools_keep;

static void set_kept(struct account *a, uint64_t kept) {
    if (!a->kept != !kept)
        __atomic_store_n(&hcs_pools_keep, hcs_pools_keep + (kept ? 1 : -1u), __ATOMIC_RELAXED);
    a->kept = kept;
}

static void let_go(struct account *a, uint64_t kept) {
    hcs_uncharge_kept(a->device, a->kept - kept);
    set_kept(a, kept);
}

/* An account that holds nothing says nothing that a new one would not say. */
static int is_free(const struct account *a) { return !a->live && !a->kept && !a->pins && !a->asking && !a->ending; }

static uint32_t unused_account(void) {
    for (uint32_t i = 1; i <= highest; i++)
        if (accounts[i].pool == 0 && is_free(&accounts[i]))
            return i;
    if (highest + 1 < HCS_POOL_ACCOUNTS)
        return ++highest;
    for (uint32_t i = 1; i <= highest; i++)
        if (is_free(&accounts[i]))
            return i;
    return 0;
}

static uint32_t find(uint32_t vendor, uint64_t pool, uint32_t device) {
    for (uint32_t i = 1; i <= highest; i++) {
        const struct account *a = &accounts[i];
        if (a->pool == pool && a->vendor == vendor && a->device == device && !a->ending)
            return i;
    }
    return 0;
}

uint32_t hcs_pool_known(uint32_t vendor, uint64_t pool, uint32_t device) {
    uint32_t known = find(vendor, pool, device);
    accounts[known].pins++;
    return known;
}

uint32_t hcs_pool_account(const struct hcs_layer *layer, uint64_t pool, const void *near, uint32_t device) {
    uint32_t i = find(layer->vendor, pool, device);
    if (i == 0 && (i = unused_account()) != 0)
        accounts[i] = (struct account){
            .pool = pool, .ask = layer->pools, .near = near, .vendor = layer->vendor, .device = device};
    accounts[i].pins++;
    return i;
}

void hcs_pool_unpin(uint32_t account) { accounts[account].pins--; }

uint64_t hcs_pool_take(uint32_t account, uint64_t bytes) {
    struct account *a = &accounts[account];
    uint64_t taken = a->kept < bytes ? a->kept : bytes;
    set_kept(a, a->kept - taken);
    a->live += bytes;
    return taken;
}

void hcs_pool_undo(uint32_t account, uint64_t bytes, uint64_t taken) {
    struct account *a = &accounts[account];
    a->live -= bytes;
    a->returns++;
    set_kept(a, a->kept + taken);
}

void hcs_pool_put(uint32_t account, uint64_t bytes) {
    struct account *a = &accounts[account];
    a->live -= bytes < a->live ? bytes : a->live;
    a->returns++;
    set_kept(a, a->kept + bytes);
    if (a->pool == 0 && a->live == 0)
        let_go(a, 0); /* the pool was destroyed, and this was its last */
}

/* 1 with *ret_seen where there is something to ask the driver; close with done. */
static int may_ask(struct account *a, struct account *ret_seen) {
    hcs_guard();
    int may = a->kept && a->pool && !a->ending;
    a->asking += (uint32_t)may;
    *ret_seen = *a;
    hcs_unguard();
    return may;
}

/* What the driver says that the pool has reserved, less what is live, is what it can keep. */
static void done(struct account *a, const struct account *seen, int answered, uint64_t reserved) {
    hcs_guard();
    a->asking--;
    uint64_t most = reserved > a->live ? reserved - a->live : 0;
    if (answered && a->returns == seen->returns && a->kept > most)
        let_go(a, most);
    hcs_unguard();
}

static int settle(struct account *a, int trim) {
    struct account seen;
    uint64_t reserved = 0;
    if (!may_ask(a, &seen))
        return 0;
    if (trim)
        (void)seen.ask->trim(seen.near, seen.pool);
    int answered = seen.ask->reserved(seen.near, seen.pool, &reserved) == seen.ask->success;
    done(a, &seen, answered, reserved);
    return 1;
}

static uint32_t count(void) {
    hcs_guard();
    uint32_t n = __atomic_load_n(&hcs_pools_keep, __ATOMIC_RELAXED) ? highest : 0;
    hcs_unguard();
    return n;
}

void hcs_pools_settle(void) {
    int saved = errno;
    if (hcs_mode() != HCS_MODE_ON || __atomic_load_n(&hcs_pools_keep, __ATOMIC_RELAXED) == 0)
        return;
    for (uint32_t i = 1, n = count(); i <= n; i++)
        (void)settle(&accounts[i], 0);
    errno = saved;
}

/* A program with hundreds of pools does not pay for them all at each synchronisation: each comes round in time. */
void hcs_pools_settle_some(void) {
    static uint32_t next;
    int saved = errno, asked = 0;
    if (hcs_mode() != HCS_MODE_ON)
        return;
    for (uint32_t i = 0, n = count(); i < n && asked < ASKED_AT_ONCE; i++)
        asked += settle(&accounts[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % n + 1], 0);
    errno = saved;
}

void hcs_pools_settle_failed(uint32_t account) {
    if (!accounts[account].ask->sets_error)
        hcs_pools_settle();
}

void hcs_pools_trim(int device) {
    int saved = errno;
    for (uint32_t i = 1, n = count(); i <= n; i++)
        if (device < 0 || accounts[i].device == (uint32_t)device)
            (void)settle(&accounts[i], 1);
    errno = saved;
}

static int is_meant(const struct account *a, uint32_t vendor, uint64_t pool, int device) {
    return a->vendor == vendor && a->pool != 0 && (pool ? a->pool == pool : a->device == (uint32_t)device);
}

void hcs_pools_end_begin(uint32_t vendor, uint64_t pool, int device) {
    int saved = errno;
    hcs_guard();
    for (uint32_t i = 1; i <= highest; i++) {
        struct account *a = &accounts[i];
        if (!is_meant(a, vendor, pool, device))
            continue;
        a->ending++;
        while (a->asking) {
            hcs_unguard();
            hcs_sleep_us(20);
            hcs_guard();
        }
    }
    hcs_unguard();
    errno = saved;
}

/* The driver keeps what a destroyed pool has reserved until its last allocation is freed. */
void hcs_pools_end(uint32_t vendor, uint64_t pool, int device, int ended) {
    hcs_guard();
    for (uint32_t i = 1; i <= highest; i++) {
        struct account *a = &accounts[i];
        if (!a->ending || !is_meant(a, vendor, pool, device))
            continue; /* the driver may have given the handle out again */
        a->ending--;
        if (!ended)
            continue;
        a->pool = 0;
        a->ending = 0;
        if (a->live == 0)
            let_go(a, 0);
    }
    hcs_unguard();
}

void hcs_pools_forget_all(void) {
    for (uint32_t i = 1; i <= highest; i++)
        accounts[i] = (struct account){0};
    highest = 0;
    hcs_pools_keep = 0;
}
