/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory whose life is not one pointer's: virtual memory (handles and mappings), pools (where they lie), graphs.
 *
 * An object is made by cuMemCreate and its kin and dies with its last handle and its last mapping; handles may outlive
 * mappings and the other way round. Notes about handles, mappings, objects and pools stand in one table. The note of a
 * moment says when it was written: what a driver call ended is looked up after the call, and a number that the driver has
 * given out again meanwhile (to another thread) is newer than the call and is left alone.
 */
#include <string.h>
#include <sys/mman.h>

#include "hook.h"

struct note {
    uint64_t key; /* 0 = empty */
    uint64_t moment;
    union {
        struct { /* HCS_HANDLE, HCS_MAPPING */
            uint64_t object; /* 0: not ours */
            uint64_t bytes;
        };
        struct { /* HCS_OBJECT; moment is the handle's key */
            uint32_t handles, mappings;
            uint64_t word; /* bytes << 4 | device */
        };
        int ordinal; /* HCS_POOL */
    };
};

#define FIRST_LOG2 7

static uint32_t lock;
static struct note *notes;
static uint32_t log2_size;
static uint64_t count, clock_now;

static uint64_t mask(void) { return (UINT64_C(1) << log2_size) - 1; }
static uint64_t home(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - log2_size); }

static struct note *find(uint64_t key) {
    if (!notes)
        return NULL;
    for (uint64_t i = home(key); notes[i].key != 0; i = (i + 1) & mask())
        if (notes[i].key == key)
            return &notes[i];
    return NULL;
}

static struct note *place(struct note note) {
    uint64_t i = home(note.key);
    while (notes[i].key != 0)
        i = (i + 1) & mask();
    notes[i] = note;
    return &notes[i];
}

