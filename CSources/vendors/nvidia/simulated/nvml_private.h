/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the parts of the simulated libnvidia-ml.so.1.
 */
#ifndef NVML_PRIVATE_H
#define NVML_PRIVATE_H

#include "../../../simulation/hcs_sim_library.h"
#include "../nvml_abi.h"

#define API HCS_SIM_EXPORT nvmlReturn_t

/* The driver whose library this is; 450 besides lacks the functions that nvml450.map hides. */
#ifndef NVML_GENERATION
#define NVML_GENERATION 580
#endif

nvmlReturn_t nvml_enter(void);
nvmlReturn_t nvml_reachable(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view);
nvmlReturn_t nvml_card(nvmlDevice_t handle, const void *out, struct hcs_sim_view *view);

/* Of one lane, by NVML_FIELD_NVLINK_*; HCS_SIM_UNSET = not supported. */
uint64_t nvml_link_field(const struct hcs_sim_view *view, uint32_t field, uint32_t number);

/* Of the card, for an instance too; HCS_SIM_UNSET = not supported. */
static inline uint64_t nvml_figure(const struct hcs_sim_view *view, enum hcs_sim_figure figure) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    return host == NULL ? HCS_SIM_UNSET : hcs_sim_figure(host, (uint32_t)(view->device - host->devices), figure);
}

static inline uint32_t nvml_instances(const struct hcs_sim_view *card) {
    uint32_t count = card->device->mig_mode != 0 ? card->device->mig_count : 0;
    return count < HCS_SIM_MIGS ? count : HCS_SIM_MIGS;
}

static inline struct hcs_sim_view nvml_instance(const struct hcs_sim_view *card, uint32_t i) {
    return (struct hcs_sim_view){card->device, &card->device->migs[i], card->device->migs[i].position};
}

#endif
