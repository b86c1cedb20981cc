/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of the simulated libnvidia-ml.so.1.
 */
#ifndef NVML_PRIVATE_H
#define NVML_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"
#include "../nvml_abi.h"

#define API HCS_SIM_EXPORT nvmlReturn_t

nvmlReturn_t nvml_enter(void);
nvmlReturn_t nvml_reachable(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view);

static inline uint32_t nvml_instances(const struct hcs_sim_view *card) {
    uint32_t count = card->device->mig_mode != 0 ? card->device->mig_count : 0;
    return count < HCS_SIM_MIGS ? count : HCS_SIM_MIGS;
}

static inline struct hcs_sim_view nvml_instance(const struct hcs_sim_view *card, uint32_t i) {
    return (struct hcs_sim_view){card->device, &card->device->migs[i], card->device->migs[i].position};
}

#endif
