/* SPDX-License-Identifier: Apache-2.0
 *
 * Reserve, call, account. The order of the counters is the segment's contract (hcs_segment.h): a kill at any instant leaves
 * a device counted for at least what its slots hold.
 */
#include "hook.h"

int hcs_missing(const struct hcs_layer *layer, const char *name) {
    static uint32_t once;
    hcs_say(HCS_LOG_ERROR, &once, name, " was called, but no library in this process defines it", NULL);
    return layer->missing;
}

int hcs_denied(const struct hcs_layer *layer) {
    int saved = errno;
    int code = layer->denied ? layer->denied() : layer->out_of_memory;
    if (layer->refuse)
        layer->refuse();
    errno = saved;
    return code;
}

/* --- counters: the caller holds the guard -------------------------------------------------------------------------------
 *
 * begin, end and used of our slot have one writer at a time, whoever holds the guard, so they are written with plain stores;
 * device.used and total_used are everybody's. Should a reaper take this slot for dead (a program in another pid
 * namespace that closed every descriptor), its exchange may get lost in ours, as the whole slot would be. */

static void bump(uint64_t *counter) {
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}
static void begin(struct hcs_segment_slot *slot) { bump(&slot->begin); }
static void end(struct hcs_segment_slot *slot) { bump(&slot->end); }

static int limited_in_total(void) { return hcs_load_u64(&hcs_state.map->total_limit) != HCS_UNLIMITED; }

/* The total first, then the device, each bounded, then the slot: 1, or 0 with nothing changed. */
static int reserve(struct hcs_charge *c, uint64_t bytes) {
    struct hcs_segment *s = hcs_state.map;
    struct hcs_segment_device *device = &s->devices[c->device];
    if (c->charged_total && !hcs_reserve(&s->total_used, &s->total_limit, bytes))
        return 0;
    if (!HCS_LIKELY(hcs_reserve(&device->used, &device->limit, bytes))) {
        if (c->charged_total)
            hcs_give_back(&s->total_used, bytes);
        return 0;
    }
    uint64_t *used = &c->slot->used[c->device];
    __atomic_store_n(used, __atomic_load_n(used, __ATOMIC_RELAXED) + bytes, __ATOMIC_RELEASE);
    return 1;
}

static void raise_peaks(const struct hcs_charge *c) {
    struct hcs_segment_device *device = &hcs_state.map->devices[c->device];
    hcs_raise(&device->peak, hcs_load_u64(&device->used));
    if (c->charged_total)
        hcs_raise(&hcs_state.map->total_peak, hcs_load_u64(&hcs_state.map->total_used));
}

/* Takes up to n off the slot and only that much off the shared counters: should somebody have taken this slot for dead,
 * they gave the bytes back already. */
static inline __attribute__((always_inline)) void uncharge(struct hcs_segment_slot *slot, uint32_t device, uint64_t n, int from_total) {
    uint64_t held = __atomic_load_n(&slot->used[device], __ATOMIC_RELAXED), taken = held < n ? held : n;
    __atomic_store_n(&slot->used[device], held - taken, __ATOMIC_RELEASE);
    hcs_give_back(&hcs_state.map->devices[device].used, taken);
    if (from_total)
        hcs_give_back(&hcs_state.map->total_used, taken);
}

/* What the driver took back: to the quota, or to the pool that it came from. */
static inline void give(struct hcs_segment_slot *slot, struct hcs_holding h) {
    if (!HCS_LIKELY(h.pool == 0))
        hcs_pool_put(h.pool, h.bytes);
    else
        uncharge(slot, h.device, h.bytes, limited_in_total());
}

static __attribute__((noinline)) void give_unexpected(struct hcs_segment_slot *slot, struct hcs_holding h) { give(slot, h); }

/* --- allocate -------------------------------------------------------------------------------------------------------------- */

static void say_over_quota(const struct hcs_charge *c, uint64_t bytes) {
    static uint32_t once[HCS_SEGMENT_DEVICES];
    struct hcs_segment_device *device = &hcs_state.map->devices[c->device];
    struct hcs_decimal asked, used, limit;
    hcs_say(HCS_LOG_WARN, &once[c->device], "over quota: ", hcs_decimal(bytes, &asked), " bytes asked, ",
            hcs_decimal(hcs_load_u64(&device->used), &used), " of ", hcs_decimal(hcs_load_u64(&device->limit), &limit),
            " in use on the device", NULL);
}

