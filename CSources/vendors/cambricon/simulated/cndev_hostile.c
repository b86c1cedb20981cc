/* SPDX-License-Identifier: Apache-2.0
 *
 * A libcndev.so whose answers are garbage. Only what a device is found by holds, most of the time.
 */
#include "../../hostile.h"
#include "../cndev_abi.h"

static cndevRet_t outcome(void) {
    uint64_t draw = hostile_next();
    return draw % 8 != 0 ? CNDEV_SUCCESS : (cndevRet_t)(draw % 16 == 0 ? 7 + (draw >> 8) % 12 : hostile_word() | 0x40);
}

static cndevRet_t fill(void *out, size_t size) {
    hostile_fill(out, size);
    return outcome();
}

#define DEVICE(name, type)                                                                                             \
    HCS_SIM_EXPORT cndevRet_t cndevGet##name(type *out, cndevDevice_t device) {                                        \
        (void)device;                                                                                                  \
        return fill(out, sizeof *out);                                                                                 \
    }
#define LINK(name, type)                                                                                               \
    HCS_SIM_EXPORT cndevRet_t cndevGetMLULink##name(type *out, cndevDevice_t device, int link) {                       \
        (void)device, (void)link;                                                                                      \
        return fill(out, sizeof *out);                                                                                 \
    }

DEVICE(CardName, cndevCardName_t)
DEVICE(CardSN, cndevCardSN_t)
DEVICE(CoreCount, cndevCardCoreCount_t)
DEVICE(VersionInfo, cndevVersionInfo_t)
DEVICE(PCIeInfoV2, cndevPCIeInfoV2_t)
DEVICE(PCIeInfo, cndevPCIeInfo_t)
DEVICE(NUMANodeIdByDevId, cndevNUMANodeId_t)
DEVICE(TemperatureInfo, cndevTemperatureInfo_t)
DEVICE(DevicePowerInfo, cndevDevicePowerInfo_t)
DEVICE(PowerInfo, cndevPowerInfo_t)
DEVICE(PowerManagementLimitation, cndevPowerManagementLimitation_t)
DEVICE(FrequencyInfo, cndevFrequencyInfo_t)
DEVICE(DeviceUtilizationInfo, cndevUtilizationInfo_t)
DEVICE(MemEccCounter, cndevMemEccCounter_t)
DEVICE(ECCInfo, cndevECCInfo_t)
DEVICE(CardHealthState, cndevCardHealthState_t)
DEVICE(CardHealthStateV2, cndevCardHealthStateV2_t)
DEVICE(CurrentPCIInfo, cndevPCILink_t)
DEVICE(MaxPCIInfo, cndevPCILink_t)
DEVICE(PCIethroughputV2, cndevPCIethroughputV2_t)
DEVICE(PCIethroughput, cndevPCIethroughput_t)
DEVICE(PcieReplayCounter, cndevPcieReplayCounter_t)
DEVICE(RetiredPages, cndevRetiredPageInfo_t)
DEVICE(RemappedRowsV2, cndevRemappedRowV2_t)
DEVICE(RemappedRows, cndevRemappedRow_t)
DEVICE(RepairStatus, cndevRepairStatus_t)
DEVICE(PerformanceThrottleReason, cndevPerformanceThrottleReason_t)
LINK(StatusV2, cndevMLULinkStatusV2_t)
LINK(Status, cndevMLULinkStatus_t)
LINK(ErrorCounter, cndevMLULinkErrorCounter_t)
LINK(Counter, cndevMLULinkCounter_t)
LINK(RemoteInfo, cndevMLULinkRemoteInfo_t)
LINK(SpeedInfo, cndevMLULinkSpeed_t)