static int grow(void) {
    struct note *old = notes;
    uint64_t old_size = old ? mask() + 1 : 0;
    uint32_t log2 = old ? log2_size + 1 : FIRST_LOG2;
    void *memory = mmap(NULL, sizeof *notes << log2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    notes = memory;
    log2_size = log2;
    for (uint64_t i = 0; i < old_size; i++)
        if (old[i].key != 0)
            place(old[i]);
    if (old)
        munmap(old, old_size * sizeof *old);
    return 0;
}

/* The note of this key, new or as it is: NULL without memory. Room for `more` further ones is made as well. */
static struct note *note_of(uint64_t key, uint64_t more) {
    struct note *known = find(key);
    if (known)
        return known;
    if ((!notes || (count + 1 + more) * 4 > (mask() + 1) * 3) && grow() < 0)
        return NULL;
    count++;
    return place((struct note){.key = key});
}

static void forget(struct note *n) {
    uint64_t gap = (uint64_t)(n - notes);
    for (uint64_t i = (gap + 1) & mask(); notes[i].key != 0; i = (i + 1) & mask())
        if (((i - home(notes[i].key)) & mask()) >= ((i - gap) & mask())) {
            notes[gap] = notes[i];
            gap = i;
        }
    notes[gap] = (struct note){0};
    count--;
}

static uint64_t object_key(uint64_t object) { return hcs_key(0, HCS_OBJECT, object); }

/* One handle or mapping less: what the driver gives back, if it was the last. */
static struct hcs_holding let_go(uint64_t object, uint32_t handles, uint32_t mappings) {
    struct hcs_holding nothing = {0};
    struct note *o = object ? find(object_key(object)) : NULL;
    if (!o)
        return nothing;
    o->handles -= handles < o->handles ? handles : o->handles;
    o->mappings -= mappings < o->mappings ? mappings : o->mappings;
    if (o->handles || o->mappings)
        return nothing;
    struct hcs_holding held = {.bytes = o->word >> 4, .device = (uint32_t)o->word & 15};
    uint64_t handle_key = o->moment;
    forget(o);
    struct note *h = find(handle_key);
    if (h && h->object == object)
        forget(h);
    return held;
}

int hcs_object_keep(struct hcs_charge *c, uint64_t handle) {
    if (c->bytes == 0)
        return 0;
    uint64_t key = hcs_key(c->vendor, HCS_HANDLE, handle);
    struct hcs_holding former = {0};
    int r = -ENOMEM;
    hcs_lock(&lock);
    struct note *h = note_of(key, 1);
    if (h) {
        if (h->object) /* the driver gives a number again that we thought in use */
            former = let_go(h->object, UINT32_MAX, 0);
        uint64_t object = ++clock_now;
        h = note_of(key, 1); /* letting go may have removed it */
        if (h)
            *h = (struct note){.key = key, .moment = object, .object = object};
        struct note *o = note_of(object_key(object), 0);
        if (o) {
            uint64_t okey = o->key;
            *o = (struct note){.key = okey, .moment = key, .handles = 1, .word = c->bytes << 4 | c->device};
            r = 0;
        }
    }
    hcs_unlock(&lock);
    if (r == 0)
        hcs_operation_end(c->slot, &former, 1);
    return r;
}

void hcs_object_retain(uint32_t vendor, uint64_t handle) {
    hcs_lock(&lock);
    struct note *h = find(hcs_key(vendor, HCS_HANDLE, handle));
    struct note *o = h && h->object ? find(object_key(h->object)) : NULL;
    if (o)
        o->handles++;
    hcs_unlock(&lock);
}

void hcs_object_map(uint32_t vendor, uint64_t address, uint64_t bytes, uint64_t handle) {
    struct hcs_segment_slot *slot = hcs_operation_begin();
    struct hcs_holding former = {0};
    hcs_lock(&lock);
    struct note *h = find(hcs_key(vendor, HCS_HANDLE, handle));
    uint64_t object = h ? h->object : 0, key = hcs_key(vendor, HCS_MAPPING, address);
    struct note *o = object ? find(object_key(object)) : NULL;
    if (o)
        o->mappings++; /* before anything that may end the object; without memory for the note it never ends */
    struct note *m = note_of(key, 0);
    if (m) {
        uint64_t before = m->object;
        *m = (struct note){.key = key, .moment = ++clock_now, .object = object, .bytes = bytes};
        if (before)
            former = let_go(before, 0, 1);
    }
    hcs_unlock(&lock);
    if (slot)
        hcs_operation_end(slot, &former, 1);
}

void hcs_object_release_begin(struct hcs_object_release *r) {
    r->slot = hcs_operation_begin();
    hcs_lock(&lock);
    r->moment = clock_now;
    hcs_unlock(&lock);
}

void hcs_object_drop_end(const struct hcs_object_release *r, uint32_t vendor, uint64_t handle, int done) {
    struct hcs_holding held = {0};
    if (done) {
        hcs_lock(&lock);
        struct note *h = find(hcs_key(vendor, HCS_HANDLE, handle));
        if (h && h->moment <= r->moment)
            held = let_go(h->object, 1, 0);
        hcs_unlock(&lock);
    }
    if (r->slot)
        hcs_operation_end(r->slot, &held, 1);
}

void hcs_object_unmap_end(const struct hcs_object_release *r, uint32_t vendor, uint64_t address, uint64_t bytes,
                          int done) {
    struct hcs_holding held[HCS_SEGMENT_DEVICES] = {0};
    for (uint32_t d = 0; d < HCS_SEGMENT_DEVICES; d++)
        held[d].device = d;
    hcs_lock(&lock);
    for (uint64_t at = address; done && at - address < bytes;) {
        struct note *m = find(hcs_key(vendor, HCS_MAPPING, at));
        if (!m)
            break;
        at += m->bytes ? m->bytes : bytes;
        if (m->moment > r->moment)
            continue;
        uint64_t object = m->object;
        forget(m);
        struct hcs_holding one = let_go(object, 0, 1);
        held[one.device].bytes += one.bytes;
    }
    hcs_unlock(&lock);
    if (r->slot)
        hcs_operation_end(r->slot, held, HCS_SEGMENT_DEVICES);
}

/* --- pools ------------------------------------------------------------------------------------------------------------------ */

void hcs_pool_note(uint32_t vendor, uint64_t pool, int ordinal) {
    hcs_lock(&lock);
    struct note *p = pool ? note_of(hcs_key(vendor, HCS_POOL, pool), 0) : NULL;
    if (p)
        p->ordinal = ordinal;
    hcs_unlock(&lock);
}

int hcs_pool_forget(uint32_t vendor, uint64_t pool) {
    hcs_lock(&lock);
    struct note *p = find(hcs_key(vendor, HCS_POOL, pool));
    int ordinal = p ? p->ordinal : HCS_CURRENT;
    if (p)
        forget(p);
    hcs_unlock(&lock);
    return ordinal;
}

int hcs_pool_device(uint32_t vendor, uint64_t pool) {
    hcs_lock(&lock);
    struct note *p = find(hcs_key(vendor, HCS_POOL, pool));
    int ordinal = p ? p->ordinal : HCS_CURRENT;
    hcs_unlock(&lock);
    return ordinal;
}

/* --- graphs ----------------------------------------------------------------------------------------------------------------- */

static uint64_t graph_ordinals[HCS_VENDORS]; /* bits: devices on which a graph may allocate */
static uint64_t graph_charged[HCS_VENDORS][HCS_ORDINALS];
static uint32_t graph_lock; /* held over the driver's question, so that two answers are not booked in the wrong order */

_Static_assert(HCS_ORDINALS == 64, "one bit for each ordinal");

void hcs_graph_note(const struct hcs_layer *layer, int ordinal) {
    if (ordinal >= 0 && ordinal < HCS_ORDINALS)
        __atomic_or_fetch(&graph_ordinals[layer->vendor], UINT64_C(1) << ordinal, __ATOMIC_ACQ_REL);
}

/* A node that could never get its memory is denied when it is made; nothing is kept of the charge. */
int hcs_graph_may_add(const struct hcs_layer *layer, const void *real, int ordinal, uint64_t bytes) {
    struct hcs_charge charge;
    int status = hcs_charge_begin(layer, real, ordinal, bytes, &charge);
    if (status == layer->success)
        hcs_charge_drop(&charge, 1);
    return status;
}

static void settle_graphs_of(const struct hcs_layer *layer, const void *real, int ordinal) {
    uint64_t reserved = 0;
    if (layer->graph_reserved(real, ordinal, &reserved) != layer->success)
        return;
    uint64_t *charged = &graph_charged[layer->vendor][ordinal];
    if (reserved == *charged)
        return;
    hcs_charge_set(layer, real, ordinal, *charged, reserved);
    *charged = reserved;
}

void hcs_graph_settle(const struct hcs_layer *layer, const void *real) {
    uint64_t ordinals = __atomic_load_n(&graph_ordinals[layer->vendor], __ATOMIC_ACQUIRE);
    if (HCS_LIKELY(ordinals == 0) || !layer->graph_reserved || hcs_mode() != HCS_MODE_ON)
        return;
    hcs_lock(&graph_lock);
    for (int i = 0; i < HCS_ORDINALS; i++)
        if (ordinals >> i & 1)
            settle_graphs_of(layer, real, i);
    hcs_unlock(&graph_lock);
}

/* In a forked child, where no other thread runs. The table may be half moved, so its memory is left, not given back. */
void hcs_objects_forget_all(void) {
    lock = 0;
    graph_lock = 0;
    notes = NULL;
    log2_size = 0;
    count = 0;
    memset(graph_charged, 0, sizeof graph_charged);
    memset(graph_ordinals, 0, sizeof graph_ordinals);
}
