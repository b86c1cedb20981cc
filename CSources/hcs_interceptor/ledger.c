/* SPDX-License-Identifier: Apache-2.0
 *
 * The process-local ledger: which pointer holds how many bytes of which device. 64 tables, so that one that grows is short to
 * copy. A table is buckets of four entries of 16 bytes, one cache line each, looked at without branches: in a table that is
 * out of the first cache, guessing wrong costs more than reading. What does not fit into its bucket stands in the next
 * one that has room, and moves back when room is made, so there are no tombstones. Tables double at 7/8 full. Memory comes
 * from mmap: malloc may be the very thing that is running above us.
 *
 * A pointer is taken out before the driver frees it: the driver may hand the same address to another thread before the
 * first one is back here. A free that the driver refused puts it back.
 */
#include <string.h>
#include <sys/mman.h>

#include "hook.h"

#define SHARDS 64
#define WAYS_LOG2 2
#define WAYS (1u << WAYS_LOG2)
#define FIRST_LOG2 2 /* buckets of the first table */

struct entry {
    uint64_t key;  /* 0 = empty */
    uint64_t word; /* bytes << 12 | pool << 4 | device */
};

struct bucket {
    struct entry entries[WAYS];
} __attribute__((aligned(64)));

struct shard {
    uint32_t log2; /* buckets; 0 = the first table, not yet used */
    uint64_t count;
    struct bucket *buckets;
} __attribute__((aligned(64)));

static struct shard shards[SHARDS];
static struct bucket first_tables[SHARDS][1 << FIRST_LOG2];

_Static_assert(sizeof(struct bucket) == 64, "one cache line");
_Static_assert(HCS_SEGMENT_DEVICES <= 16, "the device index has four bits in an entry");

static uint64_t hash(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15); }
static struct shard *shard_of(uint64_t key) { return &shards[hash(key) >> 58]; }
static uint64_t home(const struct shard *s, uint64_t key) { return (hash(key) << 6) >> (64 - s->log2); }
static uint64_t mask(const struct shard *s) { return (UINT64_C(1) << s->log2) - 1; }
static uint64_t capacity(const struct shard *s) { return WAYS << s->log2; }

_Static_assert(HCS_POOL_ACCOUNTS <= 256, "the account has eight");

static uint64_t pack(struct hcs_holding h) { return h.bytes << 12 | (uint64_t)h.pool << 4 | h.device; }
static struct hcs_holding unpack(uint64_t word) {
    return (struct hcs_holding){.bytes = word >> 12, .device = (uint32_t)word & 15, .pool = (uint32_t)(word >> 4) & 255};
}

/* One bit for each entry of the bucket that has the key; with 0 the empty ones. */
static inline uint32_t with_key(const struct bucket *b, uint64_t key) {
    return (uint32_t)(b->entries[0].key == key) | (uint32_t)(b->entries[1].key == key) << 1 |
           (uint32_t)(b->entries[2].key == key) << 2 | (uint32_t)(b->entries[3].key == key) << 3;
}

/* The entry of the key, or the empty one where it belongs. There is always an empty one. */
static inline struct entry *seek(const struct shard *s, uint64_t key) {
    for (uint64_t i = home(s, key);; i = (i + 1) & mask(s)) {
        struct bucket *b = &s->buckets[i];
        uint32_t found = with_key(b, key);
        if (!HCS_LIKELY(found))
            found = with_key(b, 0);
        if (HCS_LIKELY(found))
            return &b->entries[__builtin_ctz(found)];
    }
}