static void count_denial(const struct hcs_charge *c, uint64_t bytes) {
    struct hcs_segment_device *device = &hcs_state.map->devices[c->device];
    (void)hcs_add_u64(&device->denied, 1);
    hcs_store_u64(&device->denied_bytes, bytes);
    say_over_quota(c, bytes);
}

/* An operation begun with the bytes reserved: 1; or none begun: 0. */
static inline __attribute__((always_inline)) int begin_reserved(struct hcs_charge *c, uint32_t pool, uint64_t bytes) {
    uint64_t reused = 0;
    hcs_guard();
    begin(c->slot);
    if (pool)
        reused = hcs_pool_take(pool, bytes);
    int reserved = reserve(c, bytes - reused);
    if (!HCS_LIKELY(reserved)) {
        if (pool)
            hcs_pool_undo(pool, bytes, reused);
        end(c->slot);
    } else if (pool) {
        hcs_pool_unpin(pool);
    }
    hcs_unguard();
    return reserved;
}

static int could_ever_fit(const struct hcs_charge *c, uint64_t bytes) {
    return bytes <= HCS_LEDGER_MAX_BYTES && bytes <= hcs_load_u64(&hcs_state.map->devices[c->device].limit) &&
           (!c->charged_total || bytes <= hcs_load_u64(&hcs_state.map->total_limit));
}

/* Before a request is denied, what dead processes hold is taken back, and what our pools keep, and the request tried again.
 * Meanwhile this is no operation under way: nothing is reserved, and the counters can be settled. */
static __attribute__((noinline)) int reap_and_reserve(struct hcs_charge *c, uint64_t bytes) {
    int saved = errno;
    int reserved = 0;
    if (bytes <= HCS_LEDGER_MAX_BYTES) {
        (void)hcs_segment_reap();
        hcs_pools_settle();
        reserved = begin_reserved(c, c->pool, bytes);
    }
    if (!reserved && could_ever_fit(c, bytes) && __atomic_load_n(&hcs_pools_keep, __ATOMIC_RELAXED)) {
        /* Drivers empty their pools as well before they say that memory is out. */
        hcs_pools_trim(c->charged_total ? -1 : (int)c->device);
        reserved = begin_reserved(c, c->pool, bytes);
    }
    if (!reserved) {
        hcs_guard();
        hcs_pool_unpin(c->pool);
        hcs_unguard();
        count_denial(c, bytes);
    }
    errno = saved;
    return reserved;
}

static __attribute__((noinline)) int deny(const struct hcs_layer *layer) {
    if (hcs_mode() == HCS_MODE_DENY)
        hcs_say_denial_reason();
    return hcs_denied(layer);
}

/* Attaches, or meets a device, for the first time. */
static __attribute__((noinline)) int find_slowly(const struct hcs_layer *layer, const void *real, int ordinal,
                                                 struct hcs_charge *c) {
    int saved = errno;
    c->slot = hcs_segment_attach();
    int device = c->slot ? hcs_device_entry(layer, real, ordinal) : -1;
    errno = saved;
    return device;
}

/* A pool whose figures cannot be asked for gets no account: its memory is charged from request to free, as any other. */
static void find_pool(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t pool, struct hcs_charge *c) {
    uint64_t reserved;
    int saved = errno;
    const struct hcs_pool_questions *q = layer->pools;
    if (!q || (!pool && q->current(real, ordinal, &pool) != q->success) || !pool) {
        errno = saved;
        return;
    }
    hcs_guard();
    c->pool = hcs_pool_known(layer->vendor, pool, c->device);
    hcs_unguard();
    if (c->pool == 0 && q->reserved(real, pool, &reserved) == q->success) {
        hcs_guard();
        c->pool = hcs_pool_account(layer, pool, real, c->device);
        hcs_unguard();
    }
    errno = saved;
}

