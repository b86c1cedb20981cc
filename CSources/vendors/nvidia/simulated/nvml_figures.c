/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libnvidia-ml.so.1: what a card measures. A figure that is not set is NVML_ERROR_NOT_SUPPORTED.
 */
#include "nvml_private.h"

#include <time.h>

static nvmlReturn_t wide(nvmlDevice_t handle, enum hcs_sim_figure figure, uint64_t *out) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, out, &view);
    if (result != NVML_SUCCESS)
        return result;
    uint64_t value = nvml_figure(&view, figure);
    if (value == HCS_SIM_UNSET)
        return NVML_ERROR_NOT_SUPPORTED;
    *out = value;
    return NVML_SUCCESS;
}

static nvmlReturn_t narrow(nvmlDevice_t handle, enum hcs_sim_figure figure, unsigned *out) {
    uint64_t value = 0;
    nvmlReturn_t result = wide(handle, figure, &value);
    if (result != NVML_SUCCESS)
        return result;
    if (out == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *out = (unsigned)value;
    return NVML_SUCCESS;
}

/* Temperature, power, clocks */

API nvmlDeviceGetTemperature(nvmlDevice_t handle, unsigned sensor, unsigned *celsius) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, celsius, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (sensor != NVML_TEMPERATURE_GPU)
        return NVML_ERROR_INVALID_ARGUMENT;
    *celsius = (unsigned)hcs_sim_load(&view.device->temperature_c);
    return NVML_SUCCESS;
}

API nvmlDeviceGetTemperatureV(nvmlDevice_t handle, nvmlTemperature_t *temperature) {
    unsigned celsius;
    if (temperature == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (temperature->version != NVML_TEMPERATURE_V1)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = nvmlDeviceGetTemperature(handle, temperature->sensor, &celsius);
    if (result == NVML_SUCCESS)
        temperature->temperature = (int32_t)celsius;
    return result;
}

API nvmlDeviceGetTemperatureThreshold(nvmlDevice_t handle, unsigned type, unsigned *celsius) {
    switch (type) {
    case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN:
        return narrow(handle, HCS_SIM_FIGURE_TEMPERATURE_SHUTDOWN, celsius);
    case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN:
        return narrow(handle, HCS_SIM_FIGURE_TEMPERATURE_SLOWDOWN, celsius);
    default:
        return NVML_ERROR_NOT_SUPPORTED;
    }
}

API nvmlDeviceGetPowerUsage(nvmlDevice_t handle, unsigned *milliwatts) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, milliwatts, &view);
    if (result == NVML_SUCCESS)
        *milliwatts = (unsigned)hcs_sim_load(&view.device->power_mw);
    return result;
}

API nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t handle, unsigned *milliwatts) {
    return narrow(handle, HCS_SIM_FIGURE_POWER_LIMIT, milliwatts);
}

API nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t handle, uint64_t *millijoules) {
    return wide(handle, HCS_SIM_FIGURE_ENERGY, millijoules);
}

API nvmlDeviceGetUtilizationRates(nvmlDevice_t handle, nvmlUtilization_t *rates) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, rates, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (view.device->mig_mode != 0)
        return NVML_ERROR_NOT_SUPPORTED;
    uint64_t memory = nvml_figure(&view, HCS_SIM_FIGURE_MEMORY_UTILIZATION);
    *rates = (nvmlUtilization_t){.gpu = (uint32_t)hcs_sim_load(&view.device->utilization),
                                 .memory = memory == HCS_SIM_UNSET ? 0 : (uint32_t)memory};
    return NVML_SUCCESS;
}

API nvmlDeviceGetClockInfo(nvmlDevice_t handle, unsigned type, unsigned *mhz) {
    if (type > 3)
        return NVML_ERROR_INVALID_ARGUMENT;
    return narrow(handle, type == NVML_CLOCK_MEM ? HCS_SIM_FIGURE_CLOCK_MEMORY : HCS_SIM_FIGURE_CLOCK_COMPUTE, mhz);
}

