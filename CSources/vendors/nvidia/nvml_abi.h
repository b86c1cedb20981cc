/* SPDX-License-Identifier: Apache-2.0
 *
 * NVML, libnvidia-ml.so.1: what HCS calls. Written from the NVML API Reference Guide (API 12 and 13) and the public
 * nvml.h of NVIDIA/go-nvml (API 13, 2026-07); exported names checked against libnvidia-ml1 535.261.03 of Debian.
 * nvml.h maps old names to new ones by macro, so a dlopen client must ask for the suffixed symbol: the bare name keeps
 * the layout of its first version (nvmlDeviceGetComputeRunningProcesses writes 16-byte records).
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

#define NVML_DEVICE_NAME_BUFFER 96
#define NVML_DEVICE_UUID_BUFFER 96
#define NVML_DRIVER_VERSION_BUFFER 80
#define NVML_TEMPERATURE_GPU 0
#define NVML_CLOCK_GRAPHICS 0
#define NVML_CLOCK_SM 1
#define NVML_CLOCK_MEM 2
#define NVML_MEMORY_V2 0x02000028u
#define NVML_VALUE_NOT_AVAILABLE UINT64_MAX /* usedGpuMemory under MIG or without permission */

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
    uint32_t pid;
    uint64_t usedGpuMemory; /* bytes, or NVML_VALUE_NOT_AVAILABLE */
    uint32_t gpuInstanceId; /* UINT32_MAX = none */
    uint32_t computeInstanceId;
} nvmlProcessInfo_t;

_Static_assert(sizeof(nvmlPciInfo_t) == 68 && offsetof(nvmlPciInfo_t, busId) == 36, "nvmlPciInfo_t v3");
_Static_assert(sizeof(nvmlMemory_t) == 24, "nvmlMemory_t");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40 && offsetof(nvmlMemory_v2_t, total) == 8, "nvmlMemory_v2_t");
_Static_assert(sizeof(nvmlProcessInfo_t) == 24 && offsetof(nvmlProcessInfo_t, gpuInstanceId) == 16,
               "nvmlProcessInfo_t v2");

#define HCS_NVML_FUNCTIONS(X)                                                                                          \
    X(init_v2, nvmlInit_v2, nvmlReturn_t, (void))                                                                      \
    X(shutdown, nvmlShutdown, nvmlReturn_t, (void))                                                                    \
    X(error_string, nvmlErrorString, const char *, (nvmlReturn_t result))                                              \
    X(system_get_driver_version, nvmlSystemGetDriverVersion, nvmlReturn_t, (char *version, unsigned length))           \
    X(device_get_count_v2, nvmlDeviceGetCount_v2, nvmlReturn_t, (unsigned *count))                                     \
    X(device_get_handle_by_index_v2, nvmlDeviceGetHandleByIndex_v2, nvmlReturn_t, (unsigned index, nvmlDevice_t *))    \
    X(device_get_name, nvmlDeviceGetName, nvmlReturn_t, (nvmlDevice_t, char *name, unsigned length))                   \
    X(device_get_uuid, nvmlDeviceGetUUID, nvmlReturn_t, (nvmlDevice_t, char *uuid, unsigned length))                   \
    X(device_get_pci_info_v3, nvmlDeviceGetPciInfo_v3, nvmlReturn_t, (nvmlDevice_t, nvmlPciInfo_t *))                  \
    X(device_get_memory_info, nvmlDeviceGetMemoryInfo, nvmlReturn_t, (nvmlDevice_t, nvmlMemory_t *))                   \
    X(device_get_memory_info_v2, nvmlDeviceGetMemoryInfo_v2, nvmlReturn_t, (nvmlDevice_t, nvmlMemory_v2_t *))          \
    X(device_get_temperature, nvmlDeviceGetTemperature, nvmlReturn_t, (nvmlDevice_t, unsigned sensor, unsigned *c))    \
    X(device_get_utilization_rates, nvmlDeviceGetUtilizationRates, nvmlReturn_t, (nvmlDevice_t, nvmlUtilization_t *))  \
    X(device_get_power_usage, nvmlDeviceGetPowerUsage, nvmlReturn_t, (nvmlDevice_t, unsigned *milliwatts))             \
    X(device_get_num_gpu_cores, nvmlDeviceGetNumGpuCores, nvmlReturn_t, (nvmlDevice_t, unsigned *cores))               \
    X(device_get_max_clock_info, nvmlDeviceGetMaxClockInfo, nvmlReturn_t,                                              \
      (nvmlDevice_t, unsigned type, unsigned *mhz))                                                                    \
    X(device_get_remapped_rows, nvmlDeviceGetRemappedRows, nvmlReturn_t, /* Ampere and later */                        \
      (nvmlDevice_t, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed))                 \
    X(device_get_compute_running_processes_v3, nvmlDeviceGetComputeRunningProcesses_v3, nvmlReturn_t,                  \
      (nvmlDevice_t, unsigned *count, nvmlProcessInfo_t *))

HCS_ABI_TABLE(nvml, HCS_NVML_FUNCTIONS)

#endif