static inline __attribute__((always_inline)) int charge_begin(const struct hcs_layer *layer, const void *real, int ordinal,
                                                              int pooled, uint64_t pool, uint64_t bytes,
                                                              struct hcs_charge *c) {
    c->bytes = 0;
    c->pool = 0;
    if (bytes == 0 || ordinal == HCS_NOWHERE)
        return layer->success; /* the vendor's own answer to nothing; it holds nothing */
    if (!HCS_LIKELY(hcs_mode() == HCS_MODE_ON))
        return deny(layer);
    if (ordinal == HCS_CURRENT) {
        int status = layer->current_device(real, &ordinal);
        if (status != layer->success)
            return status; /* no current device: the allocation itself would have failed on that */
    }
    c->slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
    int device = HCS_LIKELY(c->slot) ? hcs_device_known(layer->vendor, ordinal) : -1;
    if (!HCS_LIKELY(device >= 0) && (device = find_slowly(layer, real, ordinal, c)) < 0)
        return hcs_denied(layer);
    c->device = (uint32_t)device;
    c->vendor = layer->vendor;
    c->charged_total = limited_in_total();
    if (pooled)
        find_pool(layer, real, ordinal, pool, c);
    if (!HCS_LIKELY(bytes <= HCS_LEDGER_MAX_BYTES && begin_reserved(c, pooled ? c->pool : 0, bytes)) && !reap_and_reserve(c, bytes))
        return hcs_denied(layer);
    c->bytes = bytes;
    raise_peaks(c);
    return layer->success;
}

int hcs_charge_begin(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t bytes,
                     struct hcs_charge *c) {
    return charge_begin(layer, real, ordinal, 0, 0, bytes, c);
}

int hcs_charge_begin_pooled(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t pool, uint64_t bytes,
                            struct hcs_charge *c) {
    return charge_begin(layer, real, ordinal, 1, pool, bytes, c);
}

int hcs_charge_adjust(struct hcs_charge *c, uint64_t bytes) {
    if (c->bytes == 0 || bytes == c->bytes)
        return 0;
    int fits = 1;
    hcs_guard();
    if (bytes < c->bytes)
        uncharge(c->slot, c->device, c->bytes - bytes, c->charged_total);
    else
        fits = bytes <= HCS_LEDGER_MAX_BYTES && reserve(c, bytes - c->bytes);
    hcs_unguard();
    if (!fits) {
        count_denial(c, bytes);
        return -EDQUOT;
    }
    c->bytes = bytes;
    raise_peaks(c);
    return 0;
}

void hcs_charge_set(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t from, uint64_t to) {
    struct hcs_charge c = {.vendor = layer->vendor, .charged_total = limited_in_total()};
    int device = find_slowly(layer, real, ordinal, &c);
    if (device < 0)
        return;
    c.device = (uint32_t)device;
    uint64_t more = to > from ? to - from : 0;
    int fits = 1;
    hcs_guard();
    begin(c.slot);
    if (to < from) {
        uncharge(c.slot, c.device, from - to, c.charged_total);
    } else if (!reserve(&c, more)) {
        fits = 0;
        if (c.charged_total)
            (void)hcs_add_u64(&hcs_state.map->total_used, more);
        (void)hcs_add_u64(&hcs_state.map->devices[device].used, more);
        hcs_store_u64(&c.slot->used[device], c.slot->used[device] + more);
    }
    end(c.slot);
    hcs_unguard();
    raise_peaks(&c);
    if (!fits)
        count_denial(&c, more);
}

void hcs_charge_drop(struct hcs_charge *c, int given) {
    if (c->bytes == 0)
        return;
    hcs_guard();
    if (given && c->pool)
        hcs_pool_put(c->pool, c->bytes); /* an undone request may have grown the pool: what it keeps is asked below */
    else if (given)
        uncharge(c->slot, c->device, c->bytes, c->charged_total);
    end(c->slot);
    hcs_unguard();
    if (given && c->pool)
        hcs_pools_settle_failed(c->pool);
}

int hcs_charge_keep(struct hcs_charge *c, enum hcs_class class, uint64_t number) {
    if (c->bytes == 0)
        return 0;
    if (number == 0) {
        hcs_charge_drop(c, 1);
        return 0;
    }
    struct hcs_holding replaced;
    hcs_guard();
    int r = hcs_ledger_insert(hcs_key(c->vendor, class, number), (struct hcs_holding){c->bytes, c->device, c->pool}, &replaced);
    if (!HCS_LIKELY(r <= 0))
        /* The driver gave out an address that we thought taken: it was freed where no hook sees it (a device reset). */
        give_unexpected(c->slot, replaced);
    if (r >= 0)
        end(c->slot);
    hcs_unguard();
    return r < 0 ? r : 0;
}

/* --- release --------------------------------------------------------------------------------------------------------------- */

