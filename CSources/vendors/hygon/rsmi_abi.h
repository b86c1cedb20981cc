/* SPDX-License-Identifier: Apache-2.0
 *
 * ROCm SMI, librocm_smi64.so, as AMD ships it and as Hygon's fork has it: what HCS calls. Written from the public
 * rocm_smi.h of ROCm/rocm_smi_lib (5.x, 6.x) and of HYGON-AI/hcu-dcgm; the AMD 5.x part is checked against Debian's
 * librocm-smi64-1 5.2.3, header and binary. Functions marked "6.x" are in AMD's later header only, from third parties'
 * use of it. Only Hygon's build exports rsmi_hy_version_get. Where revisions differ in size, the struct here is the
 * largest: a smaller one would be overrun.
 */
#ifndef HCS_RSMI_ABI_H
#define HCS_RSMI_ABI_H

#include "../hcs_load.h"

/* Sonames: .so.2 Hygon now; .so.1 Hygon before, AMD in Debian; .so.5 to .so.7 AMD. */
#define HCS_RSMI_LIBRARY "librocm_smi64.so.1"

typedef enum {
    RSMI_STATUS_SUCCESS = 0,
    RSMI_STATUS_INVALID_ARGS = 1,
    RSMI_STATUS_NOT_SUPPORTED = 2, /* also: the kernel driver has no such file (ENOENT) */
    RSMI_STATUS_FILE_ERROR = 3,
    RSMI_STATUS_PERMISSION = 4,
    RSMI_STATUS_OUT_OF_RESOURCES = 5,
    RSMI_STATUS_INTERNAL_EXCEPTION = 6,
    RSMI_STATUS_INPUT_OUT_OF_BOUNDS = 7,
    RSMI_STATUS_INIT_ERROR = 8,
    RSMI_STATUS_NOT_YET_IMPLEMENTED = 9,
    RSMI_STATUS_NOT_FOUND = 10,
    RSMI_STATUS_INSUFFICIENT_SIZE = 11,
    RSMI_STATUS_INTERRUPT = 12,
    RSMI_STATUS_NO_DATA = 14,
    RSMI_STATUS_BUSY = 16,
    RSMI_STATUS_UNKNOWN_ERROR = 0xFFFFFFFFu,
} rsmi_status_t;

#define RSMI_MEM_TYPE_VRAM 0
#define RSMI_MEM_TYPE_GTT 2 /* host memory: never a device's */

/* Sensors. Edge, junction and memory are the same in both; the rest is not. */
#define RSMI_TEMP_TYPE_EDGE 0
#define RSMI_TEMP_TYPE_JUNCTION 1
#define RSMI_TEMP_TYPE_MEMORY 2
#define RSMI_TEMP_TYPE_HBM_0 3       /* AMD: to 6 */
#define HCS_RSMI_HY_TEMP_TYPE_HBM_0 7 /* Hygon: to 10; 3 to 6 are voltage regulators */
#define HCS_RSMI_HY_TEMP_TYPE_CORE 11
#define HCS_RSMI_HBM_COUNT 4
#define RSMI_TEMP_CURRENT 0
#define RSMI_TEMP_CRITICAL 5
#define RSMI_TEMP_EMERGENCY 7

#define RSMI_CLK_TYPE_SYS 0
#define RSMI_CLK_TYPE_MEM 4

/* Blocks with error counters: a bit each. MCA and those after it are Hygon's. */
#define HCS_RSMI_BLOCKS(X)                                                                                             \
    X(0x1, "dram") /* UMC */                                                                                           \
    X(0x2, "sdma")                                                                                                     \
    X(0x4, "gfx")                                                                                                      \
    X(0x8, "mmhub")                                                                                                    \
    X(0x10, "athub")                                                                                                   \
    X(0x20, "pcie")                                                                                                    \
    X(0x40, "hdp")                                                                                                     \
    X(0x80, "xgmi")                                                                                                    \
    X(0x100, "df")                                                                                                     \
    X(0x200, "smn")                                                                                                    \
    X(0x400, "sem")                                                                                                    \
    X(0x800, "mp0")                                                                                                    \
    X(0x1000, "mp1")                                                                                                   \
    X(0x2000, "fuse")                                                                                                  \
    X(0x4000, "mca")                                                                                                   \
    X(0x8000, "vcn")                                                                                                   \
    X(0x10000, "jpeg")                                                                                                 \
    X(0x20000, "ih")                                                                                                   \
    X(0x40000, "mpio")
