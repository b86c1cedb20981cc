/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated librocm_smi64: what a device measures.
 */
#include "rsmi_private.h"

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_total_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, bytes, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (type != RSMI_MEM_TYPE_VRAM)
        return RSMI_STATUS_NOT_SUPPORTED;
    *bytes = view.device->memory;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_usage_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, bytes, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (type != RSMI_MEM_TYPE_VRAM)
        return RSMI_STATUS_NOT_SUPPORTED;
    *bytes = hcs_sim_used(view.position);
    return RSMI_STATUS_SUCCESS;
}

static rsmi_status_t millidegrees(const struct hcs_sim_view *view, enum hcs_sim_figure figure, uint64_t more,
                                  int64_t *ret) {
    uint64_t celsius;
    rsmi_status_t status = rsmi_figure(view, figure, &celsius);
    if (status == RSMI_STATUS_SUCCESS)
        *ret = (int64_t)(celsius + more) * 1000;
    return status;
}

/* Each sensor has a value of its own: the die, 4 less at its edge, 1 less by its cores; stack n of the memory n more. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_temp_metric_get(uint32_t index, uint32_t sensor, uint32_t metric,
                                                      int64_t *value) {
    const uint32_t stacks = RSMI_AMD ? RSMI_TEMP_TYPE_HBM_0 : HCS_RSMI_HY_TEMP_TYPE_HBM_0;
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, value, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    int64_t die = (int64_t)hcs_sim_load(&view.device->temperature_c);
    if (metric != RSMI_TEMP_CURRENT) {
        if (sensor != RSMI_TEMP_TYPE_JUNCTION)
            return RSMI_STATUS_NOT_SUPPORTED;
        if (metric == RSMI_TEMP_CRITICAL)
            return millidegrees(&view, HCS_SIM_FIGURE_TEMPERATURE_SLOWDOWN, 0, value);
        return metric == RSMI_TEMP_EMERGENCY ? millidegrees(&view, HCS_SIM_FIGURE_TEMPERATURE_SHUTDOWN, 0, value)
                                             : RSMI_STATUS_NOT_SUPPORTED;
    }
    if (sensor == RSMI_TEMP_TYPE_JUNCTION)
        *value = die * 1000;
    else if (sensor == RSMI_TEMP_TYPE_EDGE)
        *value = (die - 4) * 1000;
    else if (sensor == RSMI_TEMP_TYPE_MEMORY)
        return millidegrees(&view, HCS_SIM_FIGURE_MEMORY_TEMPERATURE, 0, value);
    else if (sensor >= stacks && sensor < stacks + HCS_RSMI_HBM_COUNT)
        return millidegrees(&view, HCS_SIM_FIGURE_MEMORY_TEMPERATURE, sensor - stacks, value);
    else if (!RSMI_AMD && sensor < HCS_RSMI_HY_TEMP_TYPE_HBM_0)
        *value = 77000; /* voltage regulators */
    else if (!RSMI_AMD && sensor == HCS_RSMI_HY_TEMP_TYPE_CORE)
        *value = (die - 1) * 1000;
    else
        return RSMI_STATUS_NOT_SUPPORTED;
    return RSMI_STATUS_SUCCESS;
}

