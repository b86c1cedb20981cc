/* SPDX-License-Identifier: Apache-2.0 */
#include "dcmi_private.h"

#include <stdio.h>
#include <strings.h>

#define MIB (UINT64_C(1) << 20)
#define U32(value) ((value) < UINT32_MAX ? (uint32_t)(value) : UINT32_MAX)

/* Bytes of dcmi_ecc_info that are written: the driver's header has 28, mind-cluster's 36. */
#ifndef DCMI_ECC_BYTES
#define DCMI_ECC_BYTES 28
#endif

static int initialised;

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

static bool is_chip(const struct hcs_sim_device *device, const char *prefix) {
    char name[32];
    chip_name(device, name);
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool has_generation(enum hcs_dcmi_generation generation) {
    struct hcs_sim_view first;
    bool flat = hcs_sim_find(HCS_VENDOR_ASCEND, 0, &first) && is_chip(first.device, "950");
    return flat == (generation == HCS_DCMI_FLAT);
}

static uint64_t figure(const struct hcs_sim_view *view, enum hcs_sim_figure which) {
    return hcs_sim_figure(hcs_sim_attach(), view->position, which);
}

static int put(const struct hcs_sim_view *view, enum hcs_sim_figure which, unsigned *out) {
    uint64_t value = figure(view, which);
    if (value == HCS_SIM_UNSET)
        return DCMI_ERR_CODE_NOT_SUPPORT;
    *out = U32(value);
    return DCMI_OK;
}

int hcs_dcmi_init(enum hcs_dcmi_generation generation) {
    if (!hcs_sim_driver_present(HCS_VENDOR_ASCEND))
        return DCMI_ERR_CODE_INNER_ERR;
    if (!has_generation(generation))
        return DCMI_ERR_CODE_NOT_SUPPORT;
    __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return DCMI_OK;
}

int hcs_dcmi_enter(enum hcs_dcmi_generation generation) {
    hcs_sim_gate(HCS_VENDOR_ASCEND);
    if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE))
        return DCMI_ERR_CODE_NOT_READY;
    if (!hcs_sim_driver_present(HCS_VENDOR_ASCEND))
        return DCMI_ERR_CODE_IOCTL_FAIL;
    return has_generation(generation) ? DCMI_OK : DCMI_ERR_CODE_NOT_SUPPORT;
}

