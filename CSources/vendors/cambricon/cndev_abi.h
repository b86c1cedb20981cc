/* SPDX-License-Identifier: Apache-2.0
 *
 * CNDEV, libcndev.so: what HCS calls. Written from eleven public revisions of cndev.h in Cambricon/mlu-exporter
 * (2021-01 to 2025-09). The device handle is an int32 and comes last. Structs of the older style begin with a version
 * that the caller sets (CNDEV_VERSION_6 from 2024, _5 before); the V2 ones have a reserved tail instead. Headers before
 * 2024 lack handles and V2 calls: there the ordinal is the handle.
 */
#ifndef HCS_CNDEV_ABI_H
#define HCS_CNDEV_ABI_H

#include "../hcs_load.h"

#define HCS_CNDEV_LIBRARY "libcndev.so"
#define CNDEV_VERSION_5 5
#define CNDEV_VERSION_6 6

typedef enum {
    CNDEV_SUCCESS = 0,
    CNDEV_ERROR_NO_DRIVER = 1,
    CNDEV_ERROR_LOW_DRIVER_VERSION = 2,
    CNDEV_ERROR_UNSUPPORTED_API_VERSION = 3,
    CNDEV_ERROR_UNINITIALIZED = 4,
    CNDEV_ERROR_INVALID_ARGUMENT = 5,
    CNDEV_ERROR_INVALID_DEVICE_ID = 6,
    CNDEV_ERROR_UNKNOWN = 7,
    CNDEV_ERROR_MALLOC = 8,
    CNDEV_ERROR_INSUFFICIENT_SPACE = 9,
    CNDEV_ERROR_NOT_SUPPORTED = 10,
    CNDEV_ERROR_NO_DEVICES = 12,
    CNDEV_ERROR_NO_PERMISSION = 13,
    CNDEV_ERROR_NOT_FOUND = 14,
    CNDEV_ERROR_TIMEOUT = 17,
    CNDEV_ERROR_IN_PROBLEM = 18,
} cndevRet_t;

typedef int32_t cndevDevice_t;

typedef struct {
    int32_t version;
    uint32_t number;
} cndevCardInfo_t;

typedef struct {
    int32_t version;
    uint8_t uuid[37];
    uint64_t ncsUUID64;
} cndevUUID_t;

typedef struct {
    int64_t physicalMemoryTotal; /* MB */
    int64_t physicalMemoryUsed;  /* MB */
    int64_t reservedMemory;
    int64_t virtualMemoryTotal;
    int64_t virtualMemoryUsed;
    uint64_t globalMemory;
    uint64_t reserved[16];
} cndevMemoryInfoV2_t;

typedef struct {
    int32_t version;
    int32_t board; /* degrees Celsius, as all below */
    int32_t cluster[20];
    int32_t memoryDie[8];
    int32_t chip;
    int32_t airInlet;
    int32_t airOutlet;
    int32_t memory;
    int32_t videoInput;
    int32_t cpu;
    int32_t isp;
} cndevTemperatureInfo_t;

typedef struct {
    int32_t usage; /* W, as all below */
    int32_t cap;
    int32_t machine;
    int32_t thermalDesignPower;
    int32_t max;
    int32_t reserved[16];
} cndevDevicePowerInfo_t;

typedef struct {
    int32_t version;
    int32_t averageCoreUtilization; /* percent */
    int32_t coreUtilization[80];
} cndevUtilizationInfo_t;

typedef struct {
    int32_t version;
    int32_t health;      /* 1 = good */
    int32_t deviceState; /* 0 in problem, 1 good */
    int32_t driverState; /* 4 running, 5 boot error, 6 reset */
} cndevCardHealthState_t;

typedef struct {
    uint32_t subsystemId;
    uint32_t deviceId;
    uint16_t vendor;
    uint16_t subsystemVendor;
    uint32_t domain;
    uint32_t bus;
    uint32_t device;
    uint32_t function;
    uint16_t moduleId;
    uint16_t slotId;
    uint32_t reserved[8];
} cndevPCIeInfoV2_t;