static int grow(struct shard *s) {
    if (s->log2 == 0) {
        s->buckets = first_tables[s - shards];
        s->log2 = FIRST_LOG2;
        return 0;
    }
    struct shard old = *s;
    /* From the first table straight to one page: mmap gives no less. */
    uint32_t log2 = old.log2 == FIRST_LOG2 ? 6 : old.log2 + 1;
    void *memory = mmap(NULL, sizeof(struct bucket) << log2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    s->buckets = memory;
    s->log2 = log2;
    for (uint64_t i = 0; i < capacity(&old); i++) {
        struct entry e = old.buckets[i / WAYS].entries[i % WAYS];
        if (e.key != 0)
            *seek(s, e.key) = e;
    }
    if (old.log2 != FIRST_LOG2)
        munmap(old.buckets, sizeof(struct bucket) << old.log2);
    return 0;
}

/* Empties the entry. Had its bucket no room before, later buckets may hold what belongs here or before: such an entry moves into
 * the gap, and leaves one. */
static void erase(struct shard *s, struct entry *gap) {
    uint64_t at = (uint64_t)((char *)gap - (char *)s->buckets) / sizeof(struct bucket);
    uint32_t room = with_key(&s->buckets[at], 0);
    *gap = (struct entry){0};
    s->count--;
    for (uint64_t i = at; !room;) {
        i = (i + 1) & mask(s);
        struct bucket *b = &s->buckets[i];
        uint32_t strangers = 0;
        room = with_key(b, 0);
        for (uint32_t j = 0; j < WAYS; j++)
            strangers |= (uint32_t)(((i - home(s, b->entries[j].key)) & mask(s)) >= ((i - at) & mask(s))) << j;
        strangers &= ~room;
        if (!strangers)
            continue;
        struct entry *e = &b->entries[__builtin_ctz(strangers)];
        *gap = *e;
        *e = (struct entry){0};
        gap = e;
        at = i;
    }
}

static int is_full(const struct shard *s) { return (s->count + 1) * 8 > capacity(s) * 7; }

int hcs_ledger_insert(uint64_t key, struct hcs_holding holding, struct hcs_holding *ret_replaced) {
    struct shard *s = shard_of(key);
    if (!HCS_LIKELY(s->log2))
        (void)grow(s);
    struct entry *e = seek(s, key);
    if (!HCS_LIKELY(e->key == 0)) {
        *ret_replaced = unpack(e->word);
        e->word = pack(holding);
        return 1;
    }
    if (!HCS_LIKELY(!is_full(s))) {
        if (grow(s) < 0)
            return -ENOMEM;
        e = seek(s, key);
    }
    *e = (struct entry){.key = key, .word = pack(holding)};
    s->count++;
    return 0;
}

int hcs_ledger_take(uint64_t key, struct hcs_holding *ret_holding) {
    struct shard *s = shard_of(key);
    struct entry *e = HCS_LIKELY(s->log2) ? seek(s, key) : NULL;
    if (!e || e->key == 0)
        return -ENOENT;
    *ret_holding = unpack(e->word);
    erase(s, e);
    return 0;
}

int hcs_ledger_put_back(uint64_t key, struct hcs_holding holding) {
    struct shard *s = shard_of(key);
    /* One place stays empty: a search ends there. */
    if (s->count + 1 >= capacity(s) && grow(s) < 0)
        return -ENOMEM;
    struct entry *e = seek(s, key);
    if (e->key != 0)
        return -ENOMEM;
    *e = (struct entry){.key = key, .word = pack(holding)};
    s->count++;
    return 0;
}

uint32_t hcs_ledger_read(struct hcs_ledger_place *at, struct hcs_ledger_copy *ret_entries, uint32_t capacity) {
    uint32_t n = 0;
    for (; n < capacity && at->shard < SHARDS; at->shard++, at->entry = 0) {
        const struct shard *s = &shards[at->shard];
        for (; s->log2 && at->entry < (uint64_t)WAYS << s->log2; at->entry++) {
            const struct entry *e = &s->buckets[at->entry / WAYS].entries[at->entry % WAYS];
            if (e->key == 0)
                continue;
            if (n == capacity)
                return n;
            ret_entries[n++] = (struct hcs_ledger_copy){e->key, unpack(e->word)};
        }
    }
    return n;
}

/* In a forked child, where no other thread runs: a table may have been half moved. Nothing is read. */
void hcs_ledger_forget_all(void) {
    memset(shards, 0, sizeof shards);
    memset(first_tables, 0, sizeof first_tables);
}