/* AMD's cards of 6.x (MI300) tell no average any more. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_power_ave_get(uint32_t index, uint32_t sensor, uint64_t *microwatts) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, microwatts, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (sensor != 0 || RSMI_AMD == 6)
        return RSMI_STATUS_NOT_SUPPORTED;
    *microwatts = hcs_sim_load(&view.device->power_mw) * 1000;
    return RSMI_STATUS_SUCCESS;
}

#if RSMI_AMD != 5
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_current_socket_power_get(uint32_t index, uint64_t *microwatts) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, microwatts, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (!RSMI_AMD)
        return RSMI_STATUS_NOT_SUPPORTED;
    *microwatts = hcs_sim_load(&view.device->power_mw) * 1000;
    return RSMI_STATUS_SUCCESS;
}
#endif

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_power_cap_get(uint32_t index, uint32_t sensor, uint64_t *microwatts) {
    struct hcs_sim_view view;
    uint64_t milliwatts;
    rsmi_status_t status = RSMI_REACH(index, microwatts, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = sensor != 0 ? RSMI_STATUS_NOT_SUPPORTED
                             : rsmi_figure(&view, HCS_SIM_FIGURE_POWER_LIMIT, &milliwatts);
    if (status == RSMI_STATUS_SUCCESS)
        *microwatts = milliwatts * 1000;
    return status;
}

/* In units of 15.259 microjoules, as MI200 and later count. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_energy_count_get(uint32_t index, uint64_t *count, float *microjoules,
                                                       uint64_t *nanoseconds) {
    struct hcs_sim_view view;
    uint64_t millijoules;
    rsmi_status_t status = RSMI_REACH(index, count, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_ENERGY, &millijoules);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (microjoules == NULL || nanoseconds == NULL)
        return RSMI_STATUS_INVALID_ARGS;
    *microjoules = 15.259f;
    *count = (uint64_t)((double)millijoules * 1000 / 15.259f);
    *nanoseconds = 1;
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_busy_percent_get(uint32_t index, uint32_t *percent) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, percent, &view);
    if (status == RSMI_STATUS_SUCCESS)
        *percent = (uint32_t)hcs_sim_load(&view.device->utilization);
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_busy_percent_get(uint32_t index, uint32_t *percent) {
    struct hcs_sim_view view;
    uint64_t value;
    rsmi_status_t status = RSMI_REACH(index, percent, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_MEMORY_UTILIZATION, &value);
    if (status == RSMI_STATUS_SUCCESS)
        *percent = (uint32_t)value;
    return status;
}

/* `lanes` NULL: a list of clocks, otherwise of PCIe rates. Writes as much as its generation's struct has. */
static void write_list(hcs_rsmi_frequencies *out, uint32_t count, uint32_t current, const uint64_t *frequency,
                       const uint32_t *lanes) {
    size_t size = RSMI_AMD == 5 ? (lanes != NULL ? sizeof out->pcie_v5 : sizeof out->v5)
                                : (lanes != NULL ? sizeof out->pcie_v6 : sizeof out->v6);
    memset(out, 0, size);
    if (RSMI_AMD == 5) {
        out->v5.num_supported = count;
        out->v5.current = current;
    } else {
        out->v6.has_deep_sleep = lanes == NULL;
        out->v6.num_supported = count;
        out->v6.current = current;
    }
    for (uint32_t i = 0; i < count; i++) {
        *(RSMI_AMD == 5 ? &out->v5.frequency[i] : &out->v6.frequency[i]) = frequency[i];
        if (lanes != NULL)
            *(RSMI_AMD == 5 ? &out->pcie_v5.lanes[i] : &out->pcie_v6.lanes[i]) = lanes[i];
    }
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_gpu_clk_freq_get(uint32_t index, uint32_t clock, hcs_rsmi_frequencies *out) {
    struct hcs_sim_view view;
    uint64_t now, maximum;
    rsmi_status_t status = RSMI_REACH(index, out, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (clock != RSMI_CLK_TYPE_SYS && clock != RSMI_CLK_TYPE_MEM)
        return RSMI_STATUS_NOT_SUPPORTED;
    bool memory = clock == RSMI_CLK_TYPE_MEM;
    status = rsmi_figure(&view, memory ? HCS_SIM_FIGURE_CLOCK_MEMORY : HCS_SIM_FIGURE_CLOCK_COMPUTE, &now);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    status = rsmi_figure(&view, memory ? HCS_SIM_FIGURE_CLOCK_MEMORY_MAXIMUM : HCS_SIM_FIGURE_CLOCK_COMPUTE_MAXIMUM,
                         &maximum);
    uint64_t list[] = {now < 300 ? now * 1000000 : 300000000, now * 1000000, maximum * 1000000};
    write_list(out, status == RSMI_STATUS_SUCCESS ? 3 : 2, 1, list, NULL);
    return RSMI_STATUS_SUCCESS;
}

static uint64_t transfers(uint64_t generation) {
    return generation == 1 ? 2500000000 : generation == 2 ? 5000000000 : 1000000000ull << generation;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_pci_bandwidth_get(uint32_t index, hcs_rsmi_frequencies *out) {
    struct hcs_sim_view view;
    uint64_t generation, width, most, widest;
    rsmi_status_t status = RSMI_REACH(index, out, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_PCIE_GENERATION, &generation);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_PCIE_WIDTH, &width);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    bool complete = rsmi_figure(&view, HCS_SIM_FIGURE_PCIE_GENERATION_MAXIMUM, &most) == RSMI_STATUS_SUCCESS &&
                    rsmi_figure(&view, HCS_SIM_FIGURE_PCIE_WIDTH_MAXIMUM, &widest) == RSMI_STATUS_SUCCESS;
    uint64_t rates[] = {transfers(1), transfers(generation), complete ? transfers(most) : 0};
    uint32_t lanes[] = {1, (uint32_t)width, complete ? (uint32_t)widest : 0};
    write_list(out, complete ? 3 : 2, 1, rates, lanes);
    return RSMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_pci_replay_counter_get(uint32_t index, uint64_t *count) {
    struct hcs_sim_view view;
    rsmi_status_t status = RSMI_REACH(index, count, &view);
    return status == RSMI_STATUS_SUCCESS ? rsmi_figure(&view, HCS_SIM_FIGURE_PCIE_REPLAYS, count) : status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_ecc_enabled_get(uint32_t index, uint64_t *blocks) {
    struct hcs_sim_view view;
    uint64_t on;
    rsmi_status_t status = RSMI_REACH(index, blocks, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_ECC_MODE, &on);
    if (status == RSMI_STATUS_SUCCESS)
        *blocks = on != 0 ? RSMI_GPU_BLOCK_UMC | RSMI_GPU_BLOCK_GFX : 0;
    return status;
}

HCS_SIM_EXPORT rsmi_status_t rsmi_dev_ecc_count_get(uint32_t index, uint64_t block, rsmi_error_count_t *out) {
    struct hcs_sim_view view;
    uint64_t corrected, uncorrected;
    rsmi_status_t status = RSMI_REACH(index, out, &view);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    if (block != RSMI_GPU_BLOCK_UMC && block != RSMI_GPU_BLOCK_GFX)
        return RSMI_STATUS_NOT_SUPPORTED;
    bool umc = block == RSMI_GPU_BLOCK_UMC;
    status = rsmi_figure(&view, umc ? HCS_SIM_FIGURE_ECC_CORRECTED_VOLATILE : HCS_SIM_FIGURE_ECC_CORRECTED_SRAM,
                         &corrected);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(
            &view, umc ? HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE : HCS_SIM_FIGURE_ECC_UNCORRECTED_SRAM, &uncorrected);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    memset(out, 0xa5, RSMI_AMD ? 16 : sizeof *out);
    out->correctable_err = corrected;
    out->uncorrectable_err = uncorrected;
    return RSMI_STATUS_SUCCESS;
}

/* One page for each retired one; a pending one is the last. */
HCS_SIM_EXPORT rsmi_status_t rsmi_dev_memory_reserved_pages_get(uint32_t index, uint32_t *count,
                                                                rsmi_retired_page_record_t *records) {
    struct hcs_sim_view view;
    uint64_t retired, pending = 0;
    rsmi_status_t status = RSMI_REACH(index, count, &view);
    if (status == RSMI_STATUS_SUCCESS)
        status = rsmi_figure(&view, HCS_SIM_FIGURE_RETIRED_DOUBLE, &retired);
    if (status != RSMI_STATUS_SUCCESS)
        return status;
    (void)rsmi_figure(&view, HCS_SIM_FIGURE_RETIRED_PENDING, &pending);
    uint32_t capacity = *count, total = (uint32_t)(retired + (pending != 0));
    *count = total;
    if (records == NULL)
        return RSMI_STATUS_SUCCESS;
    if (total > capacity)
        *count = capacity;
    for (uint32_t i = 0; i < *count; i++) {
        records[i] = (rsmi_retired_page_record_t){
            .page_address = (uint64_t)i << 12,
            .page_size = 4096,
            .status = i < retired ? RSMI_MEM_PAGE_STATUS_RESERVED : RSMI_MEM_PAGE_STATUS_PENDING,
        };
    }
    return total > capacity ? RSMI_STATUS_INSUFFICIENT_SIZE : RSMI_STATUS_SUCCESS;
}
