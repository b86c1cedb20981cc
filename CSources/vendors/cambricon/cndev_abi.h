/* SPDX-License-Identifier: Apache-2.0
 *
 * CNDEV, libcndev.so: what HCS calls. Written from eleven public revisions of cndev.h in Cambricon/mlu-exporter
 * (2021-01 to 2025-09). The device handle is an int32 and comes last. Structs of the older style begin with a version
 * that the caller sets (CNDEV_VERSION_6 from 2024, _5 before); the V2 ones have a reserved tail instead. Headers before
 * 2024 lack handles and V2 calls: there the ordinal is the handle, and structs end earlier. Those of 2025 lack what V2
 * replaced. Where a struct has grown this is the longest: a caller fills it with values that no device has and
 * sees what was written.
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
    CNDEV_ERROR_INVALID_LINK = 11,
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
    int32_t version;
    int32_t id; /* for cndevGetCardNameString */
} cndevCardName_t;

typedef struct {
    int32_t version;
    int32_t count;
} cndevCardCoreCount_t;

typedef struct {
    int32_t version;
    uint64_t sn; /* read as hexadecimal digits */
    uint64_t motherBoardSn;
} cndevCardSN_t;

typedef struct {
    int32_t version;
    uint32_t mcuMajorVersion;
    uint32_t mcuMinorVersion;
    uint32_t mcuBuildVersion;
    uint32_t driverMajorVersion;
    uint32_t driverMinorVersion;
    uint32_t driverBuildVersion;
} cndevVersionInfo_t;

typedef struct {
    int32_t version;
    int64_t physicalMemoryTotal; /* MB, as all below */
    int64_t physicalMemoryUsed;
    int64_t virtualMemoryTotal;
    int64_t virtualMemoryUsed;
    int64_t channelNumber;
    int64_t channelMemoryUsed[20];
    uint64_t globalMemory; /* from version 6 */
} cndevMemoryInfo_t;

typedef struct {
    int64_t physicalMemoryTotal; /* MB, as all below */
    int64_t physicalMemoryUsed;
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
    int32_t usage; /* W, as all below */
    int32_t cap;
    int32_t usageDecimal;
    int32_t machine;
    int32_t capDecimal;
    uint16_t thermalDesignPower;
    uint16_t instantaneousPowerUsage;
    uint16_t instantaneousPowerUsageDecimal;
    uint16_t tail[3]; /* room for what the longest header has */
} cndevPowerInfo_t;

typedef struct {
    int32_t version;
    uint16_t powerLimit; /* W */
    uint16_t powerLimitDecimal;
} cndevPowerManagementLimitation_t;

typedef struct {
    int32_t version;
    int32_t boardFreq; /* MHz, as all below: of the cores */
    int32_t ddrFreq;
    uint8_t overtempDfsFlag;
    uint8_t fastDfsFlag;
    uint16_t mluClusterFreqCount;
    uint16_t mluClusterFreq[20];
    int32_t boardDefaultFreq;
    int32_t boardFreqRange[2]; /* lowest, highest */
} cndevFrequencyInfo_t;

typedef struct {
    int32_t version;
    uint64_t oneBitError;
    uint64_t multipleOneError;
    uint64_t multipleError;
    uint64_t multipleMultipleError;
    uint64_t correctedError;
    uint64_t uncorrectedError;
    uint64_t totalError;
    uint64_t addressForbiddenError;
} cndevECCInfo_t;

typedef struct {
    int32_t version;
    int32_t mode; /* 1 = on */
} cndevEccMode_t;

typedef struct {
    int32_t version;
    uint32_t volatileSramEccSbeCounter; /* since the driver was loaded */
    uint32_t volatileSramEccDbeCounter;
    uint32_t volatileSramEccParityCounter;
    uint32_t volatileDramEccSbeCounter;
    uint32_t volatileDramEccDbeCounter;
    uint64_t aggregateDramEccSbeCounter; /* of its life */
    uint64_t aggregateDramEccDbeCounter;
    uint64_t aggregateSramEccSbeCounter;
    uint64_t aggregateSramEccDbeCounter;
    uint64_t aggregateSramEccParityCounter;
    _Bool aggregateSramEccThresholdExceeded;
    uint64_t reserved[11];
} cndevMemEccCounter_t;

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

