/* SPDX-License-Identifier: Apache-2.0
 *
 * The process-local ledger: which pointer holds how many bytes of which device. 64 tables of open addressing, so that one
 * that grows is short to copy; entries are 16 bytes, tables double at 7/8 full, deletion shifts the following entries
 * back so that no tombstones pile up. Memory comes from mmap: malloc may be the very thing that is running above us.
 *
 * A pointer is taken out before the driver frees it: the driver may hand the same address to another thread before the
 * first one is back here. A free that the driver refused puts it back.
 */
#include <string.h>
#include <sys/mman.h>

#include "hook.h"

#define SHARDS 64
#define FIRST_LOG2 4

struct entry {
    uint64_t key;  /* 0 = empty */
    uint64_t word; /* bytes << 4 | device */
};

struct shard {
    uint32_t log2; /* capacity; 0 = the first table, not yet used */
    uint64_t count;
    struct entry *entries;
} __attribute__((aligned(64)));

static struct shard shards[SHARDS];
static struct entry first_tables[SHARDS][1 << FIRST_LOG2];

_Static_assert(HCS_SEGMENT_DEVICES <= 16, "the device index has four bits in an entry");

static uint64_t hash(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15); }
static struct shard *shard_of(uint64_t key) { return &shards[hash(key) >> 58]; }
static uint64_t home(const struct shard *s, uint64_t key) { return (hash(key) << 6) >> (64 - s->log2); }
static uint64_t mask(const struct shard *s) { return (UINT64_C(1) << s->log2) - 1; }

static uint64_t pack(struct hcs_holding h) { return h.bytes << 4 | h.device; }
static struct hcs_holding unpack(uint64_t word) {
    return (struct hcs_holding){.bytes = word >> 4, .device = (uint32_t)word & 15};
}

static struct entry *find(struct shard *s, uint64_t key) {
    if (s->log2 == 0)
        return NULL;
    for (uint64_t i = home(s, key);; i = (i + 1) & mask(s)) {
        struct entry *e = &s->entries[i];
        if (e->key == 0)
            return NULL;
        if (e->key == key)
            return e;
    }
}

static void place(struct shard *s, struct entry entry) {
    uint64_t i = home(s, entry.key);
    while (s->entries[i].key != 0)
        i = (i + 1) & mask(s);
    s->entries[i] = entry;
}

static int grow(struct shard *s) {
    if (s->log2 == 0) {
        s->entries = first_tables[s - shards];
        s->log2 = FIRST_LOG2;
        return 0;
    }
    struct shard old = *s;
    /* From the first table straight to one page: mmap gives no less. */
    uint32_t log2 = old.log2 == FIRST_LOG2 ? 8 : old.log2 + 1;
    size_t bytes = sizeof(struct entry) << log2;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    s->entries = memory;
    s->log2 = log2;
    for (uint64_t i = 0; i <= mask(&old); i++)
        if (old.entries[i].key != 0)
            place(s, old.entries[i]);
    if (old.log2 != FIRST_LOG2)
        munmap(old.entries, sizeof(struct entry) << old.log2);
    return 0;
}

/* Closes the gap at `e`: every later entry of the run that may stand there moves back. */
static void erase(struct shard *s, struct entry *e) {
    uint64_t gap = (uint64_t)(e - s->entries);
    for (uint64_t i = (gap + 1) & mask(s); s->entries[i].key != 0; i = (i + 1) & mask(s)) {
        uint64_t distance = (i - home(s, s->entries[i].key)) & mask(s);
        if (distance >= ((i - gap) & mask(s))) {
            s->entries[gap] = s->entries[i];
            gap = i;
        }
    }
    s->entries[gap] = (struct entry){0};
    s->count--;
}

int hcs_ledger_insert(uint64_t key, struct hcs_holding holding, struct hcs_holding *ret_replaced) {
    struct shard *s = shard_of(key);
    struct entry *known = find(s, key);
    if (known) {
        *ret_replaced = unpack(known->word);
        known->word = pack(holding);
        return 1;
    }
    if ((s->log2 == 0 || (s->count + 1) * 8 > (mask(s) + 1) * 7) && grow(s) < 0)
        return -ENOMEM;
    place(s, (struct entry){.key = key, .word = pack(holding)});
    s->count++;
    return 0;
}

int hcs_ledger_take(uint64_t key, struct hcs_holding *ret_holding) {
    struct shard *s = shard_of(key);
    struct entry *e = find(s, key);
    if (!e)
        return -ENOENT;
    *ret_holding = unpack(e->word);
    erase(s, e);
    return 0;
}

int hcs_ledger_put_back(uint64_t key, struct hcs_holding holding) {
    struct shard *s = shard_of(key);
    /* One place stays empty: a search ends there. */
    if (find(s, key) || (s->count + 1 >= mask(s) + 1 && grow(s) < 0))
        return -ENOMEM;
    place(s, (struct entry){.key = key, .word = pack(holding)});
    s->count++;
    return 0;
}

/* In a forked child, where no other thread runs: a table may have been half moved. Nothing is read. */
void hcs_ledger_forget_all(void) {
    memset(shards, 0, sizeof shards);
    memset(first_tables, 0, sizeof first_tables);
}
