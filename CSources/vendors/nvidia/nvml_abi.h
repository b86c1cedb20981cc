/* SPDX-License-Identifier: Apache-2.0
 *
 * NVML, libnvidia-ml.so.1: what HCS calls. Written from the NVML API Reference Guide (API 12 and 13) and the public
 * nvml.h of NVIDIA/go-nvml (API 13, 2026-07); exported names checked against libnvidia-ml1 535.261.03 of Debian.
 * nvml.h maps old names to new ones by macro, so a dlopen client must ask for the suffixed symbol: the bare name keeps
 * the layout of its first version (nvmlDeviceGetComputeRunningProcesses writes 16-byte records). Field ids and value
 * types: nvidia-ml-py 13.615.71. Read there, not seen on a card.
 */
#ifndef HCS_NVML_ABI_H
#define HCS_NVML_ABI_H

#include "../hcs_load.h"

#define HCS_NVML_LIBRARY "libnvidia-ml.so.1"

typedef enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_DRIVER_NOT_LOADED = 9,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_LIBRARY_NOT_FOUND = 12,
    NVML_ERROR_FUNCTION_NOT_FOUND = 13,
    NVML_ERROR_GPU_IS_LOST = 15,
    NVML_ERROR_RESET_REQUIRED = 16,
    NVML_ERROR_OPERATING_SYSTEM = 17,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
    NVML_ERROR_MEMORY = 20,
    NVML_ERROR_NO_DATA = 21,
    NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
    NVML_ERROR_GPU_NOT_FOUND = 28,
    NVML_ERROR_UNKNOWN = 999,
} nvmlReturn_t;

typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;

#define NVML_DEVICE_NAME_BUFFER 96
#define NVML_DEVICE_UUID_BUFFER 96
#define NVML_DEVICE_SERIAL_BUFFER 30
#define NVML_DEVICE_PART_NUMBER_BUFFER 80
#define NVML_DEVICE_VBIOS_BUFFER 32
#define NVML_DRIVER_VERSION_BUFFER 80
#define NVML_TEMPERATURE_GPU 0
#define NVML_TEMPERATURE_THRESHOLD_SHUTDOWN 0
#define NVML_TEMPERATURE_THRESHOLD_SLOWDOWN 1
#define NVML_CLOCK_GRAPHICS 0
#define NVML_CLOCK_SM 1
#define NVML_CLOCK_MEM 2
#define NVML_MEMORY_ERROR_CORRECTED 0
#define NVML_MEMORY_ERROR_UNCORRECTED 1
#define NVML_ECC_VOLATILE 0
#define NVML_ECC_AGGREGATE 1
#define NVML_MEMORY_LOCATION_DRAM 2
#define NVML_MEMORY_LOCATION_SRAM 7
#define NVML_PAGE_RETIREMENT_CORRECTED 0 /* several single-bit errors */
#define NVML_PAGE_RETIREMENT_UNCORRECTED 1
#define NVML_MEMORY_V2 0x02000028u
#define NVML_TEMPERATURE_V1 0x0100000cu
#define NVML_VALUE_NOT_AVAILABLE UINT64_MAX /* usedGpuMemory under MIG or without permission */
#define NVML_NO_INSTANCE UINT32_MAX
#define NVML_EVENT_XID 0x8ull

/* nvmlDeviceGetCurrentClocksEventReasons */
#define NVML_CLOCK_EVENT_APPLICATIONS 0x2ull
#define NVML_CLOCK_EVENT_SW_POWER_CAP 0x4ull
#define NVML_CLOCK_EVENT_HW_SLOWDOWN 0x8ull
#define NVML_CLOCK_EVENT_SYNC_BOOST 0x10ull
#define NVML_CLOCK_EVENT_SW_THERMAL 0x20ull
#define NVML_CLOCK_EVENT_HW_THERMAL 0x40ull
#define NVML_CLOCK_EVENT_HW_POWER_BRAKE 0x80ull