#define CNDEV_HEALTH_PASS 0
#define CNDEV_HEALTH_WARN 10
#define CNDEV_HEALTH_FAIL 20
#define CNDEV_DRIVER_RUNNING 4
#define CNDEV_DRIVER_BOOT_ERROR 5
#define CNDEV_DRIVER_RESET_ERROR 7
#define CNDEV_INCIDENTS 64

typedef struct {
    uint32_t system;
    uint32_t health;
    char msg[512];
    uint32_t device_id;
    uint32_t bdf;
    uint32_t code; /* CNDEV_FR_*, cndevHealthError_t */
    uint32_t category;
    uint32_t severity;
} cndevIncidentInfo_t;

/* Too large for small stacks. */
typedef struct {
    int32_t health;
    int32_t deviceState;
    int32_t driverState;
    uint32_t overallHealth; /* CNDEV_HEALTH_* */
    uint32_t incident_count;
    cndevIncidentInfo_t incidents[CNDEV_INCIDENTS];
    uint32_t reserved[8];
} cndevCardHealthStateV2_t;

typedef struct {
    int32_t version;
    uint32_t subsystemId;
    uint32_t deviceId;
    uint16_t vendor;
    uint16_t subsystemVendor;
    uint32_t domain;
    uint32_t bus;
    uint32_t device;
    uint32_t function;
    const char *physicalSlot;
    int32_t slotID; /* later headers only */
} cndevPCIeInfo_t;

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

typedef struct {
    int32_t version;
    int32_t speed; /* PCI Express generation */
    int32_t width;
} cndevPCILink_t; /* cndevCurrentPCIInfo_t and cndevPCIInfo_t */

typedef struct {
    int32_t version;
    int64_t pcieRead; /* bytes in the last 20 ms */
    int64_t pcieWrite;
} cndevPCIethroughput_t;

typedef struct {
    int64_t pcieRead; /* bytes in the last 20 ms */
    int64_t pcieWrite;
    int64_t pcieReadTotal;
    int64_t pcieWriteTotal;
    uint64_t timestamp;
    int64_t reserved[8];
} cndevPCIethroughputV2_t;

typedef struct {
    int32_t version;
    uint32_t counter;
} cndevPcieReplayCounter_t;

typedef struct {
    int32_t version;
    int32_t isActive;
    int32_t serdesState;
    int32_t cableState;
} cndevMLULinkStatus_t;

typedef struct {
    int32_t macState; /* 0 down, 1 up, 2 peer heard, 3 ready */
    int32_t serdesState;
    int32_t presenceState;
    uint32_t reserved[8];
} cndevMLULinkStatusV2_t;

typedef struct {
    int32_t version;
    uint64_t cntrReadByte;
    uint64_t cntrReadPackage;
    uint64_t cntrWriteByte;
    uint64_t cntrWritePackage;
    uint64_t errReplay;
    uint64_t errFatal;
    uint64_t errEccDouble;
    uint64_t errCRC24;
    uint64_t errCRC32;
    uint64_t errCorrected;
    uint64_t errUncorrected;
    uint64_t tail[11]; /* room for what later headers have */
} cndevMLULinkCounter_t;

typedef struct {
    uint64_t correctFecCnt;
    uint64_t uncorrectFecCnt;
    uint64_t rxBadFcsPkt;
    uint64_t txBadFcsPkt;
    uint64_t illegalAccessCnt;
    uint64_t reserved[11];
} cndevMLULinkErrorCounter_t;

typedef struct {
    int32_t version;
    uint64_t mcSn;
    uint64_t baSn;
    uint32_t slotId;
    uint32_t portId;
    uint8_t devIp[16];
    uint8_t uuid[37];
    uint32_t devIpVersion;
    uint32_t isIpValid;
    int32_t connectType;
    uint64_t ncsUUID64;
    uint8_t mac_addr[6];
    char port_name[256];
} cndevMLULinkRemoteInfo_t;

