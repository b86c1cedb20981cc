/* SPDX-License-Identifier: Apache-2.0
 *
 * For management libraries that answer garbage: bytes without order, mixed with the values that parsers trip over. What
 * comes depends on the figure "event-count" of the vendor's first device, so that a test can ask for it again.
 */
#ifndef HCS_HOSTILE_H
#define HCS_HOSTILE_H

#include "../simulation/hcs_sim_library.h"

#include <string.h>

static uint64_t hostile_state;

static inline uint64_t hostile_next(void) {
    hostile_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = hostile_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Starts the sequence of this seed, at each listing of the devices. */
static inline void hostile_seed(uint32_t vendor) {
    struct hcs_sim_view view;
    if (hcs_sim_find(vendor, 0, &view))
        hostile_state = hcs_sim_figure(hcs_sim_attach(), view.position, HCS_SIM_FIGURE_EVENT_COUNT);
}

static inline uint32_t hostile_word(void) {
    static const uint32_t traps[] = {0,      1,      2,      3,          0x7f,       0xff,
                                     0x7ffd, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
    uint64_t draw = hostile_next();
    return (draw & 1) != 0 ? traps[(draw >> 1) % (sizeof traps / sizeof *traps)] : (uint32_t)(draw >> 32);
}

/* Every byte is written; texts in it have no end. */
static inline void hostile_fill(void *out, size_t size) {
    if (out == NULL)
        return;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = (uint8_t)(hostile_next() >> 8);
    for (size_t i = 0; i + 4 <= size && size < 4096; i += 4) {
        uint32_t word = hostile_word();
        if ((hostile_next() & 3) != 0)
            memcpy((char *)out + i, &word, sizeof word);
    }
}

#endif
