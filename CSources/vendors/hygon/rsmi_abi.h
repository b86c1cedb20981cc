/* SPDX-License-Identifier: Apache-2.0
 *
 * ROCm SMI as Hygon ships it, librocm_smi64.so (soname .so.1, .so.2 in current DTK): what HCS calls. Written from the
 * public rocm_smi.h of ROCm/rocm_smi_lib (5.x, 6.x) and of HYGON-AI/hcu-dcgm; AMD names checked against Debian's
 * librocm-smi64-1 5.2.3. Only Hygon's build exports rsmi_hy_version_get, and only it lists a 0x1d94 card. Structs
 * that Hygon made larger (rsmi_error_count_t is 64 bytes, not 16) are not here; whoever adds one takes the largest.
 */
#ifndef HCS_RSMI_ABI_H
#define HCS_RSMI_ABI_H

#include "../hcs_load.h"

#define HCS_RSMI_LIBRARY "librocm_smi64.so.1"

typedef enum {
    RSMI_STATUS_SUCCESS = 0,
    RSMI_STATUS_INVALID_ARGS = 1,
    RSMI_STATUS_NOT_SUPPORTED = 2,
    RSMI_STATUS_FILE_ERROR = 3,
    RSMI_STATUS_PERMISSION = 4,
    RSMI_STATUS_OUT_OF_RESOURCES = 5,
    RSMI_STATUS_INTERNAL_EXCEPTION = 6,
    RSMI_STATUS_INPUT_OUT_OF_BOUNDS = 7,
    RSMI_STATUS_INIT_ERROR = 8,
    RSMI_STATUS_NOT_YET_IMPLEMENTED = 9,
    RSMI_STATUS_NOT_FOUND = 10,
    RSMI_STATUS_INSUFFICIENT_SIZE = 11,
    RSMI_STATUS_NO_DATA = 14,
    RSMI_STATUS_BUSY = 16,
    RSMI_STATUS_UNKNOWN_ERROR = 0xFFFFFFFFu,
} rsmi_status_t;

#define RSMI_MEM_TYPE_VRAM 0
#define RSMI_TEMP_TYPE_EDGE 0
#define RSMI_TEMP_TYPE_JUNCTION 1
#define RSMI_TEMP_TYPE_MEMORY 2
#define RSMI_TEMP_CURRENT 0
#define HCS_RSMI_NAME_BUFFER 128

typedef struct {
    uint32_t process_id;
    uint32_t pasid;
    uint64_t vram_usage; /* bytes over all devices of the process */
    uint64_t sdma_usage;
    uint32_t cu_occupancy;
} rsmi_process_info_t;

typedef struct {
    uint32_t major;
    uint32_t minor;
    uint32_t patch;
    const char *build;
} rsmi_version_t;

/* Hygon's own; only the first two words are known, so callers give the largest that could be written. */
typedef struct {
    uint32_t major;
    uint32_t minor;
    uint32_t unknown[30];
} hcs_rsmi_hy_version;

_Static_assert(sizeof(rsmi_process_info_t) == 32 && offsetof(rsmi_process_info_t, cu_occupancy) == 24,
               "rsmi_process_info_t");
_Static_assert(sizeof(rsmi_version_t) == 24 && offsetof(rsmi_version_t, build) == 16, "rsmi_version_t");

#define HCS_RSMI_FUNCTIONS(X)                                                                                          \
    X(init, rsmi_init, rsmi_status_t, (uint64_t flags))                                                                \
    X(shut_down, rsmi_shut_down, rsmi_status_t, (void))                                                                \
    X(status_string, rsmi_status_string, rsmi_status_t, (rsmi_status_t status, const char **text))                     \
    X(version_get, rsmi_version_get, rsmi_status_t, (rsmi_version_t *))                                                \
    X(hy_version_get, rsmi_hy_version_get, rsmi_status_t, (hcs_rsmi_hy_version *))                                     \
    X(num_monitor_devices, rsmi_num_monitor_devices, rsmi_status_t, (uint32_t *count))                                 \
    X(dev_name_get, rsmi_dev_name_get, rsmi_status_t, (uint32_t index, char *name, size_t length))                     \
    X(dev_id_get, rsmi_dev_id_get, rsmi_status_t, (uint32_t index, uint16_t *id))                                      \
    X(dev_vendor_id_get, rsmi_dev_vendor_id_get, rsmi_status_t, (uint32_t index, uint16_t *id))                        \
    X(dev_unique_id_get, rsmi_dev_unique_id_get, rsmi_status_t, (uint32_t index, uint64_t *id))                        \
    X(dev_pci_id_get, rsmi_dev_pci_id_get, rsmi_status_t, (uint32_t index, uint64_t *bdfid))                           \
    X(topo_get_numa_node_number, rsmi_topo_get_numa_node_number, rsmi_status_t, (uint32_t index, uint32_t *node))      \
    X(dev_memory_total_get, rsmi_dev_memory_total_get, rsmi_status_t,                                                  \
      (uint32_t index, uint32_t type, uint64_t *bytes))                                                                \
    X(dev_memory_usage_get, rsmi_dev_memory_usage_get, rsmi_status_t,                                                  \
      (uint32_t index, uint32_t type, uint64_t *bytes))                                                                \
    X(dev_temp_metric_get, rsmi_dev_temp_metric_get, rsmi_status_t,                                                    \
      (uint32_t index, uint32_t sensor, uint32_t metric, int64_t *millidegrees))                                       \
    X(dev_power_ave_get, rsmi_dev_power_ave_get, rsmi_status_t,                                                        \
      (uint32_t index, uint32_t sensor, uint64_t *microwatts))                                                         \
    X(dev_busy_percent_get, rsmi_dev_busy_percent_get, rsmi_status_t, (uint32_t index, uint32_t *percent))             \
    X(compute_process_info_get, rsmi_compute_process_info_get, rsmi_status_t,                                          \
      (rsmi_process_info_t * list, uint32_t *count))                                                                   \
    X(compute_process_gpus_get, rsmi_compute_process_gpus_get, rsmi_status_t,                                          \
      (uint32_t pid, uint32_t *indices, uint32_t *count))

HCS_ABI_TABLE(rsmi, HCS_RSMI_FUNCTIONS)

#endif