typedef struct {
    int32_t version;
    float speedValue; /* GB/s, the most */
    int32_t speedFormat;
} cndevMLULinkSpeed_t;

typedef struct {
    int32_t version;
    int32_t cause; /* in: 0 many single-bit errors, 1 a double-bit error */
    uint32_t pageCount;
    uint64_t pageAddress[512];
} cndevRetiredPageInfo_t;

typedef struct {
    int32_t version;
    uint32_t correctRows;
    uint32_t uncorrectRows;
    uint32_t pendingRows;
    uint32_t failedRows;
} cndevRemappedRow_t;

typedef struct {
    int32_t version;
    uint32_t correctCounts;
    uint32_t uncorrectCounts;
    uint32_t histogram[3]; /* banks with no spare rows left, some, all */
} cndevRemappedRowV2_t;

typedef struct {
    int32_t version;
    uint8_t isRetirePending;
    uint8_t isPending;
    uint8_t isFailure;
} cndevRepairStatus_t;

typedef struct {
    int32_t version;
    int32_t tdp; /* 1 = this holds the clocks down, as all below */
    int32_t powerSetting;
    int32_t clockSetting;
    int32_t frequencyLocked;
    int32_t powerBrake;
    int32_t thermalSlowdown;
} cndevPerformanceThrottleReason_t;

#define CNDEV_EVENT_XID 1
typedef void *cndevEventHandle;
typedef struct {
    uint32_t version;
    int32_t device;
    uint64_t eventData; /* the Xid */
    uint64_t eventType;
    uint64_t timestamp;
    uint32_t computeInstanceId;
    uint32_t mluInstanceId;
    uint64_t reserved[8];
} cndevEventData_t;

