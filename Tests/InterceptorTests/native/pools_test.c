/* SPDX-License-Identifier: Apache-2.0
 *
 * The accounts of pools, with a driver that can be held inside a question: `pools_test`.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../CSources/hcs_interceptor/pools.c"

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "pools_test: line %d: %s does not hold\n", __LINE__, #condition);                          \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)
#define POOL 0xabc

__thread int hcs_depth;
uint32_t hcs_mode_word = HCS_MODE_ON, *hcs_fork_mark = &(uint32_t){1};
enum hcs_mode hcs_mode_slow(void) { return HCS_MODE_ON; }

static uint64_t given_back[HCS_SEGMENT_DEVICES];
void hcs_uncharge_kept(uint32_t device, uint64_t bytes) { given_back[device] += bytes; }

static int hold, inside, dead, asked_dead, questions, trims;
static uint64_t answer = UINT64_MAX;
static int current(const void *near, int ordinal, uint64_t *ret_pool) {
    (void)near, (void)ordinal, (void)ret_pool;
    return 1;
}
static int reserved(const void *near, uint64_t pool, uint64_t *ret_bytes) {
    (void)near, (void)pool;
    questions++;
    __atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&hold, __ATOMIC_SEQ_CST))
        usleep(100);
    asked_dead += __atomic_load_n(&dead, __ATOMIC_SEQ_CST);
    *ret_bytes = answer;
    return 0;
}
static int trim(const void *near, uint64_t pool) {
    (void)near, (void)pool;
    trims++;
    return 0;
}
static const struct hcs_pool_questions ask = {0, 0, current, reserved, trim};
static const struct hcs_layer layer = {.vendor = 1, .pools = &ask};

/* An account that keeps so many bytes. */
static uint32_t keeping(uint64_t pool, uint32_t device, uint64_t bytes) {
    hcs_guard();
    uint32_t account = hcs_pool_account(&layer, pool, NULL, device);
    if (account) {
        (void)hcs_pool_take(account, bytes);
        hcs_pool_put(account, bytes);
    }
    hcs_pool_unpin(account);
    hcs_unguard();
    return account;
}
static uint32_t known(uint64_t pool) {
    hcs_guard();
    uint32_t account = hcs_pool_known(1, pool, 0);
    hcs_pool_unpin(account);
    hcs_unguard();
    return account;
}

static void *settler(void *unused) {
    hcs_pools_settle();
    return unused;
}
static void *destroyer(void *unused) {
    hcs_pools_end_begin(1, POOL, -1);
    __atomic_store_n(&dead, 1, __ATOMIC_SEQ_CST);
    hcs_pools_end(1, POOL, -1, 1);
    return unused;
}

static int a_pool_is_destroyed_when_nobody_asks(void) {
    pthread_t a, b;
    uint32_t account = keeping(POOL, 0, 50);
    hold = 1;
    EXPECT(pthread_create(&a, NULL, settler, NULL) == 0);
    while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
        usleep(100);
    EXPECT(pthread_create(&b, NULL, destroyer, NULL) == 0);
    while (!__atomic_load_n(&accounts[account].ending, __ATOMIC_SEQ_CST) && accounts[account].pool)
        usleep(100);
    usleep(20000);
    __atomic_store_n(&hold, 0, __ATOMIC_SEQ_CST);
    EXPECT(pthread_join(a, NULL) == 0 && pthread_join(b, NULL) == 0);
    EXPECT(asked_dead == 0 && questions == 1 && given_back[0] == 50);
    hcs_pools_settle();
    EXPECT(questions == 1 && hcs_pools_keep == 0);
    return 0;
}

/* While it is being destroyed nobody begins to ask; and its handle may be another pool's before the call is back. */
static int a_handle_is_given_out_again(void) {
    dead = 0;
    uint32_t old = keeping(POOL, 0, 10);
    hcs_pools_end_begin(1, POOL, -1);
    hcs_pools_settle();
    hcs_pools_trim(-1);
    EXPECT(questions == 1 && trims == 0 && known(POOL) == 0);
    uint32_t young = keeping(POOL, 0, 7);
    EXPECT(young != old);
    given_back[0] = 0;
    hcs_pools_end(1, POOL, -1, 1);
    EXPECT(given_back[0] == 10 && known(POOL) == young && accounts[young].kept == 7);
    hcs_pools_end_begin(1, POOL, -1);
    hcs_pools_end(1, POOL, -1, 0); /* the driver refused */
    EXPECT(given_back[0] == 10 && known(POOL) == young);
    hcs_pools_settle();
    EXPECT(questions == 2);
    return 0;
}

static int others_are_left_alone(void) {
    (void)keeping(1, 3, 5);
    (void)keeping(2, 4, 6);
    trims = 0;
    hcs_pools_trim(3);
    EXPECT(trims == 1);
    hcs_pools_trim(-1);
    EXPECT(trims == 4); /* those two, and the one of before */
    hcs_pools_end_begin(1, 0, 3);
    hcs_pools_end(1, 0, 3, 1);
    EXPECT(given_back[3] == 5 && given_back[4] == 0 && given_back[0] == 10);
    return 0;
}

/* Any number of pools, as long as no more than 255 at a time hold something or are being asked of. */
static int idle_accounts_are_used_again(void) {
    hcs_pools_forget_all();
    EXPECT(keeping(1, 0, 1) == 1);
    hcs_guard();
    uint32_t found = hcs_pool_account(&layer, 2, NULL, 0);
    hcs_unguard();
    for (uint64_t pool = 3; pool < 2000; pool++)
        EXPECT(keeping(pool, 0, 0) != 0);
    EXPECT(known(1) == 1 && accounts[found].pool == 2 && known(2) == found);
    for (uint64_t pool = 3; pool < 300; pool++)
        EXPECT((keeping(pool, 0, 1) != 0) == (pool <= 255));
    return 0;
}

/* A synchronisation asks about a few; each pool's turn comes. */
static int many_pools_take_turns(void) {
    hcs_pools_forget_all();
    for (uint64_t pool = 1; pool <= 200; pool++)
        EXPECT(keeping(pool, 0, 1) != 0);
    questions = 0;
    hcs_pools_settle_some();
    EXPECT(questions == 16);
    answer = 0;
    for (int i = 0; i < 13; i++)
        hcs_pools_settle_some();
    EXPECT(hcs_pools_keep == 0);
    answer = UINT64_MAX;
    return 0;
}

int main(void) {
    return a_pool_is_destroyed_when_nobody_asks() || a_handle_is_given_out_again() || others_are_left_alone() ||
           idle_accounts_are_used_again() || many_pools_take_turns();
}
