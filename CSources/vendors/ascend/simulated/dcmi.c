/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libdcmi.so. A card holds one NPU, device 0; card id and logical id are the index. A lost card stays in the
 * card list, as a real one does until the next boot.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "../dcmi_abi.h"

#include <stdio.h>
#include <strings.h>

#define MIB (UINT64_C(1) << 20)

static int initialised;

static int enter(void) {
    hcs_sim_gate(HCS_VENDOR_ASCEND);
    return __atomic_load_n(&initialised, __ATOMIC_ACQUIRE) ? DCMI_OK : DCMI_ERR_CODE_NOT_READY;
}

static int known(int card, int device, const void *out, struct hcs_sim_view *view) {
    int result = enter();
    if (result != DCMI_OK)
        return result;
    if (out == NULL || card < 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    if (device != 0 || !hcs_sim_find(HCS_VENDOR_ASCEND, (uint32_t)card, view))
        return DCMI_ERR_CODE_INVALID_DEVICE_ID;
    return DCMI_OK;
}

static int reachable(int card, int device, const void *out, struct hcs_sim_view *view) {
    int result = known(card, device, out, view);
    if (result != DCMI_OK)
        return result;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? DCMI_ERR_CODE_DEVICE_NOT_EXIST : DCMI_OK;
}

static int put_text(char *out, unsigned length, const char *text) {
    int result = enter();
    if (result != DCMI_OK)
        return result;
    if (out == NULL || strlen(text) >= length)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    memcpy(out, text, strlen(text) + 1);
    return DCMI_OK;
}

/* "Ascend 910B3", "Ascend910B3" and "910B3" are chip 910B3. */
static void chip_name(const struct hcs_sim_device *device, char out[32]) {
    char name[sizeof device->name];
    hcs_sim_name(device, name, sizeof name);
    const char *text = name;
    if (strncasecmp(text, "ascend", 6) == 0)
        text += 6;
    text += strspn(text, " -");
    snprintf(out, 32, "%.31s", text);
}

HCS_SIM_EXPORT int dcmi_init(void) {
    if (!hcs_sim_driver_present(HCS_VENDOR_ASCEND))
        return DCMI_ERR_CODE_INNER_ERR;
    __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_driver_version(char *version, unsigned length) {
    return put_text(version, length, "24.1.rc3");
}

HCS_SIM_EXPORT int dcmi_get_dcmi_version(char *version, int length) {
    return put_text(version, length > 0 ? (unsigned)length : 0, "24.1.rc3");
}

HCS_SIM_EXPORT int dcmi_get_card_list(int *count, int *list, int capacity) {
    int result = enter();
    if (result != DCMI_OK)
        return result;
    if (count == NULL || list == NULL || capacity <= 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    int total = (int)hcs_sim_count(HCS_VENDOR_ASCEND);
    *count = total < capacity ? total : capacity;
    for (int i = 0; i < *count; i++)
        list[i] = i;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_card_num_list(int *count, int *list, int capacity) {
    return dcmi_get_card_list(count, list, capacity);
}

HCS_SIM_EXPORT int dcmi_get_all_device_count(int *count) {
    int result = enter();
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

HCS_SIM_EXPORT int dcmi_get_device_chip_info_v2(int card, int device, struct dcmi_chip_info_v2 *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result != DCMI_OK)
        return result;
    *info = (struct dcmi_chip_info_v2){.chip_type = "Ascend", .chip_ver = "V1", .aicore_cnt = view.device->cores};
    chip_name(view.device, (char *)info->chip_name);
    chip_name(view.device, (char *)info->npu_name);
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_chip_info(int card, int device, struct dcmi_chip_info *info) {
    struct dcmi_chip_info_v2 full;
    int result = info == NULL ? DCMI_ERR_CODE_INVALID_PARAMETER : dcmi_get_device_chip_info_v2(card, device, &full);
    if (result == DCMI_OK)
        memcpy(info, &full, sizeof *info);
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_pcie_info_v2(int card, int device, struct dcmi_pcie_info_all *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result != DCMI_OK)
        return result;
    const struct hcs_sim_device *d = view.device;
    *info = (struct dcmi_pcie_info_all){
        .venderid = d->pci_ids & 0xffff,
        .deviceid = d->pci_ids >> 16,
        .domain = (int32_t)d->pci_domain,
        .bdf_busid = d->pci_bus,
        .bdf_deviceid = d->pci_device,
        .bdf_funcid = d->pci_function,
    };
    return DCMI_OK;
}

/* Five words: the 16 bytes big-endian, then the index. */
HCS_SIM_EXPORT int dcmi_get_device_die_v2(int card, int device, unsigned kind, struct dcmi_die_id *die) {
    struct hcs_sim_view view;
    int result = reachable(card, device, die, &view);
    if (result != DCMI_OK)
        return result;
    if (kind > DCMI_DIE_VDIE)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    for (int i = 0; i < 4; i++) {
        const uint8_t *u = &view.device->uuid[4 * i];
        die->soc_die[i] = (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
    }
    die->soc_die[4] = view.device->index;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_hbm_info(int card, int device, struct dcmi_hbm_info *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result != DCMI_OK)
        return result;
    *info = (struct dcmi_hbm_info){
        .memory_size = view.device->memory / MIB,
        .freq = 1600,
        .memory_usage = hcs_sim_used(view.position) / MIB,
        .temp = (int32_t)hcs_sim_load(&view.device->temperature_c),
    };
    return DCMI_OK;
}

/* Parts with HBM have no DDR to report. */
HCS_SIM_EXPORT int dcmi_get_device_memory_info_v3(int card, int device, struct dcmi_get_memory_info_struct *info) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    return result == DCMI_OK ? DCMI_ERR_CODE_NOT_SUPPORT : result;
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

HCS_SIM_EXPORT int dcmi_get_device_health(int card, int device, unsigned *health) {
    struct hcs_sim_view view;
    int result = known(card, device, health, &view);
    if (result != DCMI_OK)
        return result;
    *health = hcs_sim_has_fault(view.device, HCS_SIM_FAULT_LOST)       ? DCMI_HEALTH_ABSENT
              : hcs_sim_has_fault(view.device, HCS_SIM_FAULT_CRITICAL) ? DCMI_HEALTH_CRITICAL
                                                                       : DCMI_HEALTH_OK;
    return DCMI_OK;
}

HCS_SIM_EXPORT int dcmi_get_device_utilization_rate(int card, int device, int type, unsigned *percent) {
    struct hcs_sim_view view;
    int result = reachable(card, device, percent, &view);
    if (result != DCMI_OK)
        return result;
    switch (type) {
    case DCMI_UTILIZATION_AICORE:
    case DCMI_UTILIZATION_NPU:
        *percent = (unsigned)hcs_sim_load(&view.device->utilization);
        return DCMI_OK;
    case DCMI_UTILIZATION_MEMORY:
    case DCMI_UTILIZATION_HBM: {
        uint64_t percent_unit = view.device->memory / 100;
        *percent = percent_unit == 0 ? 0 : (unsigned)(hcs_sim_used(view.position) / percent_unit);
        return DCMI_OK;
    }
    default:
        return DCMI_ERR_CODE_NOT_SUPPORT;
    }
}

HCS_SIM_EXPORT int dcmi_get_device_frequency(int card, int device, unsigned kind, unsigned *mhz) {
    struct hcs_sim_view view;
    int result = reachable(card, device, mhz, &view);
    if (result == DCMI_OK)
        *mhz = kind == 6 ? 1600 : 1800;
    return result;
}

HCS_SIM_EXPORT int dcmi_get_device_voltage(int card, int device, unsigned *centivolts) {
    struct hcs_sim_view view;
    int result = reachable(card, device, centivolts, &view);
    if (result == DCMI_OK)
        *centivolts = 86;
    return result;
}

/* The official header's 28 bytes: a caller with mind-cluster's 36 keeps its last two words. */
HCS_SIM_EXPORT int dcmi_get_device_ecc_info(int card, int device, unsigned kind, uint32_t info[7]) {
    struct hcs_sim_view view;
    int result = reachable(card, device, info, &view);
    if (result != DCMI_OK)
        return result;
    if (kind != 2)
        return DCMI_ERR_CODE_NOT_SUPPORT; /* 2 = HBM */
    memset(info, 0, 7 * sizeof *info);
    info[0] = 1;
    return DCMI_OK;
}

/* In: *count is the capacity of list. Out: how many were written. */
HCS_SIM_EXPORT int dcmi_get_device_resource_info(int card, int device, struct dcmi_proc_mem_info *list, int *count) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    int result = reachable(card, device, count, &view);
    if (result != DCMI_OK)
        return result;
    if (list == NULL || *count <= 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    int total = (int)hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
    *count = total < *count ? total : *count;
    for (int i = 0; i < *count; i++)
        list[i] = (struct dcmi_proc_mem_info){(int32_t)holders[i].pid, holders[i].charged};
    return DCMI_OK;
}