#define HCS_CNDEV_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#define HCS_CNDEV_AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field)
/* Sizes and offsets of the public headers of 2024 and 2025. */
HCS_CNDEV_SIZE(cndevCardInfo_t, 8);
HCS_CNDEV_SIZE(cndevCardName_t, 8);
HCS_CNDEV_SIZE(cndevCardCoreCount_t, 8);
HCS_CNDEV_SIZE(cndevCardSN_t, 24);
HCS_CNDEV_SIZE(cndevVersionInfo_t, 28);
HCS_CNDEV_SIZE(cndevUUID_t, 56);
HCS_CNDEV_AT(cndevUUID_t, uuid, 4);
HCS_CNDEV_AT(cndevUUID_t, ncsUUID64, 48);
HCS_CNDEV_SIZE(cndevMemoryInfo_t, 216);
HCS_CNDEV_AT(cndevMemoryInfo_t, physicalMemoryTotal, 8);
HCS_CNDEV_AT(cndevMemoryInfo_t, channelMemoryUsed, 48);
HCS_CNDEV_AT(cndevMemoryInfo_t, globalMemory, 208);
HCS_CNDEV_SIZE(cndevMemoryInfoV2_t, 176);
HCS_CNDEV_AT(cndevMemoryInfoV2_t, reserved, 48);
HCS_CNDEV_SIZE(cndevTemperatureInfo_t, 148);
HCS_CNDEV_AT(cndevTemperatureInfo_t, memoryDie, 88);
HCS_CNDEV_AT(cndevTemperatureInfo_t, chip, 120);
HCS_CNDEV_AT(cndevTemperatureInfo_t, memory, 132);
HCS_CNDEV_SIZE(cndevPowerInfo_t, 36);
HCS_CNDEV_AT(cndevPowerInfo_t, thermalDesignPower, 24);
HCS_CNDEV_SIZE(cndevDevicePowerInfo_t, 84);
HCS_CNDEV_AT(cndevDevicePowerInfo_t, max, 16);
HCS_CNDEV_SIZE(cndevPowerManagementLimitation_t, 8);
HCS_CNDEV_SIZE(cndevFrequencyInfo_t, 68);
HCS_CNDEV_AT(cndevFrequencyInfo_t, boardFreqRange, 60);
HCS_CNDEV_SIZE(cndevECCInfo_t, 72);
HCS_CNDEV_AT(cndevECCInfo_t, correctedError, 40);
HCS_CNDEV_SIZE(cndevEccMode_t, 8);
HCS_CNDEV_SIZE(cndevMemEccCounter_t, 160);
HCS_CNDEV_AT(cndevMemEccCounter_t, aggregateDramEccSbeCounter, 24);
HCS_CNDEV_AT(cndevMemEccCounter_t, aggregateSramEccThresholdExceeded, 64);
HCS_CNDEV_SIZE(cndevUtilizationInfo_t, 328);
HCS_CNDEV_AT(cndevUtilizationInfo_t, coreUtilization, 8);
HCS_CNDEV_SIZE(cndevCardHealthState_t, 16);
HCS_CNDEV_SIZE(cndevIncidentInfo_t, 540);
HCS_CNDEV_AT(cndevIncidentInfo_t, code, 528);
HCS_CNDEV_SIZE(cndevCardHealthStateV2_t, 34612);
HCS_CNDEV_AT(cndevCardHealthStateV2_t, incidents, 20);
HCS_CNDEV_SIZE(cndevPCIeInfo_t, 48);
HCS_CNDEV_AT(cndevPCIeInfo_t, domain, 16);
HCS_CNDEV_AT(cndevPCIeInfo_t, physicalSlot, 32);
HCS_CNDEV_AT(cndevPCIeInfo_t, slotID, 40);
HCS_CNDEV_SIZE(cndevPCIeInfoV2_t, 64);
HCS_CNDEV_AT(cndevPCIeInfoV2_t, moduleId, 28);
HCS_CNDEV_SIZE(cndevNUMANodeId_t, 8);
HCS_CNDEV_SIZE(cndevPCILink_t, 12);
HCS_CNDEV_SIZE(cndevPCIethroughput_t, 24);
HCS_CNDEV_SIZE(cndevPCIethroughputV2_t, 104);
HCS_CNDEV_AT(cndevPCIethroughputV2_t, timestamp, 32);
HCS_CNDEV_SIZE(cndevPcieReplayCounter_t, 8);
HCS_CNDEV_SIZE(cndevMLULinkStatus_t, 16);
HCS_CNDEV_SIZE(cndevMLULinkStatusV2_t, 44);
HCS_CNDEV_AT(cndevMLULinkCounter_t, errReplay, 40);
HCS_CNDEV_AT(cndevMLULinkCounter_t, errCRC24, 64);
HCS_CNDEV_SIZE(cndevMLULinkErrorCounter_t, 128);
HCS_CNDEV_AT(cndevMLULinkErrorCounter_t, illegalAccessCnt, 32);
HCS_CNDEV_SIZE(cndevMLULinkRemoteInfo_t, 376);
HCS_CNDEV_AT(cndevMLULinkRemoteInfo_t, uuid, 48);
HCS_CNDEV_SIZE(cndevMLULinkSpeed_t, 12);
HCS_CNDEV_SIZE(cndevProcessInfo_t, 24);
HCS_CNDEV_SIZE(cndevRetiredPageInfo_t, 4112);
HCS_CNDEV_AT(cndevRetiredPageInfo_t, pageAddress, 16);
HCS_CNDEV_SIZE(cndevRemappedRow_t, 20);
HCS_CNDEV_SIZE(cndevRemappedRowV2_t, 24);
HCS_CNDEV_SIZE(cndevRepairStatus_t, 8);
HCS_CNDEV_SIZE(cndevPerformanceThrottleReason_t, 28);
HCS_CNDEV_SIZE(cndevEventData_t, 104);
HCS_CNDEV_AT(cndevEventData_t, eventData, 8);
HCS_CNDEV_AT(cndevEventData_t, computeInstanceId, 32);

