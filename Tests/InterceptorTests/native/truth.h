/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fake drivers really gave out: counters in a file (FAKE_TRUTH) shared by every process of a test, so that the
 * quota's own counters are never asked whether they are right. A fake device has 64 GiB.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdint.h>

#define TRUTH_DEVICES 4
#define TRUTH_PHYSICAL (UINT64_C(64) << 30)

struct truth {
    uint64_t used[TRUTH_DEVICES];
    uint64_t peak[TRUTH_DEVICES];
    uint64_t allocations; /* driver calls that gave memory */
    uint64_t frees;
    uint64_t fail_allocations; /* while set: the driver refuses */
    uint64_t fail_frees;
    uint64_t hold;       /* while set: an allocation waits inside the driver */
    uint64_t null_infos; /* memory questions with a NULL pointer that reached the driver */
};

#endif
