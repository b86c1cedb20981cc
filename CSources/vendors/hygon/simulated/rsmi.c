/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64.so.1 as Hygon ships it: it exports rsmi_hy_version_get. A lost card's sysfs files cannot be
 * read, so its calls answer RSMI_STATUS_FILE_ERROR.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "../rsmi_abi.h"

#include <stdio.h>

static int references;

static rsmi_status_t enter(void) {
    hcs_sim_gate(HCS_VENDOR_HYGON);
    return __atomic_load_n(&references, __ATOMIC_ACQUIRE) > 0 ? RSMI_STATUS_SUCCESS : RSMI_STATUS_INIT_ERROR;
}

static rsmi_status_t reachable(uint32_t index, const void *out, struct hcs_sim_view *view) {
    rsmi_status_t status = enter();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (out == NULL || !hcs_sim_find(HCS_VENDOR_HYGON, index, view))
        return RSMI_STATUS_INVALID_ARGS;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? RSMI_STATUS_FILE_ERROR : RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_init(uint64_t flags) {
    (void)flags;
    if (!hcs_sim_driver_present(HCS_VENDOR_HYGON))
        return RSMI_STATUS_INIT_ERROR;
    __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_shut_down(void) {
    rsmi_status_t status = enter();
    if (status == RSMI_STATUS_SUCCESS)
        __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_status_string(rsmi_status_t status, const char **text) {
    if (text == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    switch ((uint32_t)status) {
    case RSMI_STATUS_SUCCESS:
        *text = "RSMI_STATUS_SUCCESS: The function has been executed successfully.";
        break;
    case RSMI_STATUS_INVALID_ARGS:
        *text = "RSMI_STATUS_INVALID_ARGS: The provided arguments do not meet the preconditions.";
        break;
    case RSMI_STATUS_NOT_SUPPORTED:
        *text = "RSMI_STATUS_NOT_SUPPORTED: This function is not supported in the current environment.";
        break;
    case RSMI_STATUS_FILE_ERROR:
        *text = "RSMI_STATUS_FILE_ERROR: There was an error in finding or opening a file or directory.";
        break;
    case RSMI_STATUS_INIT_ERROR:
        *text = "RSMI_STATUS_INIT_ERROR: An error occurred during initialization.";
        break;
    default:
        *text = "RSMI_STATUS_UNKNOWN_ERROR: An unknown error prevented the call from completing.";
        break;
    }
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_version_get(rsmi_version_t *version) {
    if (version == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    *version = (rsmi_version_t){.major = 5, .minor = 7, .patch = 0, .build = "simulated"};
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_hy_version_get(hcs_rsmi_hy_version *version) {
    if (version == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    version->major = 1;
    version->minor = 6;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_num_monitor_devices(uint32_t *count) {
    rsmi_status_t status = enter();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (count == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    *count = hcs_sim_count(HCS_VENDOR_HYGON);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_name_get(uint32_t index, char *name, size_t length) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, name, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (length == 0)
        return RSMI_STATUS_INVALID_ARGS;
    hcs_sim_name(view.device, name, length);
    return strnlen(view.device->name, sizeof view.device->name) < length ? RSMI_STATUS_SUCCESS
                                                                         : RSMI_STATUS_INSUFFICIENT_SIZE;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_id_get(uint32_t index, uint16_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, id, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *id = (uint16_t)(view.device->pci_ids >> 16);
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_vendor_id_get(uint32_t index, uint16_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, id, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *id = (uint16_t)view.device->pci_ids;
    return status;
}

/* The first eight bytes, big-endian; the HIP runtime prints the same as 16 hexadecimal digits. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_unique_id_get(uint32_t index, uint64_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, id, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    *id = 0;
    for (int i = 0; i < 8; i++)
        *id = *id << 8 | view.device->uuid[i];
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_pci_id_get(uint32_t index, uint64_t *bdfid) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, bdfid, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    const struct hcs_sim_device *d = view.device;
    *bdfid =
        (uint64_t)d->pci_domain << 32 | (d->pci_bus & 0xff) << 8 | (d->pci_device & 0x1f) << 3 | (d->pci_function & 7);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_topo_get_numa_node_number(uint32_t index, uint32_t *node) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, node, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *node = view.device->numa_node; /* none: all ones, as sysfs's -1 reads */
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_total_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, bytes, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (type != RSMI_MEM_TYPE_VRAM)
        return RSMI_STATUS_NOT_SUPPORTED;
    *bytes = view.device->memory;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_usage_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, bytes, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (type != RSMI_MEM_TYPE_VRAM)
        return RSMI_STATUS_NOT_SUPPORTED;
    *bytes = hcs_sim_used(view.position);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_temp_metric_get(uint32_t index, uint32_t sensor, uint32_t metric,
                                                      int64_t *value) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, value, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (sensor > RSMI_TEMP_TYPE_MEMORY || metric != RSMI_TEMP_CURRENT)
        return RSMI_STATUS_NOT_SUPPORTED;
    *value = (int64_t)hcs_sim_load(&view.device->temperature_c) * 1000;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_power_ave_get(uint32_t index, uint32_t sensor, uint64_t *microwatts) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, microwatts, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (sensor != 0)
        return RSMI_STATUS_NOT_SUPPORTED;
    *microwatts = hcs_sim_load(&view.device->power_mw) * 1000;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_busy_percent_get(uint32_t index, uint32_t *percent) {
    struct hcs_sim_view view;
    rsmi_status_t status = reachable(index, percent, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *percent = (uint32_t)hcs_sim_load(&view.device->utilization);
    return status;
}

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

/* With list NULL only *count is set. A list too short is filled and answered with INSUFFICIENT_SIZE. */
HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_info_get(rsmi_process_info_t *list, uint32_t *count) {
    static _Thread_local struct hcs_sim_holder found[HCS_SIM_PROCESSES];
    rsmi_status_t status = enter();
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
        list[i] = (rsmi_process_info_t){.process_id = found[i].pid, .vram_usage = found[i].charged};
    }
    return total > capacity ? RSMI_STATUS_INSUFFICIENT_SIZE : RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_compute_process_gpus_get(uint32_t pid, uint32_t *indices, uint32_t *count) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    rsmi_status_t status = enter();
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
