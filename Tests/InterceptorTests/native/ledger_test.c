/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger against a plain array, with keys that crowd the same buckets: `ledger_test SEEDS`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

#define MOST 8192

static struct hcs_holding model[MOST]; /* bytes 0: not there */

/* Addresses in a row, as a driver gives them, or numbers whose low bits are all the same. */
static uint64_t key_of(unsigned seed, unsigned i) {
    return seed % 3 == 0 ? (uint64_t)(i + 1) << 46 | 7 : UINT64_C(0x700000000000) + i * UINT64_C(512);
}

static int same(struct hcs_holding a, struct hcs_holding b) { return a.bytes == b.bytes && a.device == b.device; }

static int step(unsigned seed, unsigned i) {
    struct hcs_holding *known = &model[i], out = {0};
    struct hcs_holding new = {.bytes = 1 + (uint64_t)rand() % HCS_LEDGER_MAX_BYTES, .device = (uint32_t)rand() % 16};
    if (rand() % 7 < 3) {
        int r = hcs_ledger_insert(key_of(seed, i), new, &out);
        if (r != (known->bytes != 0) || (r == 1 && !same(out, *known)))
            return 1;
        *known = new;
        return 0;
    }
    int r = hcs_ledger_take(key_of(seed, i), &out);
    if ((r == 0) != (known->bytes != 0) || (r == 0 && !same(out, *known)))
        return 1;
    if (r == 0 && rand() % 4 == 0)
        return hcs_ledger_put_back(key_of(seed, i), out);
    known->bytes = 0;
    return 0;
}

static int play(unsigned seed) {
    unsigned range = 64u << seed % 8;
    srand(seed);
    memset(model, 0, sizeof model);
    for (int n = 0; n < 60000; n++)
        if (step(seed, (unsigned)rand() % range))
            return 1;
    for (unsigned i = 0; i < range; i++) {
        struct hcs_holding out = {0};
        if ((hcs_ledger_take(key_of(seed, i), &out) == 0) != (model[i].bytes != 0))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    for (unsigned seed = 1; seed <= (argc > 1 ? (unsigned)atoi(argv[1]) : 10); seed++)
        if (play(seed)) {
            printf("seed %u: the ledger and the model differ\n", seed);
            return 1;
        }
    return 0;
}
