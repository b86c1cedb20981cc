/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcndev.so: what a device measures.
 */
#include "cndev_private.h"

#include <time.h>

/* All figures of a call are supported, or the call is not. */
static bool all(const struct hcs_sim_view *view, const enum hcs_sim_figure *which, size_t count, uint64_t *ret) {
    for (size_t i = 0; i < count; i++) {
        ret[i] = hcs_cndev_figure(view, which[i]);
        if (ret[i] == HCS_SIM_UNSET)
            return false;
    }
    return true;
}
#define FIGURES(view, ret, ...)                                                                                        \
    all(view, (const enum hcs_sim_figure[]){__VA_ARGS__}, sizeof(ret) / sizeof *(ret), ret)

static bool one(const struct hcs_sim_view *view, enum hcs_sim_figure which, uint64_t *ret) {
    *ret = hcs_cndev_figure(view, which);
    return *ret != HCS_SIM_UNSET;
}

HCS_SIM_EXPORT cndevRet_t cndevGetNUMANodeIdByDevId(cndevNUMANodeId_t *node, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, node, &view);
    if (result == CNDEV_SUCCESS)
        node->nodeId = view.device->numa_node == UINT32_MAX ? -1 : (int32_t)view.device->numa_node;
    return result;
}

HCS_SIM_EXPORT cndevRet_t cndevGetTemperatureInfo(cndevTemperatureInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t board, memory;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    cndevTemperatureInfo_t full = {.chip = (int32_t)hcs_sim_load(&view.device->temperature_c)};
    full.cluster[0] = full.chip;
    full.board = one(&view, HCS_SIM_FIGURE_BOARD_TEMPERATURE, &board) ? (int32_t)board : 0;
    full.memory = one(&view, HCS_SIM_FIGURE_MEMORY_TEMPERATURE, &memory) ? (int32_t)memory : 0;
    hcs_cndev_write(info, &full, sizeof full, 132);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetFrequencyInfo(cndevFrequencyInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t clocks[3];
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, clocks, HCS_SIM_FIGURE_CLOCK_COMPUTE, HCS_SIM_FIGURE_CLOCK_MEMORY,
                 HCS_SIM_FIGURE_CLOCK_COMPUTE_MAXIMUM))
        return CNDEV_ERROR_NOT_SUPPORTED;
    cndevFrequencyInfo_t full = {.boardFreq = (int32_t)clocks[0],
                                 .ddrFreq = (int32_t)clocks[1],
                                 .boardDefaultFreq = (int32_t)clocks[2],
                                 .boardFreqRange = {300, (int32_t)clocks[2]}};
    hcs_cndev_write(info, &full, sizeof full, 16);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceUtilizationInfo(cndevUtilizationInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    info->averageCoreUtilization = (int32_t)hcs_sim_load(&view.device->utilization);
    for (size_t i = 0; i < sizeof info->coreUtilization / sizeof *info->coreUtilization; i++) {
        info->coreUtilization[i] = i < view.device->cores ? info->averageCoreUtilization : 0;
    }
    return CNDEV_SUCCESS;
}

static bool is_good(const struct hcs_sim_view *view) {
    return !hcs_sim_has_fault(view->device, HCS_SIM_FAULT_CRITICAL);
}

HCS_SIM_EXPORT cndevRet_t cndevGetCardHealthState(cndevCardHealthState_t *state, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, state, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    bool good = is_good(&view);
    cndevCardHealthState_t full = {.health = good, .deviceState = good, .driverState = CNDEV_DRIVER_RUNNING};
    hcs_cndev_write(state, &full, sizeof full, 8);
    return CNDEV_SUCCESS;
}

/* In: *count is the capacity. Out: how many there are. */
HCS_SIM_EXPORT cndevRet_t cndevGetProcessInfo(uint32_t *count, cndevProcessInfo_t *list, cndevDevice_t device) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, list, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (count == NULL || *count == 0)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    int32_t version = list->version;
    uint32_t capacity = *count;
    *count = hcs_sim_holders(view.position, holders, HCS_SIM_PROCESSES);
    for (uint32_t i = 0; i < *count && i < capacity; i++) {
        list[i] = (cndevProcessInfo_t){version, holders[i].pid, holders[i].charged / 1024, holders[i].charged / 1024};
    }
    return *count > capacity ? CNDEV_ERROR_INSUFFICIENT_SPACE : CNDEV_SUCCESS;
}