/* nvmlDeviceGetNvLinkErrorCounter */
#define NVML_NVLINK_ERROR_REPLAY 0
#define NVML_NVLINK_ERROR_RECOVERY 1
#define NVML_NVLINK_ERROR_CRC_FLIT 2
#define NVML_NVLINK_ERROR_CRC_DATA 3
#define NVML_NVLINK_ERROR_ECC_DATA 4

/* nvmlDeviceGetNvLinkRemoteDeviceType */
#define NVML_NVLINK_REMOTE_GPU 0
#define NVML_NVLINK_REMOTE_IBM_NPU 1
#define NVML_NVLINK_REMOTE_SWITCH 2

/* nvmlDeviceGetFieldValues. Those of a link have its number in scopeId. */
#define NVML_FIELD_MEMORY_TEMPERATURE 82
#define NVML_FIELD_NVLINK_REPLAY 161
#define NVML_FIELD_NVLINK_RECOVERY 162
#define NVML_FIELD_NVLINK_CRC 163
#define NVML_FIELD_NVLINK_SPEED 164     /* MB/s in one direction, protocol included */
#define NVML_FIELD_PCIE_TRANSMITTED 197 /* bytes, may wrap */
#define NVML_FIELD_PCIE_RECEIVED 198
#define NVML_FIELD_RECOVERY_ACTION 230 /* driver 565 and later */
#define NVML_VALUE_DOUBLE 0
#define NVML_VALUE_UNSIGNED_INT 1
#define NVML_VALUE_UNSIGNED_LONG 2
#define NVML_VALUE_UNSIGNED_LONG_LONG 3
#define NVML_VALUE_SIGNED_LONG_LONG 4
#define NVML_VALUE_SIGNED_INT 5
#define NVML_VALUE_UNSIGNED_SHORT 6

typedef struct {
    char busIdLegacy[16]; /* DDDD:BB:DD.F */
    uint32_t domain;
    uint32_t bus;
    uint32_t device;
    uint32_t pciDeviceId; /* device << 16 | vendor */
    uint32_t pciSubSystemId;
    char busId[32]; /* DDDDDDDD:BB:DD.F */
} nvmlPciInfo_t;

typedef struct {
    uint64_t total;
    uint64_t free;
    uint64_t used; /* includes what the driver reserves */
} nvmlMemory_t;

typedef struct {
    uint32_t version; /* in: NVML_MEMORY_V2 */
    uint64_t total;
    uint64_t reserved;
    uint64_t free;
    uint64_t used;
} nvmlMemory_v2_t;

typedef struct {
    uint32_t gpu;    /* percent */
    uint32_t memory; /* percent */
} nvmlUtilization_t;

typedef struct {
    uint32_t version; /* in: NVML_TEMPERATURE_V1 */
    uint32_t sensor;
    int32_t temperature;
} nvmlTemperature_t;

/* Of the calls without suffix. */
typedef struct {
    uint32_t pid;
    uint64_t usedGpuMemory; /* bytes, or NVML_VALUE_NOT_AVAILABLE */
} nvmlProcessInfo_v1_t;

/* Of the calls with _v2 and _v3. */
typedef struct {
    uint32_t pid;
    uint64_t usedGpuMemory;
    uint32_t gpuInstanceId; /* NVML_NO_INSTANCE */
    uint32_t computeInstanceId;
} nvmlProcessInfo_t;

typedef struct {
    uint32_t multiprocessorCount;
    uint32_t sharedCopyEngineCount;
    uint32_t sharedDecoderCount;
    uint32_t sharedEncoderCount;
    uint32_t sharedJpegCount;
    uint32_t sharedOfaCount;
    uint32_t gpuInstanceSliceCount;
    uint32_t computeInstanceSliceCount;
    uint64_t memorySizeMB;
} nvmlDeviceAttributes_t;

/* Banks by how many spare rows they have left. */
typedef struct {
    uint32_t max;
    uint32_t high;
    uint32_t partial;
    uint32_t low;
    uint32_t none;
} nvmlRowRemapperHistogramValues_t;

