/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the simulated libcndev.so share. CNDEV_GENERATION is the year of the header it is built after: 2022
 * (version 5 only, ordinals, no V2 calls, shorter structs), 2024 (both versions, old and new calls), 2025 (version 6
 * only, without the calls that V2 replaced).
 */
#ifndef HCS_CNDEV_PRIVATE_H
#define HCS_CNDEV_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"
#include "../cndev_abi.h"

#ifndef CNDEV_GENERATION
#define CNDEV_GENERATION 2024
#endif

#define MIB (INT64_C(1) << 20)

bool hcs_cndev_takes(int32_t version);
/* The device, unless it is lost; `out` is the caller's place for the answer, which begins with a version or not. */
cndevRet_t hcs_cndev_reachable(cndevDevice_t device, const void *out, struct hcs_sim_view *view);
cndevRet_t hcs_cndev_versioned(cndevDevice_t device, const void *out, struct hcs_sim_view *view);

static inline uint64_t hcs_cndev_figure(const struct hcs_sim_view *view, enum hcs_sim_figure which) {
    return hcs_sim_figure(hcs_sim_attach(), view->position, which);
}

static inline uint32_t hcs_cndev_word(uint64_t value) {
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* A struct of version 5 ends earlier. */
static inline void hcs_cndev_write(void *out, const void *from, size_t size, size_t old_size) {
    int32_t version;
    memcpy(&version, out, sizeof version);
    memcpy(out, from, version == CNDEV_VERSION_5 ? old_size : size);
    memcpy(out, &version, sizeof version);
}

#endif