int hcs_dcmi_list(enum hcs_dcmi_generation generation, int *count, int *list, int capacity) {
    int result = hcs_dcmi_enter(generation);
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

int hcs_dcmi_known(enum hcs_dcmi_generation generation, int index, const void *out, struct hcs_sim_view *view) {
    int result = hcs_dcmi_enter(generation);
    if (result != DCMI_OK)
        return result;
    if (out == NULL || index < 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    return hcs_sim_find(HCS_VENDOR_ASCEND, (uint32_t)index, view) ? DCMI_OK : DCMI_ERR_CODE_INVALID_DEVICE_ID;
}

int hcs_dcmi_reachable(enum hcs_dcmi_generation generation, int index, const void *out, struct hcs_sim_view *view) {
    int result = hcs_dcmi_known(generation, index, out, view);
    if (result != DCMI_OK)
        return result;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? DCMI_ERR_CODE_DEVICE_NOT_EXIST : DCMI_OK;
}

int hcs_dcmi_text(enum hcs_dcmi_generation generation, char *out, unsigned length, const char *text) {
    int result = hcs_dcmi_enter(generation);
    if (result != DCMI_OK)
        return result;
    if (out == NULL || strlen(text) >= length)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    memcpy(out, text, strlen(text) + 1);
    return DCMI_OK;
}

int hcs_dcmi_chip(const struct hcs_sim_view *view, struct dcmi_chip_info_v2 *info) {
    *info = (struct dcmi_chip_info_v2){.chip_type = "Ascend", .chip_ver = "V1", .aicore_cnt = view->device->cores};
    chip_name(view->device, (char *)info->chip_name);
    chip_name(view->device, (char *)info->npu_name);
    return DCMI_OK;
}

int hcs_dcmi_pcie(const struct hcs_sim_view *view, struct dcmi_pcie_info_all *info) {
    const struct hcs_sim_device *d = view->device;
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
int hcs_dcmi_die(const struct hcs_sim_view *view, unsigned kind, struct dcmi_die_id *die) {
    if (kind > DCMI_DIE_VDIE)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    for (int i = 0; i < 4; i++) {
        const uint8_t *u = &view->device->uuid[4 * i];
        die->soc_die[i] = (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
    }
    die->soc_die[4] = view->device->index;
    return DCMI_OK;
}

int hcs_dcmi_elabel(const struct hcs_sim_view *view, struct dcmi_elabel_info *info) {
    const uint8_t *u = view->device->uuid;
    *info = (struct dcmi_elabel_info){.product_name = "NA", .model = "NA", .manufacturer = "Huawei"};
    snprintf(info->serial_number, sizeof info->serial_number, "2102%02X%02X%02X%02X", u[12], u[13], u[14], u[15]);
    return DCMI_OK;
}

int hcs_dcmi_board(const struct hcs_sim_view *view, struct dcmi_board_info *info) {
    *info = (struct dcmi_board_info){.board_id = 0x62, .pcb_id = 1, .bom_id = 1, .slot_id = view->device->index};
    return DCMI_OK;
}

/* Parts with DDR have no HBM to report, and the other way round. */
int hcs_dcmi_hbm(const struct hcs_sim_view *view, struct dcmi_hbm_info *info) {
    if (is_chip(view->device, "310"))
        return DCMI_ERR_CODE_NOT_SUPPORT;
    uint64_t celsius = figure(view, HCS_SIM_FIGURE_MEMORY_TEMPERATURE);
    uint64_t mhz = figure(view, HCS_SIM_FIGURE_CLOCK_MEMORY);
    uint64_t busy = figure(view, HCS_SIM_FIGURE_MEMORY_UTILIZATION);
    *info = (struct dcmi_hbm_info){
        .memory_size = view->device->memory / MIB,
        .freq = mhz == HCS_SIM_UNSET ? 0 : U32(mhz),
        .memory_usage = hcs_sim_used(view->position) / MIB,
        .temp = celsius == HCS_SIM_UNSET ? HCS_DCMI_INVALID_TEMPERATURE : (int32_t)celsius,
        .bandwith_util_rate = U32(busy),
    };
    return DCMI_OK;
}

int hcs_dcmi_ddr(const struct hcs_sim_view *view, struct dcmi_get_memory_info_struct *info) {
    if (!is_chip(view->device, "310"))
        return DCMI_ERR_CODE_NOT_SUPPORT;
    uint64_t total = view->device->memory / MIB, used = hcs_sim_used(view->position) / MIB;
    uint64_t mhz = figure(view, HCS_SIM_FIGURE_CLOCK_MEMORY);
    *info = (struct dcmi_get_memory_info_struct){
        .memory_size = total,
        .memory_available = total - used,
        .freq = mhz == HCS_SIM_UNSET ? 0 : U32(mhz),
        .hugepagesize = 2048,
        .utiliza = total == 0 ? 0 : (uint32_t)(used * 100 / total),
    };
    return DCMI_OK;
}

int hcs_dcmi_health(const struct hcs_sim_view *view, unsigned *health) {
    unsigned code = 0;
    (void)put(view, HCS_SIM_FIGURE_FAULT_CODE, &code);
    *health = hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST)       ? DCMI_HEALTH_ABSENT
              : hcs_sim_has_fault(view->device, HCS_SIM_FAULT_CRITICAL) ? DCMI_HEALTH_CRITICAL
              : code != 0                                               ? DCMI_HEALTH_MINOR
                                                                        : DCMI_HEALTH_OK;
    return DCMI_OK;
}

int hcs_dcmi_errors(const struct hcs_sim_view *view, int *count, unsigned *list, unsigned capacity) {
    unsigned code;
    int result = put(view, HCS_SIM_FIGURE_FAULT_CODE, &code);
    if (result != DCMI_OK)
        return result;
    if (list == NULL || capacity == 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    *count = code != 0;
    if (code != 0)
        list[0] = code;
    return DCMI_OK;
}

int hcs_dcmi_ecc(const struct hcs_sim_view *view, unsigned kind, struct dcmi_ecc_info *info) {
    bool ddr = is_chip(view->device, "310");
    struct dcmi_ecc_info all = {0};
    unsigned mode = 0, pending = 0;
    int result = put(view, HCS_SIM_FIGURE_ECC_MODE, &mode);
    if (result == DCMI_OK && kind == (ddr ? DCMI_ECC_DDR : DCMI_ECC_HBM)) {
        const struct {
            enum hcs_sim_figure figure;
            uint32_t *to;
        } parts[] = {
            {HCS_SIM_FIGURE_ECC_CORRECTED_VOLATILE, &all.single_bit_error_cnt},
            {HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE, &all.double_bit_error_cnt},
            {HCS_SIM_FIGURE_ECC_CORRECTED, &all.total_single_bit_error_cnt},
            {HCS_SIM_FIGURE_ECC_UNCORRECTED, &all.total_double_bit_error_cnt},
            {HCS_SIM_FIGURE_RETIRED_SINGLE, &all.single_bit_isolated_pages_cnt},
            {HCS_SIM_FIGURE_RETIRED_DOUBLE, &all.double_bit_isolated_pages_cnt},
        };
        for (size_t i = 0; i < sizeof parts / sizeof *parts && result == DCMI_OK; i++)
            result = put(view, parts[i].figure, parts[i].to);
        if (put(view, HCS_SIM_FIGURE_RETIRED_PENDING, &pending) == DCMI_OK)
            all.double_bit_next_isolated_pages_cnt = pending;
    } else if (result == DCMI_OK && kind == DCMI_ECC_SRAM) {
        result = put(view, HCS_SIM_FIGURE_ECC_CORRECTED_SRAM, &all.total_single_bit_error_cnt);
        if (result == DCMI_OK)
            result = put(view, HCS_SIM_FIGURE_ECC_UNCORRECTED_SRAM, &all.total_double_bit_error_cnt);
    } else {
        result = DCMI_ERR_CODE_NOT_SUPPORT;
    }
    if (result == DCMI_OK) {
        all.enable_flag = (int32_t)mode;
        memcpy(info, &all, DCMI_ECC_BYTES);
    }
    return result;
}

int hcs_dcmi_frequency(const struct hcs_sim_view *view, unsigned kind, unsigned *mhz) {
    switch (kind) {
    case DCMI_FREQUENCY_DDR:
        return is_chip(view->device, "310") ? put(view, HCS_SIM_FIGURE_CLOCK_MEMORY, mhz) : DCMI_ERR_CODE_NOT_SUPPORT;
    case DCMI_FREQUENCY_HBM:
        return is_chip(view->device, "310") ? DCMI_ERR_CODE_NOT_SUPPORT : put(view, HCS_SIM_FIGURE_CLOCK_MEMORY, mhz);
    case DCMI_FREQUENCY_AICORE:
    case DCMI_FREQUENCY_VECTOR:
        return put(view, HCS_SIM_FIGURE_CLOCK_COMPUTE, mhz);
    case DCMI_FREQUENCY_AICORE_MAX:
        return put(view, HCS_SIM_FIGURE_CLOCK_COMPUTE_MAXIMUM, mhz);
    default:
        return DCMI_ERR_CODE_NOT_SUPPORT;
    }
}

int hcs_dcmi_utilization(const struct hcs_sim_view *view, int type, unsigned *percent) {
    switch (type) {
    case DCMI_UTILIZATION_AICORE:
    case DCMI_UTILIZATION_NPU:
        *percent = (unsigned)hcs_sim_load(&view->device->utilization);
        return DCMI_OK;
    case DCMI_UTILIZATION_VECTOR:
        return put(view, HCS_SIM_FIGURE_VECTOR_UTILIZATION, percent);
    case DCMI_UTILIZATION_AICPU:
    case DCMI_UTILIZATION_CTRLCPU:
        return put(view, HCS_SIM_FIGURE_CONTROL_UTILIZATION, percent);
    case DCMI_UTILIZATION_HBM_BANDWIDTH:
    case DCMI_UTILIZATION_DDR_BANDWIDTH:
        if (is_chip(view->device, "310") != (type == DCMI_UTILIZATION_DDR_BANDWIDTH))
            return DCMI_ERR_CODE_NOT_SUPPORT;
        return put(view, HCS_SIM_FIGURE_MEMORY_UTILIZATION, percent);
    case DCMI_UTILIZATION_MEMORY:
    case DCMI_UTILIZATION_HBM: {
        uint64_t percent_unit = view->device->memory / 100;
        *percent = percent_unit == 0 ? 0 : (unsigned)(hcs_sim_used(view->position) / percent_unit);
        return DCMI_OK;
    }
    default:
        return DCMI_ERR_CODE_NOT_SUPPORT;
    }
}

int hcs_dcmi_utilizations(const struct hcs_sim_view *view, struct dcmi_multi_utilization_info *info) {
    struct dcmi_multi_utilization_info all = {0};
    int result = put(view, HCS_SIM_FIGURE_VECTOR_UTILIZATION, &all.aiv);
    if (result == DCMI_OK) {
        all.aic = all.aicore = all.npu = (uint32_t)hcs_sim_load(&view->device->utilization);
        *info = all;
    }
    return result;
}

/* In: *count is the room in list, or 0 from clients that rely on the 32 that every list has (mind-cluster, nputop). Out:
 * how many were written. */
int hcs_dcmi_processes(const struct hcs_sim_view *view, struct dcmi_proc_mem_info *list, int *count) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    if (list == NULL || *count < 0)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    int total = (int)hcs_sim_holders(view->position, holders, HCS_SIM_PROCESSES), room = *count == 0 ? 32 : *count;
    *count = total < room ? total : room;
    for (int i = 0; i < *count; i++)
        list[i] = (struct dcmi_proc_mem_info){(int32_t)holders[i].pid, holders[i].charged};
    return DCMI_OK;
}

/* Port i is lane i of the simulated host; the lanes of a port are all up or all down. */
static void hccs_lanes(const struct hcs_sim_link *links, struct dcmi_hccs_lane_info *info) {
    int next = 0;
    *info = (struct dcmi_hccs_lane_info){0};
    for (uint32_t i = 0; i < HCS_DCMI_HCCS_PORTS; i++) {
        if (links[i].version == 0)
            continue;
        info->hccs_port_pcs_bitmap |= 1u << i;
        info->pcs_lane_bitmap[next++] = links[i].up ? 1u | 0xfu << 1 | 2u << 9 : 0;
    }
}

static bool has_hccs(const struct hcs_sim_link *links) {
    for (uint32_t i = 0; i < HCS_DCMI_HCCS_PORTS; i++) {
        if (links[i].version != 0)
            return true;
    }
    return false;
}

/* In: *size is the room at answer. Out: how many bytes were written. */
static int answer(void *to, unsigned *size, const void *from, unsigned bytes) {
    if (*size < bytes)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    memcpy(to, from, bytes);
    *size = bytes;
    return DCMI_OK;
}

static int pcie_errors(const struct hcs_sim_view *view, void *out, unsigned *size) {
    struct dcmi_pcie_link_error_info info = {0};
    int result = put(view, HCS_SIM_FIGURE_PCIE_REPLAYS, &info.retry_cnt);
    info.lcrc_err_cnt = info.retry_cnt; /* the usual reason */
    return result == DCMI_OK ? answer(out, size, &info, sizeof info) : result;
}

int hcs_dcmi_info(const struct hcs_sim_view *view, unsigned command, unsigned sub, void *out, unsigned *size) {
    const struct hcs_sim_link *links = hcs_sim_telemetry_at(hcs_sim_attach(), view->position)->links;
    if (out == NULL || size == NULL)
        return DCMI_ERR_CODE_INVALID_PARAMETER;
    if (command == DCMI_MAIN_PCIE && sub == DCMI_PCIE_ERRORS)
        return pcie_errors(view, out, size);
    if (command != DCMI_MAIN_HCCS || !has_hccs(links))
        return DCMI_ERR_CODE_NOT_SUPPORT;
    struct dcmi_hccs_lane_info lanes;
    struct dcmi_hccs_statistic_info narrow = {0};
    struct dcmi_hccs_statistic_info_u64 wide = {0};
    for (uint32_t i = 0; i < HCS_DCMI_HCCS_PORTS; i++) {
        wide.crc_err_cnt[i] = hcs_sim_load(&links[i].crc);
        wide.retry_cnt[i] = hcs_sim_load(&links[i].replay);
        narrow.crc_err_cnt[i] = U32(wide.crc_err_cnt[i]);
        narrow.retry_cnt[i] = U32(wide.retry_cnt[i]);
    }
    switch (sub) {
    case DCMI_HCCS_LANES:
        hccs_lanes(links, &lanes);
        return answer(out, size, &lanes, sizeof lanes);
    case DCMI_HCCS_STATISTICS:
        return answer(out, size, &narrow, sizeof narrow);
#ifndef DCMI_OLD
    case DCMI_HCCS_STATISTICS_U64:
        return answer(out, size, &wide, sizeof wide);
#endif
    default:
        return DCMI_ERR_CODE_NOT_SUPPORT;
    }
}