#define HCS_CNDEV_FUNCTIONS(X)                                                                                         \
    X(init, cndevInit, cndevRet_t, (int reserved))                                                                     \
    X(release, cndevRelease, cndevRet_t, (void))                                                                       \
    X(get_error_string, cndevGetErrorString, const char *, (cndevRet_t result))                                        \
    X(get_device_count, cndevGetDeviceCount, cndevRet_t, (cndevCardInfo_t *))                                          \
    X(get_device_handle_by_index, cndevGetDeviceHandleByIndex, cndevRet_t, (int index, cndevDevice_t *))               \
    X(get_card_name_string_by_dev_id, cndevGetCardNameStringByDevId, const char *, (cndevDevice_t))                    \
    X(get_card_name, cndevGetCardName, cndevRet_t, (cndevCardName_t *, cndevDevice_t))                                 \
    X(get_card_name_string, cndevGetCardNameString, const char *, (int id))                                            \
    X(get_driver_version, cndevGetDriverVersion, cndevRet_t, (uint32_t *major, uint32_t *minor, uint32_t *patch))      \
    X(get_uuid, cndevGetUUID, cndevRet_t, (cndevUUID_t *, cndevDevice_t))                                              \
    X(get_card_sn, cndevGetCardSN, cndevRet_t, (cndevCardSN_t *, cndevDevice_t))                                       \
    X(get_core_count, cndevGetCoreCount, cndevRet_t, (cndevCardCoreCount_t *, cndevDevice_t))                          \
    X(get_version_info, cndevGetVersionInfo, cndevRet_t, (cndevVersionInfo_t *, cndevDevice_t))                        \
    X(get_pcie_info_v2, cndevGetPCIeInfoV2, cndevRet_t, (cndevPCIeInfoV2_t *, cndevDevice_t))                          \
    X(get_pcie_info, cndevGetPCIeInfo, cndevRet_t, (cndevPCIeInfo_t *, cndevDevice_t))                                 \
    X(get_numa_node_id_by_dev_id, cndevGetNUMANodeIdByDevId, cndevRet_t, (cndevNUMANodeId_t *, cndevDevice_t))         \
    X(get_memory_usage_v2, cndevGetMemoryUsageV2, cndevRet_t, (cndevMemoryInfoV2_t *, cndevDevice_t))                  \
    X(get_memory_usage, cndevGetMemoryUsage, cndevRet_t, (cndevMemoryInfo_t *, cndevDevice_t))                         \
    X(get_temperature_info, cndevGetTemperatureInfo, cndevRet_t, (cndevTemperatureInfo_t *, cndevDevice_t))            \
    X(get_device_power_info, cndevGetDevicePowerInfo, cndevRet_t, (cndevDevicePowerInfo_t *, cndevDevice_t))           \
    X(get_power_info, cndevGetPowerInfo, cndevRet_t, (cndevPowerInfo_t *, cndevDevice_t))                              \
    X(get_power_management_limitation, cndevGetPowerManagementLimitation, cndevRet_t,                                  \
      (cndevPowerManagementLimitation_t *, cndevDevice_t))                                                             \
    X(get_frequency_info, cndevGetFrequencyInfo, cndevRet_t, (cndevFrequencyInfo_t *, cndevDevice_t))                  \
    X(get_device_utilization_info, cndevGetDeviceUtilizationInfo, cndevRet_t,                                          \
      (cndevUtilizationInfo_t *, cndevDevice_t))                                                                       \
    X(get_ecc_mode, cndevGetEccMode, cndevRet_t, (cndevEccMode_t *now, cndevEccMode_t *pending, cndevDevice_t))        \
    X(get_mem_ecc_counter, cndevGetMemEccCounter, cndevRet_t, (cndevMemEccCounter_t *, cndevDevice_t))                 \
    X(get_ecc_info, cndevGetECCInfo, cndevRet_t, (cndevECCInfo_t *, cndevDevice_t))                                    \
    X(get_card_health_state_v2, cndevGetCardHealthStateV2, cndevRet_t, (cndevCardHealthStateV2_t *, cndevDevice_t))    \
    X(get_card_health_state, cndevGetCardHealthState, cndevRet_t, (cndevCardHealthState_t *, cndevDevice_t))           \
    X(get_current_pci_info, cndevGetCurrentPCIInfo, cndevRet_t, (cndevPCILink_t *, cndevDevice_t))                     \
    X(get_max_pci_info, cndevGetMaxPCIInfo, cndevRet_t, (cndevPCILink_t *, cndevDevice_t))                             \
    X(get_pcie_throughput_v2, cndevGetPCIethroughputV2, cndevRet_t, (cndevPCIethroughputV2_t *, cndevDevice_t))        \
    X(get_pcie_throughput, cndevGetPCIethroughput, cndevRet_t, (cndevPCIethroughput_t *, cndevDevice_t))               \
    X(get_pcie_replay_counter, cndevGetPcieReplayCounter, cndevRet_t, (cndevPcieReplayCounter_t *, cndevDevice_t))     \
    X(get_mlulink_port_number, cndevGetMLULinkPortNumber, int, (cndevDevice_t))                                        \
    X(get_mlulink_status_v2, cndevGetMLULinkStatusV2, cndevRet_t, (cndevMLULinkStatusV2_t *, cndevDevice_t, int link)) \
    X(get_mlulink_status, cndevGetMLULinkStatus, cndevRet_t, (cndevMLULinkStatus_t *, cndevDevice_t, int link))        \
    X(get_mlulink_error_counter, cndevGetMLULinkErrorCounter, cndevRet_t,                                              \
      (cndevMLULinkErrorCounter_t *, cndevDevice_t, int link))                                                         \
    X(get_mlulink_counter, cndevGetMLULinkCounter, cndevRet_t, (cndevMLULinkCounter_t *, cndevDevice_t, int link))     \
    X(get_mlulink_remote_info, cndevGetMLULinkRemoteInfo, cndevRet_t,                                                  \
      (cndevMLULinkRemoteInfo_t *, cndevDevice_t, int link))                                                           \
    X(get_mlulink_speed_info, cndevGetMLULinkSpeedInfo, cndevRet_t, (cndevMLULinkSpeed_t *, cndevDevice_t, int link))  \
    X(get_process_info, cndevGetProcessInfo, cndevRet_t, (uint32_t *count, cndevProcessInfo_t *, cndevDevice_t))       \
    X(get_retired_pages, cndevGetRetiredPages, cndevRet_t, (cndevRetiredPageInfo_t *, cndevDevice_t))                  \
    X(get_remapped_rows_v2, cndevGetRemappedRowsV2, cndevRet_t, (cndevRemappedRowV2_t *, cndevDevice_t))               \
    X(get_remapped_rows, cndevGetRemappedRows, cndevRet_t, (cndevRemappedRow_t *, cndevDevice_t))                      \
    X(get_repair_status, cndevGetRepairStatus, cndevRet_t, (cndevRepairStatus_t *, cndevDevice_t))                     \
    X(get_performance_throttle_reason, cndevGetPerformanceThrottleReason, cndevRet_t,                                  \
      (cndevPerformanceThrottleReason_t *, cndevDevice_t))                                                             \
    X(event_handle_create, cndevEventHandleCreate, cndevRet_t, (cndevEventHandle *))                                   \
    X(register_events, cndevRegisterEvents, cndevRet_t, (cndevEventHandle, uint64_t types, cndevDevice_t))             \
    X(event_wait, cndevEventWait, cndevRet_t, (cndevEventHandle, cndevEventData_t *, int milliseconds))                \
    X(event_handle_destroy, cndevEventHandleDestroy, cndevRet_t, (cndevEventHandle))

HCS_ABI_TABLE(cndev, HCS_CNDEV_FUNCTIONS)

/* For callers whose language has no arrays of that size. */
HCS_ABI_INLINE uint32_t hcs_cndev_incident_count(const cndevCardHealthStateV2_t *state) {
    return state->incident_count < CNDEV_INCIDENTS ? state->incident_count : CNDEV_INCIDENTS;
}
HCS_ABI_INLINE uint32_t hcs_cndev_incident_code(const cndevCardHealthStateV2_t *state, uint32_t i) {
    return i < CNDEV_INCIDENTS ? state->incidents[i].code : 0;
}

#endif