void hcs_release_begin(const struct hcs_layer *layer, enum hcs_class class, uint64_t number, struct hcs_release *r) {
    r->slot = NULL;
    struct hcs_segment_slot *slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
    if (number == 0 || !slot)
        return;
    r->key = hcs_key(layer->vendor, class, number);
    hcs_guard();
    if (HCS_LIKELY(hcs_ledger_take(r->key, &r->holding) == 0)) {
        r->slot = slot;
        begin(slot);
    }
    hcs_unguard();
}

void hcs_release_end(struct hcs_release *r, int freed) {
    if (!r->slot)
        return;
    hcs_guard();
    if (HCS_LIKELY(freed))
        give(r->slot, r->holding);
    else
        /* Without room the bytes stay charged until the process ends. */
        (void)hcs_ledger_put_back(r->key, r->holding);
    end(r->slot);
    hcs_unguard();
}

struct hcs_segment_slot *hcs_operation_begin(void) {
    struct hcs_segment_slot *slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
    if (!slot)
        return NULL;
    hcs_guard();
    begin(slot);
    hcs_unguard();
    return slot;
}

void hcs_operation_end(struct hcs_segment_slot *slot, const struct hcs_holding *holdings, uint32_t count) {
    hcs_guard();
    for (uint32_t i = 0; i < count; i++)
        if (holdings[i].bytes)
            uncharge(slot, holdings[i].device, holdings[i].bytes, limited_in_total());
    end(slot);
    hcs_unguard();
}

void hcs_uncharge_kept(uint32_t device, uint64_t bytes) {
    struct hcs_segment_slot *slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
    if (!slot || bytes == 0)
        return;
    begin(slot);
    uncharge(slot, device, bytes, limited_in_total());
    end(slot);
}

/* --- resets: a device or a context that goes, and its memory with it ---------------------------------------------------------- */

void hcs_reset_begin(const struct hcs_layer *layer, const void *real, struct hcs_reset *r) {
    int saved = errno, ordinal;
    r->slot = hcs_operation_begin();
    r->device = -1;
    if (r->slot && layer->reset_ends_pools && layer->current_device(real, &ordinal) == layer->success)
        r->device = hcs_device_known(layer->vendor, ordinal);
    if (r->device >= 0)
        hcs_pools_end_begin(layer->vendor, 0, r->device);
    errno = saved;
}

/* Takes out a pointer that the driver does not know any more. It may be given out again while we ask: an insertion ends an
 * operation under the guard, so while `end` has not moved the answer is about the entry that we know. */
static int forget_if_gone(struct hcs_segment_slot *slot, const struct hcs_layer *layer, const void *real,
                          const struct hcs_ledger_copy *e) {
    uint64_t number = e->key & ((UINT64_C(1) << 56) - 1);
    for (int tries = 0; tries < 16; tries++) {
        uint64_t before = hcs_load_u64(&slot->end);
        if (layer->knows_pointer(real, number) != 0)
            return 0;
        struct hcs_holding h;
        hcs_guard();
        int same = hcs_load_u64(&slot->end) == before;
        int taken = same && hcs_ledger_take(e->key, &h) == 0;
        if (taken)
            give_unexpected(slot, h);
        hcs_unguard();
        if (same)
            return taken;
    }
    return 0; /* stays charged until the driver gives the address out again */
}

/* Which memory a context held the driver alone knows: after the call it is asked about every pointer that we have charged.
 * Only its word that there is none releases one. Virtual memory belongs to no context. */