#define RSMI_GPU_BLOCK_UMC 0x1
#define RSMI_GPU_BLOCK_GFX 0x4
#define HCS_RSMI_BLOCKS_AMD 14

#define RSMI_XGMI_STATUS_NO_ERRORS 0
#define RSMI_XGMI_STATUS_ERROR 1
#define RSMI_XGMI_STATUS_MULTIPLE_ERRORS 2
#define RSMI_IOLINK_TYPE_PCIEXPRESS 1
#define RSMI_IOLINK_TYPE_XGMI 2

#define RSMI_MEM_PAGE_STATUS_RESERVED 0
#define RSMI_MEM_PAGE_STATUS_PENDING 1
#define RSMI_MEM_PAGE_STATUS_UNRESERVABLE 2

#define HCS_RSMI_NAME_BUFFER 128
#define HCS_RSMI_TEXT_BUFFER 96

typedef struct {
    uint32_t process_id;
    uint32_t pasid;
    uint64_t vram_usage; /* bytes, over all devices of the process unless one is asked for */
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

typedef struct {
    uint64_t page_address;
    uint64_t page_size;
    uint32_t status;
} rsmi_retired_page_record_t;

/* AMD has the first two words only (16 bytes); Hygon writes all 64. Since the driver was loaded. */
typedef struct {
    uint64_t correctable_err;
    uint64_t uncorrectable_err;
    uint64_t deferred_err;
    uint64_t reserved[5];
} rsmi_error_count_t;

/* AMD 5.x */
typedef struct {
    uint32_t num_supported;
    uint32_t current;
    uint64_t frequency[32]; /* hertz; of PCIe: transfers for each second */
} hcs_rsmi_frequencies_v5;
typedef struct {
    hcs_rsmi_frequencies_v5 transfer_rate;
    uint32_t lanes[32];
} hcs_rsmi_pcie_bandwidth_v5;

/* AMD 6.x and Hygon */
typedef struct {
    _Bool has_deep_sleep;
    uint32_t num_supported;
    uint32_t current;
    uint64_t frequency[33];
} hcs_rsmi_frequencies_v6;
typedef struct {
    hcs_rsmi_frequencies_v6 transfer_rate;
    uint32_t lanes[33];
} hcs_rsmi_pcie_bandwidth_v6;

/* What a caller hands over for any of them, zeroed. */
typedef union {
    hcs_rsmi_frequencies_v5 v5;
    hcs_rsmi_frequencies_v6 v6;
    hcs_rsmi_pcie_bandwidth_v5 pcie_v5;
    hcs_rsmi_pcie_bandwidth_v6 pcie_v6;
    uint64_t words[64];
} hcs_rsmi_frequencies;

_Static_assert(sizeof(rsmi_status_t) == 4, "rsmi_status_t");
_Static_assert(sizeof(rsmi_process_info_t) == 32 && offsetof(rsmi_process_info_t, vram_usage) == 8 &&
                   offsetof(rsmi_process_info_t, cu_occupancy) == 24,
               "rsmi_process_info_t");
_Static_assert(sizeof(rsmi_version_t) == 24 && offsetof(rsmi_version_t, build) == 16, "rsmi_version_t");
_Static_assert(sizeof(rsmi_retired_page_record_t) == 24 && offsetof(rsmi_retired_page_record_t, status) == 16,
               "rsmi_retired_page_record_t");
_Static_assert(sizeof(rsmi_error_count_t) == 64 && offsetof(rsmi_error_count_t, uncorrectable_err) == 8,
               "rsmi_error_count_t");
_Static_assert(sizeof(hcs_rsmi_frequencies_v5) == 264 && offsetof(hcs_rsmi_frequencies_v5, current) == 4 &&
                   offsetof(hcs_rsmi_frequencies_v5, frequency) == 8,
               "rsmi_frequencies_t 5.x");
_Static_assert(sizeof(hcs_rsmi_frequencies_v6) == 280 && offsetof(hcs_rsmi_frequencies_v6, num_supported) == 4 &&
                   offsetof(hcs_rsmi_frequencies_v6, current) == 8 &&
                   offsetof(hcs_rsmi_frequencies_v6, frequency) == 16,
               "rsmi_frequencies_t 6.x");
_Static_assert(sizeof(hcs_rsmi_pcie_bandwidth_v5) == 392 && offsetof(hcs_rsmi_pcie_bandwidth_v5, lanes) == 264,
               "rsmi_pcie_bandwidth_t 5.x");
_Static_assert(sizeof(hcs_rsmi_pcie_bandwidth_v6) == 416 && offsetof(hcs_rsmi_pcie_bandwidth_v6, lanes) == 280,
               "rsmi_pcie_bandwidth_t 6.x");
_Static_assert(sizeof(hcs_rsmi_frequencies) == 512, "room for every revision");

/* A list of frequencies, whichever revision wrote it. */
typedef struct {
    uint32_t count;   /* 0: neither revision's */
    uint32_t current; /* below count */
    const uint64_t *frequency;
    const uint32_t *lanes; /* of a list of PCIe bandwidths only */
} hcs_rsmi_frequency_list;

/* No version call tells the two layouts apart for certain, but what they hold does: a list whose current entry is one
 * of its own. Read as the other layout, a 5.x list has a "bool" above 1 or a length of 0 (the current index of a list of
 * one), and a 6.x list has a length of 0, above 32, or 1 with a current index that it has not. */
HCS_ABI_INLINE hcs_rsmi_frequency_list hcs_rsmi_read_frequencies(const hcs_rsmi_frequencies *in) {
    const hcs_rsmi_frequencies_v5 *v5 = &in->v5;
    const hcs_rsmi_frequencies_v6 *v6 = &in->v6;
    if (v5->num_supported >= 1 && v5->num_supported <= 32 && v5->current < v5->num_supported)
        return (hcs_rsmi_frequency_list){v5->num_supported, v5->current, v5->frequency, in->pcie_v5.lanes};
    if (v6->num_supported >= 1 && v6->num_supported <= 33 && v6->current < v6->num_supported)
        return (hcs_rsmi_frequency_list){v6->num_supported, v6->current, v6->frequency, in->pcie_v6.lanes};
    return (hcs_rsmi_frequency_list){0, 0, NULL, NULL};
}

HCS_ABI_INLINE uint64_t hcs_rsmi_block_bit(uint32_t i) {
#define HCS_RSMI_BLOCK_BIT(bit, name) bit,
    static const uint64_t bits[] = {HCS_RSMI_BLOCKS(HCS_RSMI_BLOCK_BIT)};
#undef HCS_RSMI_BLOCK_BIT
    return i < sizeof bits / sizeof bits[0] ? bits[i] : 0;
}

/* Of the block that `hcs_rsmi_block_bit(i)` is; NULL beyond the last. */
HCS_ABI_INLINE const char *hcs_rsmi_block_name(uint32_t i) {
#define HCS_RSMI_BLOCK_NAME(bit, name) name,
    static const char *const names[] = {HCS_RSMI_BLOCKS(HCS_RSMI_BLOCK_NAME)};
#undef HCS_RSMI_BLOCK_NAME
    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}

/* rsmi_dev_pci_throughput_get is not here: the kernel driver counts for a whole second before it answers. */
#define HCS_RSMI_FUNCTIONS(X)                                                                                          \
    X(init, rsmi_init, rsmi_status_t, (uint64_t flags))                                                                \
    X(shut_down, rsmi_shut_down, rsmi_status_t, (void))                                                                \
    X(status_string, rsmi_status_string, rsmi_status_t, (rsmi_status_t status, const char **text))                     \
    X(version_get, rsmi_version_get, rsmi_status_t, (rsmi_version_t *))                                                \
    X(version_str_get, rsmi_version_str_get, rsmi_status_t, (uint32_t component, char *text, uint32_t length))         \
    X(num_monitor_devices, rsmi_num_monitor_devices, rsmi_status_t, (uint32_t *count))                                 \
    X(dev_name_get, rsmi_dev_name_get, rsmi_status_t, (uint32_t index, char *name, size_t length))                     \
    X(dev_id_get, rsmi_dev_id_get, rsmi_status_t, (uint32_t index, uint16_t *id))                                      \
    X(dev_vendor_id_get, rsmi_dev_vendor_id_get, rsmi_status_t, (uint32_t index, uint16_t *id))                        \
    X(dev_unique_id_get, rsmi_dev_unique_id_get, rsmi_status_t, (uint32_t index, uint64_t *id))                        \
    X(dev_serial_number_get, rsmi_dev_serial_number_get, rsmi_status_t,                                                \
      (uint32_t index, char *serial, uint32_t length))                                                                 \
    X(dev_vbios_version_get, rsmi_dev_vbios_version_get, rsmi_status_t,                                                \
      (uint32_t index, char *version, uint32_t length))                                                                \
    X(dev_pci_id_get, rsmi_dev_pci_id_get, rsmi_status_t, (uint32_t index, uint64_t *bdfid))                           \
    X(topo_get_numa_node_number, rsmi_topo_get_numa_node_number, rsmi_status_t, (uint32_t index, uint32_t *node))      \
    X(dev_memory_total_get, rsmi_dev_memory_total_get, rsmi_status_t,                                                  \
      (uint32_t index, uint32_t type, uint64_t *bytes))                                                                \
    X(dev_memory_usage_get, rsmi_dev_memory_usage_get, rsmi_status_t,                                                  \
      (uint32_t index, uint32_t type, uint64_t *bytes))                                                                \
    X(dev_memory_busy_percent_get, rsmi_dev_memory_busy_percent_get, rsmi_status_t,                                    \
      (uint32_t index, uint32_t *percent))                                                                             \
    X(dev_memory_reserved_pages_get, rsmi_dev_memory_reserved_pages_get, rsmi_status_t,                                \
      (uint32_t index, uint32_t *count, rsmi_retired_page_record_t *records))                                          \
    X(dev_busy_percent_get, rsmi_dev_busy_percent_get, rsmi_status_t, (uint32_t index, uint32_t *percent))             \
    X(dev_temp_metric_get, rsmi_dev_temp_metric_get, rsmi_status_t,                                                    \
      (uint32_t index, uint32_t sensor, uint32_t metric, int64_t *millidegrees))                                       \
    X(dev_power_ave_get, rsmi_dev_power_ave_get, rsmi_status_t,                                                        \
      (uint32_t index, uint32_t sensor, uint64_t *microwatts))                                                         \
    X(dev_power_cap_get, rsmi_dev_power_cap_get, rsmi_status_t,                                                        \
      (uint32_t index, uint32_t sensor, uint64_t *microwatts))                                                         \
    X(dev_energy_count_get, rsmi_dev_energy_count_get, rsmi_status_t,                                                  \
      (uint32_t index, uint64_t *count, float *microjoules, uint64_t *nanoseconds))                                    \
    X(dev_gpu_clk_freq_get, rsmi_dev_gpu_clk_freq_get, rsmi_status_t,                                                  \
      (uint32_t index, uint32_t clock, hcs_rsmi_frequencies *))                                                        \
    X(dev_pci_bandwidth_get, rsmi_dev_pci_bandwidth_get, rsmi_status_t, (uint32_t index, hcs_rsmi_frequencies *))      \
    X(dev_pci_replay_counter_get, rsmi_dev_pci_replay_counter_get, rsmi_status_t, (uint32_t index, uint64_t *count))   \
    X(dev_ecc_enabled_get, rsmi_dev_ecc_enabled_get, rsmi_status_t, (uint32_t index, uint64_t *blocks))                \
    X(dev_ecc_count_get, rsmi_dev_ecc_count_get, rsmi_status_t,                                                        \
      (uint32_t index, uint64_t block, rsmi_error_count_t *))                                                          \
    X(dev_xgmi_error_status, rsmi_dev_xgmi_error_status, rsmi_status_t, (uint32_t index, uint32_t *status))            \
    X(topo_get_link_type, rsmi_topo_get_link_type, rsmi_status_t,                                                      \
      (uint32_t from, uint32_t to, uint64_t *hops, uint32_t *type))                                                    \
    X(minmax_bandwidth_get, rsmi_minmax_bandwidth_get, rsmi_status_t,                                                  \
      (uint32_t from, uint32_t to, uint64_t *minimum, uint64_t *maximum))                                              \
    X(compute_process_info_get, rsmi_compute_process_info_get, rsmi_status_t,                                          \
      (rsmi_process_info_t * list, uint32_t *count)) /* 5.x: without the memory */                                     \
    X(compute_process_info_by_pid_get, rsmi_compute_process_info_by_pid_get, rsmi_status_t,                            \
      (uint32_t pid, rsmi_process_info_t *))                                                                           \
    X(compute_process_gpus_get, rsmi_compute_process_gpus_get, rsmi_status_t,                                          \
      (uint32_t pid, uint32_t *indices, uint32_t *count))

/* Not in every build; that one is missing is no finding. 6.x */
#define HCS_RSMI6_FUNCTIONS(X)                                                                                         \
    X(dev_current_socket_power_get, rsmi_dev_current_socket_power_get, rsmi_status_t,                                  \
      (uint32_t index, uint64_t *microwatts))                                                                          \
    X(compute_process_info_by_device_get, rsmi_compute_process_info_by_device_get, rsmi_status_t,                      \
      (uint32_t pid, uint32_t index, rsmi_process_info_t *))                                                           \
    X(dev_partition_id_get, rsmi_dev_partition_id_get, rsmi_status_t, (uint32_t index, uint32_t *id))                  \
    X(dev_compute_partition_get, rsmi_dev_compute_partition_get, rsmi_status_t,                                        \
      (uint32_t index, char *mode, uint32_t length))

/* Hygon's own. */
#define HCS_RSMI_HY_FUNCTIONS(X)                                                                                       \
    X(version_get, rsmi_hy_version_get, rsmi_status_t, (hcs_rsmi_hy_version *))                                        \
    X(xhcl_link_number_get, rsmi_dev_xhcl_link_number_get, rsmi_status_t, (uint32_t index, uint32_t *count))           \
    X(xhcl_link_state_get, rsmi_dev_xhcl_link_state_get, rsmi_status_t,                                                \
      (uint32_t index, uint32_t link, uint32_t *state)) /* 1 = up */                                                   \
    X(xhcl_link_remote_bdfid_get, rsmi_dev_xhcl_link_remote_bdfid_get, rsmi_status_t,                                  \
      (uint32_t index, uint32_t link, uint64_t *bdfid))

HCS_ABI_TABLE(rsmi, HCS_RSMI_FUNCTIONS)
HCS_ABI_TABLE(rsmi6, HCS_RSMI6_FUNCTIONS)
HCS_ABI_TABLE(rsmi_hy, HCS_RSMI_HY_FUNCTIONS)

#endif