/* nvmlEventSetWait, without suffix, writes the first 24 bytes. */
typedef struct {
    nvmlDevice_t device;
    uint64_t eventType;
    uint64_t eventData; /* of NVML_EVENT_XID: the Xid; 999 = the driver does not tell */
    uint32_t gpuInstanceId;
    uint32_t computeInstanceId;
} nvmlEventData_t;

typedef struct {
    uint32_t fieldId;
    uint32_t scopeId;
    int64_t timestamp; /* microseconds since 1970 */
    int64_t latencyUsec;
    uint32_t valueType;  /* NVML_VALUE_* */
    uint32_t nvmlReturn; /* of this field */
    union {
        double dVal;
        uint32_t uiVal;
        uint64_t ullVal;
        int64_t sllVal;
        int32_t siVal;
        uint16_t usVal;
    } value;
} nvmlFieldValue_t;

_Static_assert(sizeof(nvmlPciInfo_t) == 68 && offsetof(nvmlPciInfo_t, domain) == 16 &&
                   offsetof(nvmlPciInfo_t, pciDeviceId) == 28 && offsetof(nvmlPciInfo_t, busId) == 36,
               "nvmlPciInfo_t v3");
_Static_assert(sizeof(nvmlMemory_t) == 24 && offsetof(nvmlMemory_t, used) == 16, "nvmlMemory_t");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40 && offsetof(nvmlMemory_v2_t, total) == 8 &&
                   offsetof(nvmlMemory_v2_t, used) == 32,
               "nvmlMemory_v2_t");
_Static_assert(NVML_MEMORY_V2 == (sizeof(nvmlMemory_v2_t) | 2u << 24), "version of nvmlMemory_v2_t");
_Static_assert(sizeof(nvmlUtilization_t) == 8 && offsetof(nvmlUtilization_t, memory) == 4, "nvmlUtilization_t");
_Static_assert(sizeof(nvmlTemperature_t) == 12 && offsetof(nvmlTemperature_t, temperature) == 8, "nvmlTemperature_t");
_Static_assert(NVML_TEMPERATURE_V1 == (sizeof(nvmlTemperature_t) | 1u << 24), "version of nvmlTemperature_t");
_Static_assert(sizeof(nvmlProcessInfo_v1_t) == 16 && offsetof(nvmlProcessInfo_v1_t, usedGpuMemory) == 8,
               "nvmlProcessInfo_v1_t");
_Static_assert(sizeof(nvmlProcessInfo_t) == 24 && offsetof(nvmlProcessInfo_t, usedGpuMemory) == 8 &&
                   offsetof(nvmlProcessInfo_t, gpuInstanceId) == 16 &&
                   offsetof(nvmlProcessInfo_t, computeInstanceId) == 20,
               "nvmlProcessInfo_t v2");
_Static_assert(sizeof(nvmlDeviceAttributes_t) == 40 &&
                   offsetof(nvmlDeviceAttributes_t, computeInstanceSliceCount) == 28 &&
                   offsetof(nvmlDeviceAttributes_t, memorySizeMB) == 32,
               "nvmlDeviceAttributes_t");
_Static_assert(sizeof(nvmlRowRemapperHistogramValues_t) == 20, "nvmlRowRemapperHistogramValues_t");
_Static_assert(sizeof(nvmlEventData_t) == 32 && offsetof(nvmlEventData_t, eventType) == 8 &&
                   offsetof(nvmlEventData_t, eventData) == 16 && offsetof(nvmlEventData_t, gpuInstanceId) == 24,
               "nvmlEventData_t v2");
_Static_assert(sizeof(nvmlFieldValue_t) == 40 && offsetof(nvmlFieldValue_t, timestamp) == 8 &&
                   offsetof(nvmlFieldValue_t, valueType) == 24 && offsetof(nvmlFieldValue_t, nvmlReturn) == 28 &&
                   offsetof(nvmlFieldValue_t, value) == 32,
               "nvmlFieldValue_t");