HCS_SIM_EXPORT cndevRet_t cndevInit(int reserved) {
    (void)reserved;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevRelease(void) {
    return outcome();
}

/* A text without an end, and a page that ends after it is what there is on a bad day: kept within one page here. */
HCS_SIM_EXPORT const char *cndevGetErrorString(cndevRet_t result) {
    static char text[4096];
    (void)result;
    memset(text, 0xfe, sizeof text);
    return hostile_next() % 4 == 0 ? NULL : text;
}

HCS_SIM_EXPORT const char *cndevGetCardNameStringByDevId(cndevDevice_t device) {
    (void)device;
    return cndevGetErrorString(CNDEV_SUCCESS);
}

HCS_SIM_EXPORT const char *cndevGetCardNameString(int id) {
    (void)id;
    return cndevGetErrorString(CNDEV_SUCCESS);
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceCount(cndevCardInfo_t *info) {
    hostile_seed(HCS_VENDOR_CAMBRICON);
    info->number = hostile_next() % 8 == 0 ? hostile_word() : 4;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceHandleByIndex(int index, cndevDevice_t *device) {
    *device = index == 0 ? 0 : (cndevDevice_t)hostile_word();
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetDriverVersion(uint32_t *major, uint32_t *minor, uint32_t *patch) {
    *major = hostile_word();
    *minor = hostile_word();
    *patch = hostile_word();
    return outcome();
}

HCS_SIM_EXPORT cndevRet_t cndevGetUUID(cndevUUID_t *uuid, cndevDevice_t device) {
    hostile_fill(uuid, sizeof *uuid);
    if (device == 0)
        memcpy(uuid->uuid, "8f2d3c1a-0000", 14);
    return CNDEV_SUCCESS;
}

/* The first answers are good: a device without memory is none. */
static cndevRet_t memory(void *out, size_t size, int64_t *total) {
    static int asked;
    hostile_fill(out, size);
    if (asked++ < 4 || hostile_next() % 2 != 0)
        *total = 65536;
    return asked <= 4 ? CNDEV_SUCCESS : outcome();
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemoryUsageV2(cndevMemoryInfoV2_t *out, cndevDevice_t device) {
    (void)device;
    return memory(out, sizeof *out, &out->physicalMemoryTotal);
}

HCS_SIM_EXPORT cndevRet_t cndevGetMemoryUsage(cndevMemoryInfo_t *out, cndevDevice_t device) {
    (void)device;
    return memory(out, sizeof *out, &out->physicalMemoryTotal);
}

HCS_SIM_EXPORT cndevRet_t cndevGetEccMode(cndevEccMode_t *now, cndevEccMode_t *pending, cndevDevice_t device) {
    (void)device;
    hostile_fill(pending, sizeof *pending);
    return fill(now, sizeof *now);
}

HCS_SIM_EXPORT int cndevGetMLULinkPortNumber(cndevDevice_t device) {
    (void)device;
    return (int)hostile_word();
}

HCS_SIM_EXPORT cndevRet_t cndevGetProcessInfo(uint32_t *count, cndevProcessInfo_t *list, cndevDevice_t device) {
    (void)device;
    hostile_fill(list, 8 * sizeof *list);
    *count = hostile_next() % 8 == 0 ? hostile_word() : 8;
    return outcome();
}

HCS_SIM_EXPORT cndevRet_t cndevEventHandleCreate(cndevEventHandle *handle) {
    *handle = handle;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevEventHandleDestroy(cndevEventHandle handle) {
    (void)handle;
    return outcome();
}

HCS_SIM_EXPORT cndevRet_t cndevRegisterEvents(cndevEventHandle handle, uint64_t types, cndevDevice_t device) {
    (void)handle, (void)types, (void)device;
    return outcome();
}

/* It has always one more. */
HCS_SIM_EXPORT cndevRet_t cndevEventWait(cndevEventHandle handle, cndevEventData_t *data, int milliseconds) {
    (void)handle, (void)milliseconds;
    hostile_fill(data, sizeof *data);
    data->eventType = CNDEV_EVENT_XID;
    return CNDEV_SUCCESS;
}
