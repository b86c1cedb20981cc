/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64: processes.
 */
#include "rsmi_private.h"

/* Adds up each process's memory over all Hygon devices. Returns how many processes there are. */
static uint32_t processes(struct hcs_sim_holder *out, uint32_t capacity) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    uint32_t count = 0;
    for (uint32_t i = 0; hcs_sim_find(HCS_VENDOR_HYGON, i, &view); i++) {
        uint32_t n = hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
        for (uint32_t j = 0; j < n; j++) {
            uint32_t k = 0;
            while (k < count && out[k].pid != holders[j].pid)
                k++;
            if (k == capacity)
                continue;
            if (k == count)
                out[count++] = (struct hcs_sim_holder){.pid = holders[j].pid};
            out[k].charged += holders[j].charged;
        }
    }
    return count;
}

/* With list NULL only *count is set. A list too short is filled and answered with INSUFFICIENT_SIZE. AMD's 5.x leaves
 * the memory out. */
HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_info_get(rsmi_process_info_t *list, uint32_t *count) {
    static _Thread_local struct hcs_sim_holder found[HCS_SIM_PROCESSES];
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (count == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    uint32_t total = processes(found, HCS_SIM_PROCESSES), capacity = *count;
    *count = total;
    if (list == NULL)
        return RSMI_STATUS_SUCCESS;
    if (total > capacity)
        *count = capacity;
    for (uint32_t i = 0; i < *count; i++) {
        list[i] = (rsmi_process_info_t){.process_id = found[i].pid,
                                        .vram_usage = RSMI_AMD == 5 ? 0 : found[i].charged};
    }
    return total > capacity ? RSMI_STATUS_INSUFFICIENT_SIZE : RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_info_by_pid_get(uint32_t pid, rsmi_process_info_t *ret) {
    static _Thread_local struct hcs_sim_holder found[HCS_SIM_PROCESSES];
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (ret == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    uint32_t total = processes(found, HCS_SIM_PROCESSES);
    for (uint32_t i = 0; i < total; i++) {
        if (found[i].pid != pid)
            continue;
        *ret = (rsmi_process_info_t){.process_id = pid, .vram_usage = found[i].charged};
        return RSMI_STATUS_SUCCESS;
    }
    return RSMI_STATUS_NOT_FOUND;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_gpus_get(uint32_t pid, uint32_t *indices, uint32_t *count) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (count == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    uint32_t capacity = *count, total = 0;
    for (uint32_t i = 0; hcs_sim_find(HCS_VENDOR_HYGON, i, &view); i++) {
        uint32_t n = hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
        for (uint32_t j = 0; j < n; j++) {
            if (holders[j].pid != pid)
                continue;
            if (indices != NULL && total < capacity)
                indices[total] = i;
            total++;
        }
    }
    if (total == 0)
        return RSMI_STATUS_NOT_FOUND;
    *count = indices == NULL || total < capacity ? total : capacity;
    return indices != NULL && total > capacity ? RSMI_STATUS_INSUFFICIENT_SIZE : RSMI_STATUS_SUCCESS;
}

#if RSMI_AMD == 6
HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_info_by_device_get(uint32_t pid, uint32_t index,
                                                                     rsmi_process_info_t *ret) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, ret, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    uint32_t n = hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
    for (uint32_t i = 0; i < n; i++) {
        if (holders[i].pid != pid)
            continue;
        *ret = (rsmi_process_info_t){.process_id = pid, .vram_usage = holders[i].charged};
        return RSMI_STATUS_SUCCESS;
    }
    return RSMI_STATUS_NOT_FOUND;
}
#endif