#define HCS_NVML_FUNCTIONS(X)                                                                                          \
    X(init_v2, nvmlInit_v2, nvmlReturn_t, (void))                                                                      \
    X(shutdown, nvmlShutdown, nvmlReturn_t, (void))                                                                    \
    X(error_string, nvmlErrorString, const char *, (nvmlReturn_t result))                                              \
    X(system_get_driver_version, nvmlSystemGetDriverVersion, nvmlReturn_t, (char *version, unsigned length))           \
    X(system_get_cuda_driver_version_v2, nvmlSystemGetCudaDriverVersion_v2, nvmlReturn_t, (int *version))              \
    X(system_get_cuda_driver_version, nvmlSystemGetCudaDriverVersion, nvmlReturn_t, (int *version))                    \
    X(device_get_count_v2, nvmlDeviceGetCount_v2, nvmlReturn_t, (unsigned *count))                                     \
    X(device_get_handle_by_index_v2, nvmlDeviceGetHandleByIndex_v2, nvmlReturn_t, (unsigned index, nvmlDevice_t *))    \
    X(device_get_name, nvmlDeviceGetName, nvmlReturn_t, (nvmlDevice_t, char *name, unsigned length))                   \
    X(device_get_uuid, nvmlDeviceGetUUID, nvmlReturn_t, (nvmlDevice_t, char *uuid, unsigned length))                   \
    X(device_get_serial, nvmlDeviceGetSerial, nvmlReturn_t, (nvmlDevice_t, char *serial, unsigned length))             \
    X(device_get_board_part_number, nvmlDeviceGetBoardPartNumber, nvmlReturn_t,                                        \
      (nvmlDevice_t, char *number, unsigned length))                                                                   \
    X(device_get_vbios_version, nvmlDeviceGetVbiosVersion, nvmlReturn_t,                                               \
      (nvmlDevice_t, char *version, unsigned length))                                                                  \
    X(device_get_cuda_compute_capability, nvmlDeviceGetCudaComputeCapability, nvmlReturn_t,                            \
      (nvmlDevice_t, int *major, int *minor))                                                                          \
    X(device_get_pci_info_v3, nvmlDeviceGetPciInfo_v3, nvmlReturn_t, (nvmlDevice_t, nvmlPciInfo_t *))                  \
    X(device_get_num_gpu_cores, nvmlDeviceGetNumGpuCores, nvmlReturn_t, (nvmlDevice_t, unsigned *cores))               \
    X(device_get_memory_info, nvmlDeviceGetMemoryInfo, nvmlReturn_t, (nvmlDevice_t, nvmlMemory_t *))                   \
    X(device_get_memory_info_v2, nvmlDeviceGetMemoryInfo_v2, nvmlReturn_t, (nvmlDevice_t, nvmlMemory_v2_t *))          \
    X(device_get_utilization_rates, nvmlDeviceGetUtilizationRates, nvmlReturn_t, (nvmlDevice_t, nvmlUtilization_t *))  \
    X(device_get_temperature, nvmlDeviceGetTemperature, nvmlReturn_t,                                                  \
      (nvmlDevice_t, unsigned sensor, unsigned *celsius))                                                              \
    X(device_get_temperature_v, nvmlDeviceGetTemperatureV, nvmlReturn_t, (nvmlDevice_t, nvmlTemperature_t *))          \
    X(device_get_temperature_threshold, nvmlDeviceGetTemperatureThreshold, nvmlReturn_t,                               \
      (nvmlDevice_t, unsigned type, unsigned *celsius))                                                                \
    X(device_get_power_usage, nvmlDeviceGetPowerUsage, nvmlReturn_t, (nvmlDevice_t, unsigned *milliwatts))             \
    X(device_get_enforced_power_limit, nvmlDeviceGetEnforcedPowerLimit, nvmlReturn_t,                                  \
      (nvmlDevice_t, unsigned *milliwatts))                                                                            \
    X(device_get_total_energy_consumption, nvmlDeviceGetTotalEnergyConsumption, nvmlReturn_t,                          \
      (nvmlDevice_t, uint64_t *millijoules))                                                                           \
    X(device_get_clock_info, nvmlDeviceGetClockInfo, nvmlReturn_t, (nvmlDevice_t, unsigned type, unsigned *mhz))       \
    X(device_get_max_clock_info, nvmlDeviceGetMaxClockInfo, nvmlReturn_t,                                              \
      (nvmlDevice_t, unsigned type, unsigned *mhz))                                                                    \
    X(device_get_current_clocks_event_reasons, nvmlDeviceGetCurrentClocksEventReasons, nvmlReturn_t,                   \
      (nvmlDevice_t, uint64_t *reasons))                                                                               \
    X(device_get_current_clocks_throttle_reasons, nvmlDeviceGetCurrentClocksThrottleReasons, nvmlReturn_t,             \
      (nvmlDevice_t, uint64_t *reasons))                                                                               \
    X(device_get_ecc_mode, nvmlDeviceGetEccMode, nvmlReturn_t, (nvmlDevice_t, unsigned *current, unsigned *pending))   \
    X(device_get_total_ecc_errors, nvmlDeviceGetTotalEccErrors, nvmlReturn_t,                                          \
      (nvmlDevice_t, unsigned type, unsigned counter, uint64_t *count))                                                \
    X(device_get_memory_error_counter, nvmlDeviceGetMemoryErrorCounter, nvmlReturn_t,                                  \
      (nvmlDevice_t, unsigned type, unsigned counter, unsigned location, uint64_t *count))                             \
    X(device_get_retired_pages, nvmlDeviceGetRetiredPages, nvmlReturn_t,                                               \
      (nvmlDevice_t, unsigned cause, unsigned *count, uint64_t *addresses))                                            \
    X(device_get_retired_pages_pending_status, nvmlDeviceGetRetiredPagesPendingStatus, nvmlReturn_t,                   \
      (nvmlDevice_t, unsigned *pending))                                                                               \
    X(device_get_remapped_rows, nvmlDeviceGetRemappedRows, nvmlReturn_t,                                               \
      (nvmlDevice_t, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed))                 \
    X(device_get_row_remapper_histogram, nvmlDeviceGetRowRemapperHistogram, nvmlReturn_t,                              \
      (nvmlDevice_t, nvmlRowRemapperHistogramValues_t *))                                                              \
    X(device_get_curr_pcie_link_generation, nvmlDeviceGetCurrPcieLinkGeneration, nvmlReturn_t,                         \
      (nvmlDevice_t, unsigned *generation))                                                                            \
    X(device_get_max_pcie_link_generation, nvmlDeviceGetMaxPcieLinkGeneration, nvmlReturn_t,                           \
      (nvmlDevice_t, unsigned *generation))                                                                            \
    X(device_get_curr_pcie_link_width, nvmlDeviceGetCurrPcieLinkWidth, nvmlReturn_t, (nvmlDevice_t, unsigned *lanes))  \
    X(device_get_max_pcie_link_width, nvmlDeviceGetMaxPcieLinkWidth, nvmlReturn_t, (nvmlDevice_t, unsigned *lanes))    \
    X(device_get_pcie_replay_counter, nvmlDeviceGetPcieReplayCounter, nvmlReturn_t, (nvmlDevice_t, unsigned *count))   \
    X(device_get_nv_link_state, nvmlDeviceGetNvLinkState, nvmlReturn_t, (nvmlDevice_t, unsigned link, unsigned *up))   \
    X(device_get_nv_link_version, nvmlDeviceGetNvLinkVersion, nvmlReturn_t,                                            \
      (nvmlDevice_t, unsigned link, unsigned *version))                                                                \
    X(device_get_nv_link_remote_pci_info_v2, nvmlDeviceGetNvLinkRemotePciInfo_v2, nvmlReturn_t,                        \
      (nvmlDevice_t, unsigned link, nvmlPciInfo_t *))                                                                  \
    X(device_get_nv_link_remote_device_type, nvmlDeviceGetNvLinkRemoteDeviceType, nvmlReturn_t,                        \
      (nvmlDevice_t, unsigned link, unsigned *type))                                                                   \
    X(device_get_nv_link_error_counter, nvmlDeviceGetNvLinkErrorCounter, nvmlReturn_t,                                 \
      (nvmlDevice_t, unsigned link, unsigned counter, uint64_t *count))                                                \
    X(device_get_field_values, nvmlDeviceGetFieldValues, nvmlReturn_t, (nvmlDevice_t, int count, nvmlFieldValue_t *))  \
    X(device_get_compute_running_processes_v3, nvmlDeviceGetComputeRunningProcesses_v3, nvmlReturn_t,                  \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))                                                            \
    X(device_get_compute_running_processes_v2, nvmlDeviceGetComputeRunningProcesses_v2, nvmlReturn_t,                  \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))                                                            \
    X(device_get_compute_running_processes, nvmlDeviceGetComputeRunningProcesses, nvmlReturn_t,                        \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_v1_t *))                                                         \
    X(device_get_graphics_running_processes_v3, nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlReturn_t,                \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))                                                            \
    X(device_get_graphics_running_processes_v2, nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlReturn_t,                \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))                                                            \
    X(device_get_graphics_running_processes, nvmlDeviceGetGraphicsRunningProcesses, nvmlReturn_t,                      \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_v1_t *))                                                         \
    X(device_get_mps_compute_running_processes_v3, nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlReturn_t,           \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))                                                            \
    X(device_get_mig_mode, nvmlDeviceGetMigMode, nvmlReturn_t, (nvmlDevice_t, unsigned *current, unsigned *pending))   \
    X(device_get_max_mig_device_count, nvmlDeviceGetMaxMigDeviceCount, nvmlReturn_t, (nvmlDevice_t, unsigned *count))  \
    X(device_get_mig_device_handle_by_index, nvmlDeviceGetMigDeviceHandleByIndex, nvmlReturn_t,                        \
      (nvmlDevice_t, unsigned index, nvmlDevice_t *instance))                                                          \
    X(device_get_gpu_instance_id, nvmlDeviceGetGpuInstanceId, nvmlReturn_t, (nvmlDevice_t instance, unsigned *id))     \
    X(device_get_compute_instance_id, nvmlDeviceGetComputeInstanceId, nvmlReturn_t,                                    \
      (nvmlDevice_t instance, unsigned *id))                                                                           \
    X(device_get_attributes_v2, nvmlDeviceGetAttributes_v2, nvmlReturn_t,                                              \
      (nvmlDevice_t instance, nvmlDeviceAttributes_t *))                                                               \
    X(event_set_create, nvmlEventSetCreate, nvmlReturn_t, (nvmlEventSet_t *))                                          \
    X(event_set_free, nvmlEventSetFree, nvmlReturn_t, (nvmlEventSet_t))                                                \
    X(event_set_wait_v2, nvmlEventSetWait_v2, nvmlReturn_t,                                                            \
      (nvmlEventSet_t, nvmlEventData_t *, unsigned milliseconds))                                                      \
    X(event_set_wait, nvmlEventSetWait, nvmlReturn_t, (nvmlEventSet_t, nvmlEventData_t *, unsigned milliseconds))      \
    X(device_register_events, nvmlDeviceRegisterEvents, nvmlReturn_t, (nvmlDevice_t, uint64_t types, nvmlEventSet_t))  \
    X(device_get_supported_event_types, nvmlDeviceGetSupportedEventTypes, nvmlReturn_t, (nvmlDevice_t, uint64_t *types))

HCS_ABI_TABLE(nvml, HCS_NVML_FUNCTIONS)

#endif