API nvmlDeviceGetMaxClockInfo(nvmlDevice_t handle, unsigned type, unsigned *mhz) {
    if (type > 3)
        return NVML_ERROR_INVALID_ARGUMENT;
    return narrow(handle,
                  type == NVML_CLOCK_MEM ? HCS_SIM_FIGURE_CLOCK_MEMORY_MAXIMUM : HCS_SIM_FIGURE_CLOCK_COMPUTE_MAXIMUM,
                  mhz);
}

API nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t handle, uint64_t *reasons) {
    return wide(handle, HCS_SIM_FIGURE_CLOCK_EVENTS, reasons);
}

API nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t handle, uint64_t *reasons) {
    return wide(handle, HCS_SIM_FIGURE_CLOCK_EVENTS, reasons);
}

API nvmlDeviceGetNumGpuCores(nvmlDevice_t handle, unsigned *cores) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, cores, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (view.device->cores == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    *cores = view.device->cores;
    return NVML_SUCCESS;
}

API nvmlDeviceGetCudaComputeCapability(nvmlDevice_t handle, int *major, int *minor) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_reachable(handle, major, &view);
    if (result != NVML_SUCCESS)
        return result;
    if (minor == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *major = 9;
    *minor = 0;
    return NVML_SUCCESS;
}

/* Memory errors and repair */

API nvmlDeviceGetEccMode(nvmlDevice_t handle, unsigned *current, unsigned *pending) {
    nvmlReturn_t result = narrow(handle, HCS_SIM_FIGURE_ECC_MODE, current);
    return result == NVML_SUCCESS ? narrow(handle, HCS_SIM_FIGURE_ECC_MODE, pending) : result;
}

API nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t handle, unsigned type, unsigned counter, unsigned location,
                                    uint64_t *count) {
    static const enum hcs_sim_figure dram[2][2] = {
        {HCS_SIM_FIGURE_ECC_CORRECTED_VOLATILE, HCS_SIM_FIGURE_ECC_CORRECTED},
        {HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE, HCS_SIM_FIGURE_ECC_UNCORRECTED}};
    static const enum hcs_sim_figure sram[2] = {HCS_SIM_FIGURE_ECC_CORRECTED_SRAM, HCS_SIM_FIGURE_ECC_UNCORRECTED_SRAM};
    if (type > NVML_MEMORY_ERROR_UNCORRECTED || counter > NVML_ECC_AGGREGATE)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (location == NVML_MEMORY_LOCATION_DRAM)
        return wide(handle, dram[type][counter], count);
    return location == NVML_MEMORY_LOCATION_SRAM ? wide(handle, sram[type], count) : NVML_ERROR_NOT_SUPPORTED;
}

API nvmlDeviceGetTotalEccErrors(nvmlDevice_t handle, unsigned type, unsigned counter, uint64_t *count) {
    uint64_t sram;
    nvmlReturn_t result = nvmlDeviceGetMemoryErrorCounter(handle, type, counter, NVML_MEMORY_LOCATION_DRAM, count);
    if (result == NVML_SUCCESS &&
        nvmlDeviceGetMemoryErrorCounter(handle, type, counter, NVML_MEMORY_LOCATION_SRAM, &sram) == NVML_SUCCESS)
        *count += sram;
    return result;
}

API nvmlDeviceGetRetiredPages(nvmlDevice_t handle, unsigned cause, unsigned *count, uint64_t *addresses) {
    unsigned found;
    if (cause > NVML_PAGE_RETIREMENT_UNCORRECTED || count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = narrow(
        handle, cause == NVML_PAGE_RETIREMENT_CORRECTED ? HCS_SIM_FIGURE_RETIRED_SINGLE : HCS_SIM_FIGURE_RETIRED_DOUBLE,
        &found);
    if (result != NVML_SUCCESS)
        return result;
    unsigned capacity = addresses == NULL ? 0 : *count;
    for (unsigned i = 0; i < found && i < capacity; i++)
        addresses[i] = 0x100000ull + i;
    *count = found;
    return found > capacity ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

API nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t handle, unsigned *pending) {
    return narrow(handle, HCS_SIM_FIGURE_RETIRED_PENDING, pending);
}

/* A critical device has a row that could not be remapped: NVML has no health call of its own. */
API nvmlDeviceGetRemappedRows(nvmlDevice_t handle, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, corrected, &view);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROWS_CORRECTED, corrected);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROWS_UNCORRECTED, uncorrected);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_PENDING, pending);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_FAILED, failed);
    if (result == NVML_SUCCESS && hcs_sim_has_fault(view.device, HCS_SIM_FAULT_CRITICAL))
        *failed = 1;
    return result;
}

API nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t handle, nvmlRowRemapperHistogramValues_t *banks) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, banks, &view);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_BANKS_MAXIMUM, &banks->max);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_BANKS_HIGH, &banks->high);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_BANKS_PARTIAL, &banks->partial);
    if (result == NVML_SUCCESS)
        result = narrow(handle, HCS_SIM_FIGURE_ROW_BANKS_LOW, &banks->low);
    return result == NVML_SUCCESS ? narrow(handle, HCS_SIM_FIGURE_ROW_BANKS_NONE, &banks->none) : result;
}

/* PCI Express */

API nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t handle, unsigned *generation) {
    return narrow(handle, HCS_SIM_FIGURE_PCIE_GENERATION, generation);
}

API nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t handle, unsigned *generation) {
    return narrow(handle, HCS_SIM_FIGURE_PCIE_GENERATION_MAXIMUM, generation);
}

API nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t handle, unsigned *lanes) {
    return narrow(handle, HCS_SIM_FIGURE_PCIE_WIDTH, lanes);
}

API nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t handle, unsigned *lanes) {
    return narrow(handle, HCS_SIM_FIGURE_PCIE_WIDTH_MAXIMUM, lanes);
}

API nvmlDeviceGetPcieReplayCounter(nvmlDevice_t handle, unsigned *count) {
    return narrow(handle, HCS_SIM_FIGURE_PCIE_REPLAYS, count);
}

/* Field values */

static int64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Bytes that the figure's rate would have moved so far. */
static uint64_t moved(uint64_t kilobytes_per_second, int64_t now) {
    return kilobytes_per_second == HCS_SIM_UNSET ? HCS_SIM_UNSET : kilobytes_per_second * ((uint64_t)now / 1000);
}

static uint64_t of_field(const struct hcs_sim_view *view, const nvmlFieldValue_t *field) {
    switch (field->fieldId) {
    case NVML_FIELD_MEMORY_TEMPERATURE:
        return nvml_figure(view, HCS_SIM_FIGURE_MEMORY_TEMPERATURE);
    case NVML_FIELD_PCIE_RECEIVED:
        return moved(nvml_figure(view, HCS_SIM_FIGURE_PCIE_RECEIVE), field->timestamp);
    case NVML_FIELD_PCIE_TRANSMITTED:
        return moved(nvml_figure(view, HCS_SIM_FIGURE_PCIE_TRANSMIT), field->timestamp);
    case NVML_FIELD_RECOVERY_ACTION:
        return nvml_figure(view, HCS_SIM_FIGURE_RECOVERY_ACTION);
    default:
        return nvml_link_field(view, field->fieldId, field->scopeId);
    }
}

API nvmlDeviceGetFieldValues(nvmlDevice_t handle, int count, nvmlFieldValue_t *fields) {
    struct hcs_sim_view view;
    nvmlReturn_t result = nvml_card(handle, fields, &view);
    if (result != NVML_SUCCESS)
        return result;
    for (int i = 0; i < count; i++) {
        nvmlFieldValue_t *field = &fields[i];
        bool is_counter = field->fieldId == NVML_FIELD_PCIE_RECEIVED || field->fieldId == NVML_FIELD_PCIE_TRANSMITTED;
        field->timestamp = microseconds();
        field->latencyUsec = 1;
        field->valueType = is_counter ? NVML_VALUE_UNSIGNED_LONG_LONG : NVML_VALUE_UNSIGNED_INT;
        uint64_t value = NVML_GENERATION == 450 && field->fieldId > NVML_FIELD_MEMORY_TEMPERATURE
                             ? HCS_SIM_UNSET
                             : of_field(&view, field);
        field->nvmlReturn = value == HCS_SIM_UNSET ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
        field->value.ullVal = value == HCS_SIM_UNSET ? 0 : value;
    }
    return NVML_SUCCESS;
}
