/* SPDX-License-Identifier: Apache-2.0
 *
 * What stream-ordered memory pools keep. A free gives the bytes back to the pool, not to the device: the driver lets go of
 * them at a later synchronisation, and with a release threshold maybe never. So they stay charged, as `kept`, until the
 * driver's own figure of what the pool has reserved is lower; a later request of the same pool takes them over, and reserves
 * only the rest. live + kept never exceeds what was asked of the pool: rounding within it is the driver's, as everywhere.
 *
 * An account is one pool's, and outlives it while memory from it is live. Everything here is read and written under the
 * guard; the driver is asked outside.
 */
#include "hook.h"

struct account {
    uint64_t pool; /* 0: free, unless something is live */
    const struct hcs_pool_questions *ask;
    const void *near;
    uint32_t vendor;
    uint32_t device;
    uint64_t live, kept;
    uint64_t returns; /* +1 whenever `kept` grows: an older answer of the driver says nothing of that */
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

static int is_free(const struct account *a) { return a->pool == 0 && a->live == 0 && a->kept == 0; }

uint32_t hcs_pool_known(uint32_t vendor, uint64_t pool, uint32_t device) {
    for (uint32_t i = 1; i <= highest; i++)
        if (accounts[i].pool == pool && accounts[i].vendor == vendor && accounts[i].device == device)
            return i;
    return 0;
}

uint32_t hcs_pool_account(const struct hcs_layer *layer, uint64_t pool, const void *near, uint32_t device) {
    uint32_t known = hcs_pool_known(layer->vendor, pool, device), unused = 0;
    if (known)
        return known;
    for (uint32_t i = highest; i > 0; i--)
        if (is_free(&accounts[i]))
            unused = i;
    if (!unused && highest + 1 < HCS_POOL_ACCOUNTS)
        unused = ++highest;
    if (unused)
        accounts[unused] = (struct account){
            .pool = pool, .ask = layer->pools, .near = near, .vendor = layer->vendor, .device = device};
    return unused;
}

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

/* What the driver says that the pool has reserved, less what is live, is what it can keep. */
static void settle(struct account *a) {
    hcs_guard();
    struct account seen = *a;
    hcs_unguard();
    uint64_t reserved;
    if (!seen.kept || !seen.pool || seen.ask->reserved(seen.near, seen.pool, &reserved) != seen.ask->success)
        return;
    hcs_guard();
    uint64_t most = reserved > a->live ? reserved - a->live : 0;
    if (a->pool == seen.pool && a->returns == seen.returns && a->kept > most)
        let_go(a, most);
    hcs_unguard();
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
        settle(&accounts[i]);
    errno = saved;
}

void hcs_pools_trim(void) {
    int saved = errno;
    for (uint32_t i = 1, n = count(); i <= n; i++) {
        hcs_guard();
        struct account seen = accounts[i];
        hcs_unguard();
        if (seen.kept && seen.pool)
            (void)seen.ask->trim(seen.near, seen.pool);
        settle(&accounts[i]);
    }
    errno = saved;
}

/* The driver keeps what a destroyed pool has reserved until its last allocation is freed. */
void hcs_pool_ended(uint32_t vendor, uint64_t pool) {
    hcs_guard();
    for (uint32_t i = 1; i <= highest; i++) {
        struct account *a = &accounts[i];
        if (a->vendor != vendor || a->pool != pool || pool == 0)
            continue;
        a->pool = 0;
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
