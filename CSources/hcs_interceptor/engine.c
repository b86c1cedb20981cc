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
    errno = saved;
    return code;
}

static int limited_in_total(void) { return hcs_load_u64(&hcs_state.map->total_limit) != HCS_UNLIMITED; }

/* The total first, then the device, each bounded: 1, or 0 with neither changed. */
static int reserve(struct hcs_charge *c) {
    struct hcs_segment *s = hcs_state.map;
    c->charged_total = limited_in_total();
    if (c->charged_total && !hcs_reserve(&s->total_used, &s->total_limit, c->bytes))
        return 0;
    struct hcs_segment_device *device = &s->devices[c->device];
    if (hcs_reserve(&device->used, &device->limit, c->bytes))
        return 1;
    if (c->charged_total)
        hcs_give_back(&s->total_used, c->bytes);
    return 0;
}

/* Takes up to n off the slot and only that much off the shared counters: should somebody have taken this slot for dead,
 * they gave the bytes back already. */
static void uncharge(struct hcs_segment_slot *slot, uint32_t device, uint64_t n, int from_total) {
    uint64_t held = hcs_load_u64(&slot->used[device]), taken;
    do
        taken = held < n ? held : n;
    while (!__atomic_compare_exchange_n(&slot->used[device], &held, held - taken, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    hcs_give_back(&hcs_state.map->devices[device].used, taken);
    if (from_total)
        hcs_give_back(&hcs_state.map->total_used, taken);
}

static void say_over_quota(const struct hcs_charge *c) {
    static uint32_t once[HCS_SEGMENT_DEVICES];
    struct hcs_segment_device *device = &hcs_state.map->devices[c->device];
    struct hcs_decimal asked, used, limit;
    hcs_say(HCS_LOG_WARN, &once[c->device], "over quota: ", hcs_decimal(c->bytes, &asked), " bytes asked, ",
            hcs_decimal(hcs_load_u64(&device->used), &used), " of ", hcs_decimal(hcs_load_u64(&device->limit), &limit),
            " in use on the device", NULL);
}

static void count_denial(const struct hcs_charge *c) {
    struct hcs_segment_device *device = &hcs_state.map->devices[c->device];
    (void)hcs_add_u64(&device->denied, 1);
    hcs_store_u64(&device->denied_bytes, c->bytes);
    say_over_quota(c);
}

static void begin(struct hcs_charge *c) { (void)hcs_add_u64(&c->slot->begin, 1); }
static void end(struct hcs_segment_slot *slot) { (void)hcs_add_u64(&slot->end, 1); }

/* Before a request is denied, what dead processes hold is taken back, and the request tried again. Meanwhile this is no
 * operation under way: nothing is reserved, and the counters can be settled. */
static int reserve_or_reap(struct hcs_charge *c) {
    begin(c);
    if (HCS_LIKELY(reserve(c)))
        return 1;
    end(c->slot);
    (void)hcs_segment_reap();
    begin(c);
    if (reserve(c))
        return 1;
    end(c->slot);
    return 0;
}

static int charge(const struct hcs_layer *layer, const void *real, uint64_t bytes, struct hcs_charge *c) {
    *c = (struct hcs_charge){.vendor = layer->vendor};
    if (bytes == 0)
        return layer->success; /* the vendor's own answer to nothing; it holds nothing */
    if (hcs_mode() == HCS_MODE_DENY) {
        hcs_say_denial_reason();
        return hcs_denied(layer);
    }
    int ordinal = -1;
    int status = layer->current_device(real, &ordinal);
    if (status != layer->success)
        return status; /* no current device: the allocation itself would have failed on that */
    c->slot = hcs_segment_attach();
    int device = c->slot ? hcs_device_entry(layer, real, ordinal) : -1;
    if (device < 0)
        return hcs_denied(layer);
    c->device = (uint32_t)device;
    c->bytes = bytes;
    if (bytes > HCS_LEDGER_MAX_BYTES || !reserve_or_reap(c)) {
        count_denial(c);
        return hcs_denied(layer);
    }
    (void)hcs_add_u64(&c->slot->used[device], bytes);
    hcs_raise(&hcs_state.map->devices[device].peak, hcs_load_u64(&hcs_state.map->devices[device].used));
    if (c->charged_total)
        hcs_raise(&hcs_state.map->total_peak, hcs_load_u64(&hcs_state.map->total_used));
    return layer->success;
}

int hcs_charge_begin(const struct hcs_layer *layer, const void *real, uint64_t bytes, struct hcs_charge *ret_charge) {
    int saved = errno;
    int status = charge(layer, real, bytes, ret_charge);
    errno = saved;
    return status;
}

void hcs_charge_drop(struct hcs_charge *c, int given) {
    if (c->bytes == 0)
        return;
    if (given)
        uncharge(c->slot, c->device, c->bytes, c->charged_total);
    end(c->slot);
}

/* Vendors' address spaces are their own: the same number may be a pointer of two of them. */
static uint64_t ledger_key(uint32_t vendor, uint64_t key) { return key ^ (uint64_t)vendor << 59; }

int hcs_charge_keep(struct hcs_charge *c, uint64_t key) {
    if (c->bytes == 0)
        return 0;
    if (key == 0) {
        hcs_charge_drop(c, 1);
        return 0;
    }
    int saved = errno;
    struct hcs_holding replaced;
    int r = hcs_ledger_insert(ledger_key(c->vendor, key), (struct hcs_holding){c->bytes, c->device}, &replaced);
    if (r == 1)
        /* The driver gave out an address that we thought taken: it was freed where no hook sees it (a device reset). */
        uncharge(c->slot, replaced.device, replaced.bytes, limited_in_total());
    if (r >= 0)
        end(c->slot);
    errno = saved;
    return r < 0 ? r : 0;
}

void hcs_release_begin(const struct hcs_layer *layer, uint64_t key, struct hcs_release *ret_release) {
    int saved = errno;
    struct hcs_release r = {.key = ledger_key(layer->vendor, key)};
    if (key != 0 && hcs_ledger_claim(r.key, &r.holding) == 0) {
        r.slot = __atomic_load_n(&hcs_state.slot, __ATOMIC_ACQUIRE);
        if (r.slot)
            (void)hcs_add_u64(&r.slot->begin, 1);
    }
    *ret_release = r;
    errno = saved;
}

void hcs_release_end(struct hcs_release *r, int freed) {
    if (!r->slot)
        return;
    int saved = errno;
    if (freed) {
        uncharge(r->slot, r->holding.device, r->holding.bytes, limited_in_total());
        hcs_ledger_remove_claimed(r->key);
    } else {
        hcs_ledger_unclaim(r->key);
    }
    end(r->slot);
    errno = saved;
}

static uint64_t left(const uint64_t *used, uint64_t limit) {
    uint64_t now = hcs_load_u64(used);
    return now < limit ? limit - now : 0;
}

static void narrow(uint64_t limit, uint64_t remaining, size_t *free_bytes, size_t *total_bytes) {
    if (total_bytes && *total_bytes > limit)
        *total_bytes = (size_t)limit;
    if (free_bytes && *free_bytes > remaining)
        *free_bytes = (size_t)remaining;
}

static void info(const struct hcs_layer *layer, const void *real, size_t *free_bytes, size_t *total_bytes) {
    int ordinal = -1, device = -1;
    if (hcs_mode() == HCS_MODE_DENY)
        hcs_say_denial_reason();
    else if (hcs_state.map && layer->current_device(real, &ordinal) == layer->success)
        device = hcs_device_entry(layer, real, ordinal);
    if (device < 0) {
        narrow(0, 0, free_bytes, total_bytes); /* what may be had is nothing */
        return;
    }
    struct hcs_segment_device *d = &hcs_state.map->devices[device];
    uint64_t limit = hcs_load_u64(&d->limit), total = hcs_load_u64(&hcs_state.map->total_limit);
    narrow(limit, left(&d->used, limit), free_bytes, total_bytes);
    if (total != HCS_UNLIMITED)
        narrow(total, left(&hcs_state.map->total_used, total), free_bytes, total_bytes);
}

void hcs_info_narrow(const struct hcs_layer *layer, const void *real, size_t *free_bytes, size_t *total_bytes) {
    int saved = errno;
    info(layer, real, free_bytes, total_bytes);
    errno = saved;
}
