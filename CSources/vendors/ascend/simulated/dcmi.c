/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libdcmi.so, the classic calls. A card holds one NPU, device 0; card id and logical id are the index. A lost
 * card stays in the card list, as a real one does until the next boot. DCMI_OLD: an old driver, without the calls that
 * came later.
 */
#include "dcmi_private.h"

static int known(int card, int device, const void *out, struct hcs_sim_view *view) {
    int result = hcs_dcmi_known(HCS_DCMI_CLASSIC, card, out, view);
    return result == DCMI_OK && device != 0 ? DCMI_ERR_CODE_INVALID_DEVICE_ID : result;
}

static int reachable(int card, int device, const void *out, struct hcs_sim_view *view) {
    int result = hcs_dcmi_reachable(HCS_DCMI_CLASSIC, card, out, view);
    return result == DCMI_OK && device != 0 ? DCMI_ERR_CODE_INVALID_DEVICE_ID : result;
}

HCS_SIM_EXPORT int dcmi_init(void) {
    return hcs_dcmi_init(HCS_DCMI_CLASSIC);
}

HCS_SIM_EXPORT int dcmi_get_driver_version(char *version, unsigned length) {
    return hcs_dcmi_text(HCS_DCMI_CLASSIC, version, length, HCS_DCMI_DRIVER_VERSION);
}

HCS_SIM_EXPORT int dcmi_get_dcmi_version(char *version, int length) {
    return hcs_dcmi_text(HCS_DCMI_CLASSIC, version, length > 0 ? (unsigned)length : 0, HCS_DCMI_DRIVER_VERSION);
}

HCS_SIM_EXPORT int dcmi_get_card_num_list(int *count, int *list, int capacity) {
    return hcs_dcmi_list(HCS_DCMI_CLASSIC, count, list, capacity);
}