void hcs_reset_end(const struct hcs_reset *r, const struct hcs_layer *layer, const void *real, int done) {
    struct hcs_ledger_copy entries[64];
    struct hcs_segment_slot *slot = r->slot;
    int saved = errno, again = done && layer->knows_pointer;
    if (!slot)
        return;
    if (r->device >= 0)
        hcs_pools_end(layer->vendor, 0, r->device, done);
    for (int round = 0; again && round < 8; round++) {
        struct hcs_ledger_place at = {0};
        again = 0; /* taking out moves entries about, and one may have been passed by */
        for (uint32_t n = 1; n > 0;) {
            hcs_guard();
            n = hcs_ledger_read(&at, entries, sizeof entries / sizeof *entries);
            hcs_unguard();
            for (uint32_t i = 0; i < n; i++)
                if (entries[i].key >> 56 == (layer->vendor << 3 | HCS_POINTER))
                    again |= forget_if_gone(slot, layer, real, &entries[i]);
        }
    }
    hcs_operation_end(slot, NULL, 0);
    if (done) {
        hcs_pools_settle();
        hcs_graph_settle(layer, real);
    }
    errno = saved;
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */

static uint64_t left(const uint64_t *used, uint64_t limit) {
    uint64_t now = hcs_load_u64(used);
    return now < limit ? limit - now : 0;
}

static void narrow(uint64_t limit, uint64_t remaining, uint64_t *free_bytes, uint64_t *total_bytes) {
    if (total_bytes && *total_bytes > limit)
        *total_bytes = limit;
    if (free_bytes && *free_bytes > remaining)
        *free_bytes = remaining;
}

static void narrow_to_device(int device, uint64_t *free_bytes, uint64_t *total_bytes) {
    struct hcs_segment_device *d = &hcs_state.map->devices[device];
    uint64_t limit = hcs_load_u64(&d->limit), total = hcs_load_u64(&hcs_state.map->total_limit);
    narrow(limit, left(&d->used, limit), free_bytes, total_bytes);
    if (total != HCS_UNLIMITED)
        narrow(total, left(&hcs_state.map->total_used, total), free_bytes, total_bytes);
}

void hcs_info_narrow(const struct hcs_layer *layer, const void *real, int ordinal, size_t *free_bytes,
                     size_t *total_bytes) {
    int saved = errno;
    int device = -1;
    int known = ordinal != HCS_CURRENT;
    if (hcs_mode() == HCS_MODE_DENY)
        hcs_say_denial_reason();
    else if (hcs_state.map && (known || layer->current_device(real, &ordinal) == layer->success))
        device = hcs_device_entry(layer, real, ordinal);
    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "LP64");
    if (device < 0)
        narrow(0, 0, (uint64_t *)free_bytes, (uint64_t *)total_bytes); /* what may be had is nothing */
    else
        narrow_to_device(device, (uint64_t *)free_bytes, (uint64_t *)total_bytes);
    errno = saved;
}

int hcs_report_narrow(uint32_t vendor, const char *uuid, int host_index, uint64_t *free_bytes, uint64_t *total_bytes) {
    int saved = errno;
    int device = hcs_mode() == HCS_MODE_ON && hcs_state.map ? hcs_device_named(vendor, uuid, host_index) : -1;
    if (device >= 0)
        narrow_to_device(device, free_bytes, total_bytes);
    errno = saved;
    return device >= 0;
}

/* --- sizes -------------------------------------------------------------------------------------------------------------------- */

#define ARRAY_UNIT UINT64_C(65536)
#define PITCH_UNIT UINT64_C(512)

static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t round_up(uint64_t n, uint64_t unit) { return n > UINT64_MAX - unit ? UINT64_MAX : (n + unit - 1) / unit * unit; }

static uint64_t plain_array_bytes(uint64_t width, uint64_t height, uint64_t depth, uint64_t element_bytes) {
    return times(times(times(width, height ? height : 1), depth ? depth : 1), element_bytes);
}

uint64_t hcs_array_bytes(uint64_t width, uint64_t height, uint64_t depth, uint64_t element_bytes) {
    return round_up(plain_array_bytes(width, height, depth, element_bytes), ARRAY_UNIT);
}

uint64_t hcs_mipmapped_bytes(uint64_t width, uint64_t height, uint64_t depth, uint64_t element_bytes, unsigned levels,
                             int depth_is_layers) {
    uint64_t sum = 0;
    /* The driver makes no more levels than the largest extent has bits. */
    for (unsigned i = 0; i < (levels ? levels : 1) && i < 64; i++) {
        uint64_t w = width >> i, h = height >> i, d = depth_is_layers ? depth : depth >> i;
        if (i > 0 && w == 0 && h == 0 && (d == 0 || depth_is_layers))
            break;
        uint64_t level = plain_array_bytes(width && !w ? 1 : w, h, d, element_bytes);
        if (__builtin_add_overflow(sum, level, &sum))
            return UINT64_MAX;
    }
    return round_up(sum, ARRAY_UNIT);
}

uint64_t hcs_pitched_bytes(uint64_t width, uint64_t rows, uint64_t slices) {
    return times(times(round_up(width, PITCH_UNIT), rows), slices);
}
