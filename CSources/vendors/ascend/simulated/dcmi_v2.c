/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libdcmi.so, the calls of the Ascend 950: one number addresses a device.
 */
#include "dcmi_private.h"

HCS_SIM_EXPORT int dcmiv2_init(void) {
    return hcs_dcmi_init(HCS_DCMI_FLAT);
}

HCS_SIM_EXPORT int dcmiv2_get_driver_version(char *version, unsigned length) {
    return hcs_dcmi_text(HCS_DCMI_FLAT, version, length, HCS_DCMI_DRIVER_VERSION);
}

HCS_SIM_EXPORT int dcmiv2_get_device_list(int *list, int *count, int capacity) {
    return hcs_dcmi_list(HCS_DCMI_FLAT, count, list, capacity);
}

HCS_SIM_EXPORT int dcmiv2_get_device_type(int device, unsigned *type) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_known(HCS_DCMI_FLAT, device, type, &view);
    if (result == DCMI_OK)
        *type = DCMI_UNIT_TYPE_NPU;
    return result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_chip_info(int device, struct dcmi_chip_info_v2 *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_chip(&view, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_temperature(int device, int *celsius) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, celsius, &view);
    if (result == DCMI_OK)
        *celsius = (int)hcs_sim_load(&view.device->temperature_c);
    return result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_power_info(int device, int *deciwatts) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, deciwatts, &view);
    if (result == DCMI_OK)
        *deciwatts = (int)(hcs_sim_load(&view.device->power_mw) / 100);
    return result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_pcie_info(int device, struct dcmi_pcie_info_all *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_pcie(&view, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_die_id(int device, unsigned kind, struct dcmi_die_id *die) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, die, &view);
    return result == DCMI_OK ? hcs_dcmi_die(&view, kind, die) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_elabel_info(int device, struct dcmi_elabel_info *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_elabel(&view, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_board_info(int device, struct dcmi_board_info *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_board(&view, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_hbm_info(int device, struct dcmi_hbm_info *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_hbm(&view, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_health(int device, unsigned *health) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_known(HCS_DCMI_FLAT, device, health, &view);
    return result == DCMI_OK ? hcs_dcmi_health(&view, health) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_ecc_info(int device, unsigned kind, struct dcmi_ecc_info *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_ecc(&view, kind, info) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_frequency(int device, unsigned kind, unsigned *mhz) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, mhz, &view);
    return result == DCMI_OK ? hcs_dcmi_frequency(&view, kind, mhz) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_utilization_rate(int device, int type, unsigned *percent) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, percent, &view);
    return result == DCMI_OK ? hcs_dcmi_utilization(&view, type, percent) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_proc_mem_info(int device, struct dcmi_proc_mem_info *list, int *count) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, count, &view);
    return result == DCMI_OK ? hcs_dcmi_processes(&view, list, count) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_info(int device, unsigned command, unsigned sub, void *answer, unsigned *size) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, answer, &view);
    return result == DCMI_OK ? hcs_dcmi_info(&view, command, sub, answer, size) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_error_code_list(int device, int *count, unsigned *list, unsigned capacity) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, count, &view);
    return result == DCMI_OK ? hcs_dcmi_errors(&view, count, list, capacity) : result;
}

HCS_SIM_EXPORT int dcmiv2_get_device_multi_utilization_rate(int device, struct dcmi_multi_utilization_info *info) {
    struct hcs_sim_view view;
    int result = hcs_dcmi_reachable(HCS_DCMI_FLAT, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_utilizations(&view, info) : result;
}
