/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcndev.so. The handle is the ordinal, so that a client of before 2024, which has no handles, works too.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "../cndev_abi.h"

#include <stdio.h>

#define MIB (INT64_C(1) << 20)

static int references;

static cndevRet_t enter(void) {
    hcs_sim_gate(HCS_VENDOR_CAMBRICON);
    return __atomic_load_n(&references, __ATOMIC_ACQUIRE) > 0 ? CNDEV_SUCCESS : CNDEV_ERROR_UNINITIALIZED;
}

static cndevRet_t known(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (out == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    return device >= 0 && hcs_sim_find(HCS_VENDOR_CAMBRICON, (uint32_t)device, view) ? CNDEV_SUCCESS
                                                                                     : CNDEV_ERROR_INVALID_DEVICE_ID;
}

static cndevRet_t reachable(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    cndevRet_t result = known(device, out, view);
    if (result != CNDEV_SUCCESS)
        return result;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? CNDEV_ERROR_IN_PROBLEM : CNDEV_SUCCESS;
}

/* As reachable(), for a struct that begins with a version. */
static cndevRet_t versioned(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    int32_t version;
    cndevRet_t result = reachable(device, out, view);
    if (result != CNDEV_SUCCESS)
        return result;
    memcpy(&version, out, sizeof version);
    return version == CNDEV_VERSION_5 || version == CNDEV_VERSION_6 ? CNDEV_SUCCESS
                                                                    : CNDEV_ERROR_UNSUPPORTED_API_VERSION;
}

HCS_SIM_EXPORT cndevRet_t cndevInit(int reserved) {
    if (reserved != 0)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    if (!hcs_sim_driver_present(HCS_VENDOR_CAMBRICON))
        return CNDEV_ERROR_NO_DRIVER;
    __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevRelease(void) {
    cndevRet_t result = enter();
    if (result == CNDEV_SUCCESS)
        __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return result;
}

HCS_SIM_EXPORT const char *cndevGetErrorString(cndevRet_t result) {
    switch ((int)result) {
    case CNDEV_SUCCESS:
        return "Cndev_SUCCESS";
    case CNDEV_ERROR_NO_DRIVER:
        return "Cndev_ERROR_NO_DRIVER";
    case CNDEV_ERROR_UNSUPPORTED_API_VERSION:
        return "Cndev_ERROR_UNSUPPORTED_API_VERSION";
    case CNDEV_ERROR_UNINITIALIZED:
        return "Cndev_ERROR_UNINITIALIZED";
    case CNDEV_ERROR_INVALID_ARGUMENT:
        return "Cndev_ERROR_INVALID_ARGUMENT";
    case CNDEV_ERROR_INVALID_DEVICE_ID:
        return "Cndev_ERROR_INVALID_DEVICE_ID";
    case CNDEV_ERROR_INSUFFICIENT_SPACE:
        return "Cndev_ERROR_INSUFFICIENT_SPACE";
    case CNDEV_ERROR_IN_PROBLEM:
        return "Cndev_ERROR_IN_PROBLEM";
    default:
        return "Cndev_ERROR_UNKNOWN";
    }
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceCount(cndevCardInfo_t *info) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (info == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    if (info->version != CNDEV_VERSION_5 && info->version != CNDEV_VERSION_6)
        return CNDEV_ERROR_UNSUPPORTED_API_VERSION;
    info->number = hcs_sim_count(HCS_VENDOR_CAMBRICON);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceHandleByIndex(int index, cndevDevice_t *device) {
    struct hcs_sim_view view;
    cndevRet_t result = known(index, device, &view);
    if (result == CNDEV_SUCCESS)
        *device = index;
    return result;
}

HCS_SIM_EXPORT const char *cndevGetCardNameStringByDevId(cndevDevice_t device) {
    static _Thread_local char name[sizeof((struct hcs_sim_device *)0)->name];
    struct hcs_sim_view view;
    if (reachable(device, name, &view) != CNDEV_SUCCESS)
        return NULL;
    hcs_sim_name(view.device, name, sizeof name);
    return name;
}

HCS_SIM_EXPORT cndevRet_t cndevGetUUID(cndevUUID_t *uuid, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, uuid, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    hcs_sim_uuid_text(view.device, (char *)uuid->uuid);
    return CNDEV_SUCCESS; /* ncsUUID64 stays as it was: clients of version 5 have no room for it */
}

HCS_SIM_EXPORT cndevRet_t cndevGetDriverVersion(uint32_t *major, uint32_t *minor, uint32_t *patch) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (major == NULL || minor == NULL || patch == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    *major = 6;
    *minor = 2;
    *patch = 11;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetPCIeInfoV2(cndevPCIeInfoV2_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = reachable(device, info, &view);
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

HCS_SIM_EXPORT cndevRet_t cndevGetNUMANodeIdByDevId(cndevNUMANodeId_t *node, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, node, &view);
    if (result == CNDEV_SUCCESS)
        node->nodeId = view.device->numa_node == UINT32_MAX ? -1 : (int32_t)view.device->numa_node;
    return result;
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemoryUsageV2(cndevMemoryInfoV2_t *memory, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = reachable(device, memory, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    int64_t total = (int64_t)view.device->memory / MIB, used = (int64_t)hcs_sim_used(view.position) / MIB;
    *memory = (cndevMemoryInfoV2_t){.physicalMemoryTotal = total,
                                    .physicalMemoryUsed = used,
                                    .virtualMemoryTotal = total,
                                    .virtualMemoryUsed = used};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetTemperatureInfo(cndevTemperatureInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    int32_t celsius = (int32_t)hcs_sim_load(&view.device->temperature_c);
    info->board = info->chip = info->memory = celsius;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDevicePowerInfo(cndevDevicePowerInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = reachable(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    *info = (cndevDevicePowerInfo_t){.usage = (int32_t)(hcs_sim_load(&view.device->power_mw) / 1000),
                                     .cap = 250,
                                     .thermalDesignPower = 250,
                                     .max = 250};
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceUtilizationInfo(cndevUtilizationInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, info, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    info->averageCoreUtilization = (int32_t)hcs_sim_load(&view.device->utilization);
    for (size_t i = 0; i < sizeof info->coreUtilization / sizeof *info->coreUtilization; i++) {
        info->coreUtilization[i] = i < view.device->cores ? info->averageCoreUtilization : 0;
    }
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetCardHealthState(cndevCardHealthState_t *state, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, state, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    bool good = !hcs_sim_has_fault(view.device, HCS_SIM_FAULT_CRITICAL);
    state->health = good;
    state->deviceState = good;
    state->driverState = 4;
    return CNDEV_SUCCESS;
}

/* In: *count is the capacity. Out: how many there are. */
HCS_SIM_EXPORT cndevRet_t cndevGetProcessInfo(uint32_t *count, cndevProcessInfo_t *list, cndevDevice_t device) {
    static _Thread_local struct hcs_sim_holder holders[HCS_SIM_PROCESSES];
    struct hcs_sim_view view;
    cndevRet_t result = versioned(device, list, &view);
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
