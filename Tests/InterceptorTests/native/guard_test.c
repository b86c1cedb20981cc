/* SPDX-License-Identifier: Apache-2.0
 *
 * The guard alone: a first thread that owns it, and a second that comes at a random instant and withdraws it. What the guard
 * protects is added to in two steps, so an instant in which both are inside is a sum too small. `guard_test ROUNDS`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "hook.h"

#define ADDITIONS 400

__thread int hcs_depth;
static volatile long sum;
static volatile int go;

static void *add(void *second) {
    while (!go)
        ;
    for (volatile int wait = second ? rand() % 8000 : 0; wait > 0; wait--)
        ;
    for (int i = 0; i < ADDITIONS; i++) {
        hcs_guard();
        long before = sum;
        for (volatile int inside = 0; inside < 10; inside++)
            ;
        sum = before + 1;
        hcs_unguard();
    }
    return NULL;
}

int main(int argc, char **argv) {
    int owned = 0;
    for (int round = 0; round < (argc > 1 ? atoi(argv[1]) : 1000); round++) {
        pthread_t threads[2];
        hcs_guard_after_fork();
        hcs_guard_prepare(1);
        owned += hcs_guard_state.shared == 0;
        sum = go = 0;
        for (int i = 0; i < 2; i++)
            if (pthread_create(&threads[i], NULL, add, i ? (void *)1 : NULL))
                return 2;
        go = 1;
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        if (sum != 2 * ADDITIONS || !hcs_guard_state.shared || hcs_guard_state.lock || hcs_guard_state.busy) {
            printf("round %d: %ld of %d additions\n", round, sum, 2 * ADDITIONS);
            return 1;
        }
    }
    return owned == 0; /* a kernel without membarrier tests only the lock */
}