HCS_SIM_EXPORT int dcmi_get_all_device_count(int *count) {
    int result = hcs_dcmi_enter(HCS_DCMI_CLASSIC);
    if (result != DCMI_OK)
        return result;
    if (count == NULL)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    *count = (int)hcs_sim_count(HCS_VENDOR_ASCEND);
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_num_in_card(int card, int *count) {
    struct hcs_sim_view view;
    int result = known(card, 0, count, &view);
    if (result == DCMI_OK)
        *count = 1;
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_id_in_card(int card, int *device_id_max, int *mcu_id, int *cpu_id) {
    struct hcs_sim_view view;
    int result = known(card, 0, device_id_max, &view);
    if (result != DCMI_OK)
        return result;
    if (mcu_id == NULL || cpu_id == NULL)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    *device_id_max = 1;
    *mcu_id = *cpu_id = -1;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_type(int card, int device, unsigned *type) {
    struct hcs_sim_view view;
    int result = known(card, device, type, &view);
    if (result == DCMI_OK)
        *type = DCMI_UNIT_TYPE_NPU;
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_logic_id(int *logic, int card, int device) {
    struct hcs_sim_view view;
    int result = known(card, device, logic, &view);
    if (result == DCMI_OK)
        *logic = card;
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_phyid_from_logicid(unsigned logic, unsigned *physical) {
    struct hcs_sim_view view;
    int result = known((int)logic, 0, physical, &view);
    if (result == DCMI_OK)
        *physical = logic;
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_chip_info(int card, int device, struct dcmi_chip_info *info) {
    struct dcmi_chip_info_v2 full;
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result == DCMI_OK)
        result = hcs_dcmi_chip(&view, &full);
    if (result == DCMI_OK)
        memcpy(info, &full, sizeof *info);
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_pcie_info_v2(int card, int device, struct dcmi_pcie_info_all *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_pcie(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_die_v2(int card, int device, unsigned kind, struct dcmi_die_id *die) {
    struct hcs_sim_view view;
    int result = reachable(card, device, die, &view);
    return result == DCMI_OK ? hcs_dcmi_die(&view, kind, die) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_elabel_info(int card, int device, struct dcmi_elabel_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_elabel(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_board_info(int card, int device, struct dcmi_board_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_board(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_hbm_info(int card, int device, struct dcmi_hbm_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_hbm(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_health(int card, int device, unsigned *health) {
    struct hcs_sim_view view;
    int result = known(card, device, health, &view);
    return result == DCMI_OK ? hcs_dcmi_health(&view, health) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_ecc_info(int card, int device, unsigned kind, struct dcmi_ecc_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_ecc(&view, kind, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_frequency(int card, int device, unsigned kind, unsigned *mhz) {
    struct hcs_sim_view view;
    int result = reachable(card, device, mhz, &view);
    return result == DCMI_OK ? hcs_dcmi_frequency(&view, kind, mhz) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_utilization_rate(int card, int device, int type, unsigned *percent) {
    struct hcs_sim_view view;
    int result = reachable(card, device, percent, &view);
    return result == DCMI_OK ? hcs_dcmi_utilization(&view, type, percent) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_resource_info(int card, int device, struct dcmi_proc_mem_info *list, int *count) {
    struct hcs_sim_view view;
    int result = reachable(card, device, count, &view);
    return result == DCMI_OK ? hcs_dcmi_processes(&view, list, count) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_info(int card, int device, unsigned command, unsigned sub, void *answer,
                                        unsigned *size) {
    struct hcs_sim_view view;
    int result = reachable(card, device, answer, &view);
    return result == DCMI_OK ? hcs_dcmi_info(&view, command, sub, answer, size) : result;
}

HCS_SIM_EXPORT int dcmi_get_version(int card, int device, char *version, unsigned capacity, int *length) {
    struct hcs_sim_view view;
    int result = reachable(card, device, length, &view);
    if (result == DCMI_OK)
        result = hcs_dcmi_text(HCS_DCMI_CLASSIC, version, capacity, "7.5.0.1.129");
    if (result == DCMI_OK)
        *length = (int)strlen(version);
    return result;
}

HCS_SIM_EXPORT int dcmi_get_memory_info(int card, int device, struct dcmi_memory_info_struct *info) {
    struct dcmi_get_memory_info_struct full;
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result == DCMI_OK)
        result = hcs_dcmi_ddr(&view, &full);
    if (result == DCMI_OK)
        *info = (struct dcmi_memory_info_struct){full.memory_size, full.freq, full.utiliza};
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_temperature(int card, int device, int *celsius) {
    struct hcs_sim_view view;
    int result = reachable(card, device, celsius, &view);
    if (result == DCMI_OK)
        *celsius = (int)hcs_sim_load(&view.device->temperature_c);
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_power_info(int card, int device, int *deciwatts) {
    struct hcs_sim_view view;
    int result = reachable(card, device, deciwatts, &view);
    if (result == DCMI_OK)
        *deciwatts = (int)(hcs_sim_load(&view.device->power_mw) / 100);
    return result;
}

HCS_SIM_EXPORT int dcmi_mcu_get_power_info(int card, int *deciwatts) {
    struct hcs_sim_view view;
    int result = reachable(card, 0, deciwatts, &view);
    if (result == DCMI_OK)
        *deciwatts = (int)(hcs_sim_load(&view.device->power_mw) / 100);
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_voltage(int card, int device, unsigned *centivolts) {
    struct hcs_sim_view view;
    int result = reachable(card, device, centivolts, &view);
    if (result == DCMI_OK)
        *centivolts = 86;
    return result;
}

#ifndef DCMI_OLD
HCS_SIM_EXPORT int dcmi_get_card_list(int *count, int *list, int capacity) {
    return hcs_dcmi_list(HCS_DCMI_CLASSIC, count, list, capacity);
}

HCS_SIM_EXPORT int dcmi_get_device_chip_info_v2(int card, int device, struct dcmi_chip_info_v2 *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_chip(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_memory_info_v3(int card, int device, struct dcmi_get_memory_info_struct *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_ddr(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_errorcode_v2(int card, int device, int *count, unsigned *list, unsigned capacity) {
    struct hcs_sim_view view;
    int result = reachable(card, device, count, &view);
    return result == DCMI_OK ? hcs_dcmi_errors(&view, count, list, capacity) : result;
}

HCS_SIM_EXPORT int dcmi_get_device_multi_utilization_rate(int card, int device,
                                                          struct dcmi_multi_utilization_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? hcs_dcmi_utilizations(&view, info) : result;
}

HCS_SIM_EXPORT int dcmi_get_topo_info_by_device_id(int card1, int device1, int card2, int device2, int *type) {
    struct hcs_sim_view one, other;
    int result = reachable(card1, device1, type, &one);
    if (result == DCMI_OK)
        result = reachable(card2, device2, type, &other);
    if (result != DCMI_OK)
        return result;
    const struct hcs_sim_link *links = hcs_sim_telemetry_at(hcs_sim_attach(), one.position)->links;
    *type = card1 == card2 ? 0 : 1;
    for (uint32_t i = 0; i < HCS_DCMI_HCCS_PORTS && card1 != card2; i++) {
        if (links[i].version != 0 && links[i].peer == other.position)
            *type = DCMI_TOPOLOGY_HCCS;
        else if (links[i].version != 0 && links[i].peer == HCS_SIM_LINK_FABRIC)
            *type = DCMI_TOPOLOGY_HCCS_SWITCH;
    }
    return DCMI_OK;
}
#endif