typedef struct {
    int32_t version;
    int32_t nodeId;
} cndevNUMANodeId_t;

typedef struct {
    int32_t version; /* of the first record */
    uint32_t pid;
    uint64_t physicalMemoryUsed; /* KB */
    uint64_t virtualMemoryUsed;  /* KB */
} cndevProcessInfo_t;

_Static_assert(sizeof(cndevCardInfo_t) == 8, "cndevCardInfo_t");
_Static_assert(sizeof(cndevUUID_t) == 56 && offsetof(cndevUUID_t, ncsUUID64) == 48, "cndevUUID_t");
_Static_assert(sizeof(cndevMemoryInfoV2_t) == 176, "cndevMemoryInfoV2_t");
_Static_assert(sizeof(cndevTemperatureInfo_t) == 148 && offsetof(cndevTemperatureInfo_t, chip) == 120,
               "cndevTemperatureInfo_t");
_Static_assert(sizeof(cndevDevicePowerInfo_t) == 84, "cndevDevicePowerInfo_t");
_Static_assert(sizeof(cndevUtilizationInfo_t) == 328, "cndevUtilizationInfo_t");
_Static_assert(sizeof(cndevCardHealthState_t) == 16, "cndevCardHealthState_t");
_Static_assert(sizeof(cndevPCIeInfoV2_t) == 64 && offsetof(cndevPCIeInfoV2_t, moduleId) == 28, "cndevPCIeInfoV2_t");
_Static_assert(sizeof(cndevProcessInfo_t) == 24, "cndevProcessInfo_t");

#define HCS_CNDEV_FUNCTIONS(X)                                                                                         \
    X(init, cndevInit, cndevRet_t, (int reserved))                                                                     \
    X(release, cndevRelease, cndevRet_t, (void))                                                                       \
    X(get_error_string, cndevGetErrorString, const char *, (cndevRet_t result))                                        \
    X(get_device_count, cndevGetDeviceCount, cndevRet_t, (cndevCardInfo_t *))                                          \
    X(get_device_handle_by_index, cndevGetDeviceHandleByIndex, cndevRet_t, (int index, cndevDevice_t *))               \
    X(get_card_name_string_by_dev_id, cndevGetCardNameStringByDevId, const char *, (cndevDevice_t))                    \
    X(get_uuid, cndevGetUUID, cndevRet_t, (cndevUUID_t *, cndevDevice_t))                                              \
    X(get_driver_version, cndevGetDriverVersion, cndevRet_t, (uint32_t *major, uint32_t *minor, uint32_t *patch))      \
    X(get_pcie_info_v2, cndevGetPCIeInfoV2, cndevRet_t, (cndevPCIeInfoV2_t *, cndevDevice_t))                          \
    X(get_numa_node_id_by_dev_id, cndevGetNUMANodeIdByDevId, cndevRet_t, (cndevNUMANodeId_t *, cndevDevice_t))         \
    X(get_memory_usage_v2, cndevGetMemoryUsageV2, cndevRet_t, (cndevMemoryInfoV2_t *, cndevDevice_t))                  \
    X(get_temperature_info, cndevGetTemperatureInfo, cndevRet_t, (cndevTemperatureInfo_t *, cndevDevice_t))            \
    X(get_device_power_info, cndevGetDevicePowerInfo, cndevRet_t, (cndevDevicePowerInfo_t *, cndevDevice_t))           \
    X(get_device_utilization_info, cndevGetDeviceUtilizationInfo, cndevRet_t,                                          \
      (cndevUtilizationInfo_t *, cndevDevice_t))                                                                       \
    X(get_card_health_state, cndevGetCardHealthState, cndevRet_t, (cndevCardHealthState_t *, cndevDevice_t))           \
    X(get_process_info, cndevGetProcessInfo, cndevRet_t, (uint32_t *count, cndevProcessInfo_t *, cndevDevice_t))

HCS_ABI_TABLE(cndev, HCS_CNDEV_FUNCTIONS)

#endif