/* Both words of it: what the driver counted since it was loaded. */
HCS_SIM_EXPORT cndevRet_t cndevGetECCInfo(cndevECCInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t ecc[2];
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, ecc, HCS_SIM_FIGURE_ECC_CORRECTED_VOLATILE, HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *info = (cndevECCInfo_t){.version = info->version,
                             .oneBitError = ecc[0],
                             .multipleError = ecc[1],
                             .correctedError = ecc[0],
                             .uncorrectedError = ecc[1],
                             .totalError = ecc[0] + ecc[1]};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetCurrentPCIInfo(cndevPCILink_t *link, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t now[2];
    cndevRet_t result = hcs_cndev_versioned(device, link, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, now, HCS_SIM_FIGURE_PCIE_GENERATION, HCS_SIM_FIGURE_PCIE_WIDTH))
        return CNDEV_ERROR_NOT_SUPPORTED;
    link->speed = (int32_t)now[0];
    link->width = (int32_t)now[1];
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetRetiredPages(cndevRetiredPageInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t pages;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (info->cause != 0 && info->cause != 1)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    if (!one(&view, info->cause == 0 ? HCS_SIM_FIGURE_RETIRED_SINGLE : HCS_SIM_FIGURE_RETIRED_DOUBLE, &pages))
        return CNDEV_ERROR_NOT_SUPPORTED;
    info->pageCount = hcs_cndev_word(pages);
    for (uint32_t i = 0; i < info->pageCount && i < 512; i++)
        info->pageAddress[i] = UINT64_C(4096) * i;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetRemappedRows(cndevRemappedRow_t *rows, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t found[4];
    cndevRet_t result = hcs_cndev_versioned(device, rows, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, found, HCS_SIM_FIGURE_ROWS_CORRECTED, HCS_SIM_FIGURE_ROWS_UNCORRECTED,
                 HCS_SIM_FIGURE_ROW_PENDING, HCS_SIM_FIGURE_ROW_FAILED))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *rows = (cndevRemappedRow_t){rows->version, hcs_cndev_word(found[0]), hcs_cndev_word(found[1]),
                                 hcs_cndev_word(found[2]), hcs_cndev_word(found[3])};
    return CNDEV_SUCCESS;
}

#if CNDEV_GENERATION < 2025
HCS_SIM_EXPORT cndevRet_t cndevGetPCIeInfo(cndevPCIeInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    const struct hcs_sim_device *d = view.device;
    cndevPCIeInfo_t full = {.deviceId = d->pci_ids >> 16,
                            .vendor = (uint16_t)d->pci_ids,
                            .domain = d->pci_domain,
                            .bus = d->pci_bus,
                            .device = d->pci_device,
                            .function = d->pci_function,
                            .physicalSlot = "1"};
    hcs_cndev_write(info, &full, sizeof full, 40);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemoryUsage(cndevMemoryInfo_t *memory, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, memory, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    int64_t total = (int64_t)view.device->memory / MIB, used = (int64_t)hcs_sim_used(view.position) / MIB;
    cndevMemoryInfo_t full = {.physicalMemoryTotal = total,
                              .physicalMemoryUsed = used,
                              .virtualMemoryTotal = total,
                              .virtualMemoryUsed = used};
    hcs_cndev_write(memory, &full, sizeof full, 208);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetPowerInfo(cndevPowerInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t limit;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    cndevPowerInfo_t full = {.usage = (int32_t)(hcs_sim_load(&view.device->power_mw) / 1000)};
    full.cap = one(&view, HCS_SIM_FIGURE_POWER_LIMIT, &limit) ? (int32_t)(limit / 1000) : 0;
    hcs_cndev_write(info, &full, 32, 24);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetPCIethroughput(cndevPCIethroughput_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t rates[2];
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, rates, HCS_SIM_FIGURE_PCIE_RECEIVE, HCS_SIM_FIGURE_PCIE_TRANSMIT))
        return CNDEV_ERROR_NOT_SUPPORTED;
    info->pcieRead = (int64_t)rates[0] * 20;
    info->pcieWrite = (int64_t)rates[1] * 20;
    return CNDEV_SUCCESS;
}
#endif

#if CNDEV_GENERATION >= 2024
HCS_SIM_EXPORT cndevRet_t cndevGetPCIeInfoV2(cndevPCIeInfoV2_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_reachable(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    const struct hcs_sim_device *d = view.device;
    *info = (cndevPCIeInfoV2_t){
        .deviceId = d->pci_ids >> 16,
        .vendor = (uint16_t)d->pci_ids,
        .domain = d->pci_domain,
        .bus = d->pci_bus,
        .device = d->pci_device,
        .function = d->pci_function,
    };
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemoryUsageV2(cndevMemoryInfoV2_t *memory, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t reserved;
    cndevRet_t result = hcs_cndev_reachable(device, memory, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    int64_t total = (int64_t)view.device->memory / MIB, used = (int64_t)hcs_sim_used(view.position) / MIB;
    *memory = (cndevMemoryInfoV2_t){.physicalMemoryTotal = total,
                                    .physicalMemoryUsed = used,
                                    .virtualMemoryTotal = total,
                                    .virtualMemoryUsed = used};
    if (one(&view, HCS_SIM_FIGURE_MEMORY_RESERVED, &reserved))
        memory->reservedMemory = (int64_t)reserved / MIB;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDevicePowerInfo(cndevDevicePowerInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t limit;
    cndevRet_t result = hcs_cndev_reachable(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    int32_t watts = one(&view, HCS_SIM_FIGURE_POWER_LIMIT, &limit) ? (int32_t)(limit / 1000) : 0;
    *info = (cndevDevicePowerInfo_t){.usage = (int32_t)(hcs_sim_load(&view.device->power_mw) / 1000),
                                     .cap = watts,
                                     .thermalDesignPower = watts,
                                     .max = watts};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetPowerManagementLimitation(cndevPowerManagementLimitation_t *limitation,
                                                            cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t limit;
    cndevRet_t result = hcs_cndev_versioned(device, limitation, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!one(&view, HCS_SIM_FIGURE_POWER_LIMIT, &limit))
        return CNDEV_ERROR_NOT_SUPPORTED;
    limitation->powerLimit = (uint16_t)(limit / 1000);
    limitation->powerLimitDecimal = 0;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetEccMode(cndevEccMode_t *now, cndevEccMode_t *pending, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t mode;
    cndevRet_t result = hcs_cndev_versioned(device, now, &view);
    if (result == CNDEV_SUCCESS)
        result = hcs_cndev_versioned(device, pending, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!one(&view, HCS_SIM_FIGURE_ECC_MODE, &mode))
        return CNDEV_ERROR_NOT_SUPPORTED;
    now->mode = pending->mode = (int32_t)mode;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemEccCounter(cndevMemEccCounter_t *counter, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t ecc[6];
    cndevRet_t result = hcs_cndev_versioned(device, counter, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, ecc, HCS_SIM_FIGURE_ECC_CORRECTED_VOLATILE, HCS_SIM_FIGURE_ECC_UNCORRECTED_VOLATILE,
                 HCS_SIM_FIGURE_ECC_CORRECTED, HCS_SIM_FIGURE_ECC_UNCORRECTED, HCS_SIM_FIGURE_ECC_CORRECTED_SRAM,
                 HCS_SIM_FIGURE_ECC_UNCORRECTED_SRAM))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *counter = (cndevMemEccCounter_t){.version = counter->version,
                                      .volatileDramEccSbeCounter = hcs_cndev_word(ecc[0]),
                                      .volatileDramEccDbeCounter = hcs_cndev_word(ecc[1]),
                                      .aggregateDramEccSbeCounter = ecc[2],
                                      .aggregateDramEccDbeCounter = ecc[3],
                                      .aggregateSramEccSbeCounter = ecc[4],
                                      .aggregateSramEccDbeCounter = ecc[5]};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetCardHealthStateV2(cndevCardHealthStateV2_t *state, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t code;
    cndevRet_t result = hcs_cndev_reachable(device, state, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    bool good = is_good(&view), incident = one(&view, HCS_SIM_FIGURE_FAULT_CODE, &code) && code != 0;
    memset(state, 0, sizeof *state);
    state->health = state->deviceState = good;
    state->driverState = CNDEV_DRIVER_RUNNING;
    state->overallHealth = !good ? CNDEV_HEALTH_FAIL : incident ? CNDEV_HEALTH_WARN : CNDEV_HEALTH_PASS;
    if (incident) {
        state->incident_count = 1;
        state->incidents[0] =
            (cndevIncidentInfo_t){.system = 0x10, .health = state->overallHealth, .code = (uint32_t)code};
        strcpy(state->incidents[0].msg, "simulated");
    }
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMaxPCIInfo(cndevPCILink_t *link, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t most[2];
    cndevRet_t result = hcs_cndev_versioned(device, link, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, most, HCS_SIM_FIGURE_PCIE_GENERATION_MAXIMUM, HCS_SIM_FIGURE_PCIE_WIDTH_MAXIMUM))
        return CNDEV_ERROR_NOT_SUPPORTED;
    link->speed = (int32_t)most[0];
    link->width = (int32_t)most[1];
    return CNDEV_SUCCESS;
}

/* Figures are kilobytes a second; the call tells bytes in 20 ms. */
HCS_SIM_EXPORT cndevRet_t cndevGetPCIethroughputV2(cndevPCIethroughputV2_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t rates[2];
    cndevRet_t result = hcs_cndev_reachable(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, rates, HCS_SIM_FIGURE_PCIE_RECEIVE, HCS_SIM_FIGURE_PCIE_TRANSMIT))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *info = (cndevPCIethroughputV2_t){.pcieRead = (int64_t)rates[0] * 20, .pcieWrite = (int64_t)rates[1] * 20};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetPcieReplayCounter(cndevPcieReplayCounter_t *counter, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t replays;
    cndevRet_t result = hcs_cndev_versioned(device, counter, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!one(&view, HCS_SIM_FIGURE_PCIE_REPLAYS, &replays))
        return CNDEV_ERROR_NOT_SUPPORTED;
    counter->counter = hcs_cndev_word(replays);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetRemappedRowsV2(cndevRemappedRowV2_t *rows, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t found[5];
    cndevRet_t result = hcs_cndev_versioned(device, rows, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, found, HCS_SIM_FIGURE_ROWS_CORRECTED, HCS_SIM_FIGURE_ROWS_UNCORRECTED,
                 HCS_SIM_FIGURE_ROW_BANKS_NONE, HCS_SIM_FIGURE_ROW_BANKS_PARTIAL, HCS_SIM_FIGURE_ROW_BANKS_MAXIMUM))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *rows = (cndevRemappedRowV2_t){
        rows->version,
        hcs_cndev_word(found[0]),
        hcs_cndev_word(found[1]),
        {hcs_cndev_word(found[2]), hcs_cndev_word(found[3]), hcs_cndev_word(found[4])}};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetRepairStatus(cndevRepairStatus_t *status, cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t found[3];
    cndevRet_t result = hcs_cndev_versioned(device, status, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!FIGURES(&view, found, HCS_SIM_FIGURE_RETIRED_PENDING, HCS_SIM_FIGURE_ROW_PENDING, HCS_SIM_FIGURE_ROW_FAILED))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *status = (cndevRepairStatus_t){status->version, found[0] != 0, found[1] != 0, found[2] != 0};
    return CNDEV_SUCCESS;
}

/* The bits that NVML has for the same reasons. */
HCS_SIM_EXPORT cndevRet_t cndevGetPerformanceThrottleReason(cndevPerformanceThrottleReason_t *reason,
                                                            cndevDevice_t device) {
    struct hcs_sim_view view;
    uint64_t bits;
    cndevRet_t result = hcs_cndev_versioned(device, reason, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    if (!one(&view, HCS_SIM_FIGURE_CLOCK_EVENTS, &bits))
        return CNDEV_ERROR_NOT_SUPPORTED;
    *reason = (cndevPerformanceThrottleReason_t){.version = reason->version,
                                                 .powerSetting = (bits & 0x4) != 0,
                                                 .clockSetting = (bits & 0x2) != 0,
                                                 .powerBrake = (bits & 0x80) != 0,
                                                 .thermalSlowdown = (bits & 0x60) != 0};
    return CNDEV_SUCCESS;
}

/* One handle for the library; a device is seen from its registration on. */
static struct {
    bool registered;
    uint64_t seen;
} events[HCS_SIM_DEVICES];

HCS_SIM_EXPORT cndevRet_t cndevEventHandleCreate(cndevEventHandle *handle) {
    if (handle == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    *handle = events;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevEventHandleDestroy(cndevEventHandle handle) {
    if (handle != events)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    memset(events, 0, sizeof events);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevRegisterEvents(cndevEventHandle handle, uint64_t types, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_reachable(device, handle, &view);
    if (result != CNDEV_SUCCESS || (types & CNDEV_EVENT_XID) == 0)
        return result;
    events[device].registered = true;
    events[device].seen = hcs_cndev_figure(&view, HCS_SIM_FIGURE_EVENT_COUNT);
    return CNDEV_SUCCESS;
}

/* Less than 0 ms: as long as it takes. */
HCS_SIM_EXPORT cndevRet_t cndevEventWait(cndevEventHandle handle, cndevEventData_t *data, int milliseconds) {
    struct hcs_sim_view view;
    if (handle != events || data == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    do {
        for (uint32_t i = 0; i < HCS_SIM_DEVICES; i++) {
            if (!events[i].registered || hcs_cndev_reachable((cndevDevice_t)i, data, &view) != CNDEV_SUCCESS)
                continue;
            uint64_t count = hcs_cndev_figure(&view, HCS_SIM_FIGURE_EVENT_COUNT);
            if (count == events[i].seen || count == HCS_SIM_UNSET)
                continue;
            events[i].seen = count;
            *data = (cndevEventData_t){.version = CNDEV_VERSION_6,
                                       .device = (cndevDevice_t)i,
                                       .eventData = hcs_cndev_figure(&view, HCS_SIM_FIGURE_EVENT),
                                       .eventType = CNDEV_EVENT_XID};
            return CNDEV_SUCCESS;
        }
        nanosleep(&(struct timespec){.tv_nsec = milliseconds == 0 ? 0 : 1000 * 1000}, NULL);
    } while (milliseconds < 0 || --milliseconds > 0);
    return CNDEV_ERROR_TIMEOUT;
}
#endif
