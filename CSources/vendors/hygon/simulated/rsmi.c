/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64: session, versions, and what a device is.
 */
#include "rsmi_private.h"

#include <stdlib.h>

#define AMD_VENDOR 0x1002u
#define AMD_DEVICE 0x740fu /* MI210 */

static int references;

static bool is_refused(const char *function) {
    const char *list = getenv("HCS_SIM_REFUSED");
    size_t length = strlen(function);
    while (list != NULL && *list != '\0') {
        if (strncmp(list, function, length) == 0 && (list[length] == ',' || list[length] == '\0'))
            return true;
        list = strchr(list, ',');
        list += list != NULL;
    }
    return false;
}

rsmi_status_t rsmi_enter(const char *function) {
    hcs_sim_gate(HCS_VENDOR_HYGON);
    if (__atomic_load_n(&references, __ATOMIC_ACQUIRE) <= 0)
        return RSMI_STATUS_INIT_ERROR;
    return is_refused(function) ? RSMI_STATUS_NOT_SUPPORTED : RSMI_STATUS_SUCCESS;
}

rsmi_status_t rsmi_reach(const char *function, uint32_t index, const void *out, struct hcs_sim_view *view) {
    rsmi_status_t status = rsmi_enter(function);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (out == NULL || !hcs_sim_find(HCS_VENDOR_HYGON, index, view))
        return RSMI_STATUS_INVALID_ARGS;
    if (hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST))
        return RSMI_AMD ? RSMI_STATUS_NOT_SUPPORTED : RSMI_STATUS_FILE_ERROR;
    return RSMI_STATUS_SUCCESS;
}

rsmi_status_t rsmi_figure(const struct hcs_sim_view *view, enum hcs_sim_figure figure, uint64_t *ret) {
    const struct hcs_sim_host *host = hcs_sim_attach();
    uint64_t value = host != NULL ? hcs_sim_figure(host, view->position, figure) : HCS_SIM_UNSET;
    if (value == HCS_SIM_UNSET)
        return RSMI_STATUS_NOT_SUPPORTED;
    *ret = value;
    return RSMI_STATUS_SUCCESS;
}

uint64_t rsmi_bdfid(const struct hcs_sim_device *d) {
    return (uint64_t)d->pci_domain << 32 | (d->pci_bus & 0xff) << 8 | (d->pci_device & 0x1f) << 3 |
           (d->pci_function & 7);
}

HCS_SIM_EXPORT rsmi_status_t rsmi_init(uint64_t flags) {
    (void)flags;
    if (!hcs_sim_driver_present(HCS_VENDOR_HYGON))
        return RSMI_STATUS_INIT_ERROR;
    __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_shut_down(void) {
    rsmi_status_t status = RSMI_ENTER();
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
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (version == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    *version = (rsmi_version_t){.major = RSMI_AMD ? RSMI_AMD : 5, .minor = 7, .patch = 0, .build = "simulated"};
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_version_str_get(uint32_t component, char *text, uint32_t length) {
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (component != 0 || text == NULL || length == 0)
        return RSMI_STATUS_INVALID_ARGS;
    snprintf(text, length, "%s", RSMI_AMD ? "6.8.5" : "6.3.8-V1.9.2");
    return RSMI_STATUS_SUCCESS;
}

#if !RSMI_AMD
HCS_SIM_EXPORT rsmi_status_t rsmi_hy_version_get(hcs_rsmi_hy_version *version) {
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (version == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    version->major = 1;
    version->minor = 6;
    return RSMI_STATUS_SUCCESS;
}
#endif

HCS_SIM_EXPORT rsmi_status_t rsmi_num_monitor_devices(uint32_t *count) {
    rsmi_status_t status = RSMI_ENTER();
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (count == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    *count = hcs_sim_count(HCS_VENDOR_HYGON);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_name_get(uint32_t index, char *name, size_t length) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, name, &view);
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
    rsmi_status_t status = RSMI_REACH(index, id, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *id = (uint16_t)(RSMI_AMD ? AMD_DEVICE : view.device->pci_ids >> 16);
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_vendor_id_get(uint32_t index, uint16_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, id, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *id = (uint16_t)(RSMI_AMD ? AMD_VENDOR : view.device->pci_ids);
    return status;
}

/* The first eight bytes, big-endian; the HIP runtime prints the same as 16 hexadecimal digits. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_unique_id_get(uint32_t index, uint64_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, id, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    *id = 0;
    for (int i = 0; i < 8; i++)
        *id = *id << 8 | view.device->uuid[i];
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_serial_number_get(uint32_t index, char *serial, uint32_t length) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, serial, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    const uint8_t *u = view.device->uuid;
    int size = snprintf(serial, length, "SIM%02X%02X%02X%02X", u[0], u[1], u[2], u[3]);
    return size < (int)length ? RSMI_STATUS_SUCCESS : RSMI_STATUS_INSUFFICIENT_SIZE;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_vbios_version_get(uint32_t index, char *version, uint32_t length) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, version, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    int size = snprintf(version, length, "%s", RSMI_AMD ? "113-D67301-063" : "113-K100AI-01");
    return size < (int)length ? RSMI_STATUS_SUCCESS : RSMI_STATUS_INSUFFICIENT_SIZE;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_pci_id_get(uint32_t index, uint64_t *bdfid) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, bdfid, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *bdfid = rsmi_bdfid(view.device);
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_topo_get_numa_node_number(uint32_t index, uint32_t *node) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, node, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *node = view.device->numa_node; /* none: all ones, as sysfs's -1 reads */
    return status;
}

#if RSMI_AMD == 6
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_partition_id_get(uint32_t index, uint32_t *id) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, id, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *id = 0;
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_compute_partition_get(uint32_t index, char *mode, uint32_t length) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, mode, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    return snprintf(mode, length, "SPX") < (int)length ? RSMI_STATUS_SUCCESS : RSMI_STATUS_INSUFFICIENT_SIZE;
}
#endif
