/* SPDX-License-Identifier: Apache-2.0
 *
 * DCMI, libdcmi.so: what HCS calls. Written from Huawei's DCMI API reference (Ascend HDK), the public
 * dcmi_interface_api.h of Ascend/mind-cluster and hicann/driver (classic calls), and mind-cluster's
 * dcmi_interface_api_v2.h (the dcmiv2_* calls of the 950). The classic calls address a device by card and number in
 * that card, the others by one number; structs are the same. No shutdown and no UUID: the die id is the identity.
 *
 * Not asked: dcmi_get_hbm_info (KB in the driver's header, MB in its users'), dcmi_get_pcie_link_bandwidth_info and
 * dcmi_get_hccs_link_bandwidth_info (they block for the time they measure), the rated power of dcmi_get_device_info (no
 * unit in any header).
 */
#ifndef HCS_DCMI_ABI_H
#define HCS_DCMI_ABI_H

#include "../hcs_load.h"

#define HCS_DCMI_LIBRARY "libdcmi.so"

#define DCMI_OK 0
#define DCMI_ERR_CODE_INVALID_PARAMETER (-8001)
#define DCMI_ERR_CODE_OPER_NOT_PERMITTED (-8002)
#define DCMI_ERR_CODE_MEM_OPERATE_FAIL (-8003)
#define DCMI_ERR_CODE_SECURE_FUN_FAIL (-8004)
#define DCMI_ERR_CODE_INNER_ERR (-8005)
#define DCMI_ERR_CODE_TIME_OUT (-8006)
#define DCMI_ERR_CODE_INVALID_DEVICE_ID (-8007)
#define DCMI_ERR_CODE_DEVICE_NOT_EXIST (-8008)
#define DCMI_ERR_CODE_IOCTL_FAIL (-8009)
#define DCMI_ERR_CODE_NOT_READY (-8012) /* ask again later */
#define DCMI_ERR_CODE_IS_UPGRADING (-8017)
#define DCMI_ERR_CODE_NOT_SUPPORT (-8255)

#define HCS_DCMI_MAX_CARDS 64
#define HCS_DCMI_MAX_ERROR_CODES 128
#define HCS_DCMI_INVALID_TEMPERATURE 0x7fff /* no sensor; 0x7ffd: not read (DCMI API reference, chip temperature) */
#define HCS_DCMI_FAILED_TEMPERATURE 0x7ffd
#define DCMI_UNIT_TYPE_NPU 0
#define DCMI_UNIT_TYPE_MCU 1
#define DCMI_UNIT_TYPE_CPU 2
#define DCMI_DIE_NDIE 0
#define DCMI_DIE_VDIE 1
#define DCMI_UTILIZATION_MEMORY 1
#define DCMI_UTILIZATION_AICORE 2
#define DCMI_UTILIZATION_AICPU 3
#define DCMI_UTILIZATION_CTRLCPU 4
#define DCMI_UTILIZATION_DDR_BANDWIDTH 5
#define DCMI_UTILIZATION_HBM 6
#define DCMI_UTILIZATION_HBM_BANDWIDTH 10
#define DCMI_UTILIZATION_VECTOR 12
#define DCMI_UTILIZATION_NPU 13
#define DCMI_FREQUENCY_DDR 1
#define DCMI_FREQUENCY_CTRLCPU 2
#define DCMI_FREQUENCY_HBM 6
#define DCMI_FREQUENCY_AICORE 7
#define DCMI_FREQUENCY_AICORE_MAX 9
#define DCMI_FREQUENCY_VECTOR 12
#define DCMI_ECC_DDR 0
#define DCMI_ECC_SRAM 1
#define DCMI_ECC_HBM 2
#define DCMI_HEALTH_OK 0
#define DCMI_HEALTH_MINOR 1
#define DCMI_HEALTH_MAJOR 2
#define DCMI_HEALTH_CRITICAL 3
#define DCMI_HEALTH_ABSENT 0xFFFFFFFFu
#define DCMI_TOPOLOGY_HCCS 3        /* straight to the other device */
#define DCMI_TOPOLOGY_HCCS_SWITCH 7 /* through a switch */
/* dcmi_get_device_info: main and sub commands. */
#define DCMI_MAIN_HCCS 16
#define DCMI_HCCS_LANES 1
#define DCMI_HCCS_STATISTICS 3
#define DCMI_HCCS_STATISTICS_U64 5
#define DCMI_MAIN_PCIE 55
#define DCMI_PCIE_ERRORS 1
#define HCS_DCMI_HCCS_PORTS 16

struct dcmi_chip_info {
    unsigned char chip_type[32];
    unsigned char chip_name[32];
    unsigned char chip_ver[32];
    uint32_t aicore_cnt;
};
struct dcmi_chip_info_v2 {
    unsigned char chip_type[32];
    unsigned char chip_name[32];
    unsigned char chip_ver[32];
    uint32_t aicore_cnt;
    unsigned char npu_name[32];
};
struct dcmi_pcie_info_all {
    uint32_t venderid; /* the vendor's spelling */
    uint32_t subvenderid;
    uint32_t deviceid;
    uint32_t subdeviceid;
    int32_t domain;
    uint32_t bdf_busid;
    uint32_t bdf_deviceid;
    uint32_t bdf_funcid;
    unsigned char reserve[32];
};
struct dcmi_hbm_info {
    uint64_t memory_size;        /* MB */
    uint32_t freq;               /* MHz */
    uint64_t memory_usage;       /* MB */
    int32_t temp;                /* degrees Celsius */
    uint32_t bandwith_util_rate; /* percent; the vendor's spelling */
};
struct dcmi_get_memory_info_struct {
    uint64_t memory_size;       /* MB */
    uint64_t memory_available;  /* MB */
    uint32_t freq;              /* MHz */
    unsigned long hugepagesize; /* KB */
    unsigned long hugepages_total;
    unsigned long hugepages_free;
    uint32_t utiliza; /* percent; the vendor's spelling */
    unsigned char reserve[60];
};
struct dcmi_die_id {
    uint32_t soc_die[5];
};
struct dcmi_memory_info_struct { /* of the call before _v3 */
    uint64_t memory_size;        /* MB */
    uint32_t freq;               /* MHz */
    uint32_t utiliza;            /* percent in use */
};
struct dcmi_proc_mem_info {
    int32_t proc_id;
    unsigned long proc_mem_usage; /* bytes */
};
struct dcmi_multi_utilization_info { /* percent */
    uint32_t aic;
    uint32_t aiv;
    uint32_t aicore;
    uint32_t npu;
    uint32_t reserve[8];
};
/* The driver's header ends after seven words, mind-cluster's has nine: a caller gives room for nine and asks what was
 * written. */
struct dcmi_ecc_info {
    int32_t enable_flag;
    uint32_t single_bit_error_cnt; /* since the device was started */
    uint32_t double_bit_error_cnt;
    uint32_t total_single_bit_error_cnt; /* of its life */
    uint32_t total_double_bit_error_cnt;
    uint32_t single_bit_isolated_pages_cnt;
    uint32_t double_bit_isolated_pages_cnt;
    uint32_t single_bit_next_isolated_pages_cnt; /* at the next start */
    uint32_t double_bit_next_isolated_pages_cnt;
};
struct dcmi_board_info {
    uint32_t board_id;
    uint32_t pcb_id;
    uint32_t bom_id;
    uint32_t slot_id;
};
struct dcmi_elabel_info {
    char product_name[256];
    char model[256];
    char manufacturer[256];
    char manufacturer_date[256];
    char serial_number[256];
};
/* Answers of dcmi_get_device_info (hicann/driver: dcmi_interface_api.h, and npu-smi for the meaning of the bits). */
struct dcmi_hccs_lane_info {
    uint32_t hccs_port_pcs_bitmap; /* ports that are HCCS */
    uint32_t pcs_lane_bitmap[16];  /* of those ports only, from the lowest: bit 0 switched to HCCS, else nothing holds;
                                      bits 1-8 lanes that send; bits 9-10 how many: 0 none, 1 one, 2 four, 3 two */
    uint32_t reserve[16];
};
struct dcmi_hccs_statistic_info {
    uint32_t tx_cnt[16];
    uint32_t rx_cnt[16];
    uint32_t crc_err_cnt[16];
    uint32_t retry_cnt[16];
    uint32_t reserve[64];
};
struct dcmi_hccs_statistic_info_u64 {
    uint64_t tx_cnt[16];
    uint64_t rx_cnt[16];
    uint64_t crc_err_cnt[16];
    uint64_t retry_cnt[16];
    uint64_t reserve[64];
};
struct dcmi_pcie_link_error_info {
    uint32_t tx_err_cnt;
    uint32_t rx_err_cnt;
    uint32_t lcrc_err_cnt;
    uint32_t ecrc_err_cnt;
    uint32_t retry_cnt;
    uint32_t reserve[32];
};

_Static_assert(sizeof(struct dcmi_chip_info) == 100, "dcmi_chip_info");
_Static_assert(sizeof(struct dcmi_chip_info_v2) == 132, "dcmi_chip_info_v2");
_Static_assert(sizeof(struct dcmi_pcie_info_all) == 64, "dcmi_pcie_info_all");
_Static_assert(sizeof(struct dcmi_hbm_info) == 32 && offsetof(struct dcmi_hbm_info, temp) == 24, "dcmi_hbm_info");
_Static_assert(sizeof(struct dcmi_get_memory_info_struct) == 112 &&
                   offsetof(struct dcmi_get_memory_info_struct, utiliza) == 48,
               "dcmi_get_memory_info_struct");
_Static_assert(sizeof(struct dcmi_die_id) == 20, "dcmi_die_id");
_Static_assert(sizeof(struct dcmi_memory_info_struct) == 16 && offsetof(struct dcmi_memory_info_struct, utiliza) == 12,
               "dcmi_memory_info_struct");
_Static_assert(sizeof(struct dcmi_proc_mem_info) == 16 && offsetof(struct dcmi_proc_mem_info, proc_mem_usage) == 8,
               "dcmi_proc_mem_info");
_Static_assert(sizeof(struct dcmi_multi_utilization_info) == 48 &&
                   offsetof(struct dcmi_multi_utilization_info, npu) == 12,
               "dcmi_multi_utilization_info");
_Static_assert(sizeof(struct dcmi_ecc_info) == 36 &&
                   offsetof(struct dcmi_ecc_info, single_bit_next_isolated_pages_cnt) == 28,
               "dcmi_ecc_info");
_Static_assert(sizeof(struct dcmi_board_info) == 16, "dcmi_board_info");
_Static_assert(sizeof(struct dcmi_elabel_info) == 1280 && offsetof(struct dcmi_elabel_info, serial_number) == 1024,
               "dcmi_elabel_info");
_Static_assert(sizeof(struct dcmi_hccs_lane_info) == 132, "dcmi_hccs_lane_info");
_Static_assert(sizeof(struct dcmi_hccs_statistic_info) == 512 &&
                   offsetof(struct dcmi_hccs_statistic_info, crc_err_cnt) == 128,
               "dcmi_hccs_statistic_info");
_Static_assert(sizeof(struct dcmi_hccs_statistic_info_u64) == 1024 &&
                   offsetof(struct dcmi_hccs_statistic_info_u64, crc_err_cnt) == 256,
               "dcmi_hccs_statistic_info_u64");
_Static_assert(sizeof(struct dcmi_pcie_link_error_info) == 148 &&
                   offsetof(struct dcmi_pcie_link_error_info, retry_cnt) == 16,
               "dcmi_pcie_link_error_info");
_Static_assert(sizeof(struct dcmi_chip_info) == 100 && offsetof(struct dcmi_chip_info, aicore_cnt) == 96 &&
                   offsetof(struct dcmi_chip_info_v2, npu_name) == 100 && offsetof(struct dcmi_hbm_info, freq) == 8 &&
                   offsetof(struct dcmi_hbm_info, memory_usage) == 16 &&
                   offsetof(struct dcmi_hbm_info, bandwith_util_rate) == 28 &&
                   offsetof(struct dcmi_pcie_info_all, domain) == 16 &&
                   offsetof(struct dcmi_get_memory_info_struct, freq) == 16,
               "offsets");

#define HCS_DCMI_FUNCTIONS(X)                                                                                          \
    X(init, dcmi_init, int, (void))                                                                                    \
    X(get_driver_version, dcmi_get_driver_version, int, (char *version, unsigned length))                              \
    X(get_card_list, dcmi_get_card_list, int, (int *count, int *list, int capacity))                                   \
    X(get_card_num_list, dcmi_get_card_num_list, int, (int *count, int *list, int capacity))                           \
    X(get_device_num_in_card, dcmi_get_device_num_in_card, int, (int card, int *count))                                \
    X(get_device_type, dcmi_get_device_type, int, (int card, int device, unsigned *type))                              \
    X(get_device_logic_id, dcmi_get_device_logic_id, int, (int *logic, int card, int device))                          \
    X(get_device_chip_info, dcmi_get_device_chip_info, int, (int card, int device, struct dcmi_chip_info *))           \
    X(get_device_chip_info_v2, dcmi_get_device_chip_info_v2, int, (int card, int device, struct dcmi_chip_info_v2 *))  \
    X(get_device_pcie_info_v2, dcmi_get_device_pcie_info_v2, int, (int card, int device, struct dcmi_pcie_info_all *)) \
    X(get_device_die_v2, dcmi_get_device_die_v2, int, (int card, int device, unsigned kind, struct dcmi_die_id *))     \
    X(get_device_elabel_info, dcmi_get_device_elabel_info, int, (int card, int device, struct dcmi_elabel_info *))     \
    X(get_device_board_info, dcmi_get_device_board_info, int, (int card, int device, struct dcmi_board_info *))        \
    X(get_version, dcmi_get_version, int, (int card, int device, char *version, unsigned capacity, int *length))       \
    X(get_topo_info_by_device_id, dcmi_get_topo_info_by_device_id, int,                                                \
      (int card1, int device1, int card2, int device2, int *type))                                                     \
    X(get_device_hbm_info, dcmi_get_device_hbm_info, int, (int card, int device, struct dcmi_hbm_info *))              \
    X(get_device_memory_info_v3, dcmi_get_device_memory_info_v3, int,                                                  \
      (int card, int device, struct dcmi_get_memory_info_struct *))                                                    \
    X(get_memory_info, dcmi_get_memory_info, int, (int card, int device, struct dcmi_memory_info_struct *))            \
    X(get_device_temperature, dcmi_get_device_temperature, int, (int card, int device, int *celsius))                  \
    X(get_device_power_info, dcmi_get_device_power_info, int, (int card, int device, int *deciwatts))                  \
    X(mcu_get_power_info, dcmi_mcu_get_power_info, int, (int card, int *deciwatts))                                    \
    X(get_device_health, dcmi_get_device_health, int, (int card, int device, unsigned *health))                        \
    X(get_device_errorcode_v2, dcmi_get_device_errorcode_v2, int,                                                      \
      (int card, int device, int *count, unsigned *list, unsigned capacity))                                           \
    X(get_device_ecc_info, dcmi_get_device_ecc_info, int,                                                              \
      (int card, int device, unsigned kind, struct dcmi_ecc_info *))                                                   \
    X(get_device_frequency, dcmi_get_device_frequency, int, (int card, int device, unsigned kind, unsigned *mhz))      \
    X(get_device_utilization_rate, dcmi_get_device_utilization_rate, int,                                              \
      (int card, int device, int type, unsigned *percent))                                                             \
    X(get_device_multi_utilization_rate, dcmi_get_device_multi_utilization_rate, int,                                  \
      (int card, int device, struct dcmi_multi_utilization_info *))                                                    \
    X(get_device_resource_info, dcmi_get_device_resource_info, int,                                                    \
      (int card, int device, struct dcmi_proc_mem_info *list, int *count))                                             \
    X(get_device_info, dcmi_get_device_info, int,                                                                      \
      (int card, int device, unsigned command, unsigned sub, void *answer, unsigned *size))                            \
    X(v2_init, dcmiv2_init, int, (void))                                                                               \
    X(v2_get_driver_version, dcmiv2_get_driver_version, int, (char *version, unsigned length))                         \
    X(v2_get_device_list, dcmiv2_get_device_list, int, (int *list, int *count, int capacity))                          \
    X(v2_get_device_type, dcmiv2_get_device_type, int, (int device, unsigned *type))                                   \
    X(v2_get_device_chip_info, dcmiv2_get_device_chip_info, int, (int device, struct dcmi_chip_info_v2 *))             \
    X(v2_get_device_pcie_info, dcmiv2_get_device_pcie_info, int, (int device, struct dcmi_pcie_info_all *))            \
    X(v2_get_device_die_id, dcmiv2_get_device_die_id, int, (int device, unsigned kind, struct dcmi_die_id *))          \
    X(v2_get_device_elabel_info, dcmiv2_get_device_elabel_info, int, (int device, struct dcmi_elabel_info *))          \
    X(v2_get_device_board_info, dcmiv2_get_device_board_info, int, (int device, struct dcmi_board_info *))             \
    X(v2_get_device_hbm_info, dcmiv2_get_device_hbm_info, int, (int device, struct dcmi_hbm_info *))                   \
    X(v2_get_device_temperature, dcmiv2_get_device_temperature, int, (int device, int *celsius))                       \
    X(v2_get_device_power_info, dcmiv2_get_device_power_info, int, (int device, int *deciwatts))                       \
    X(v2_get_device_health, dcmiv2_get_device_health, int, (int device, unsigned *health))                             \
    X(v2_get_device_error_code_list, dcmiv2_get_device_error_code_list, int,                                           \
      (int device, int *count, unsigned *list, unsigned capacity))                                                     \
    X(v2_get_device_ecc_info, dcmiv2_get_device_ecc_info, int, (int device, unsigned kind, struct dcmi_ecc_info *))    \
    X(v2_get_device_frequency, dcmiv2_get_device_frequency, int, (int device, unsigned kind, unsigned *mhz))           \
    X(v2_get_device_utilization_rate, dcmiv2_get_device_utilization_rate, int,                                         \
      (int device, int type, unsigned *percent))                                                                       \
    X(v2_get_device_multi_utilization_rate, dcmiv2_get_device_multi_utilization_rate, int,                             \
      (int device, struct dcmi_multi_utilization_info *))                                                              \
    X(v2_get_device_proc_mem_info, dcmiv2_get_device_proc_mem_info, int,                                               \
      (int device, struct dcmi_proc_mem_info *list, int *count))                                                       \
    X(v2_get_device_info, dcmiv2_get_device_info, int,                                                                 \
      (int device, unsigned command, unsigned sub, void *answer, unsigned *size))

HCS_ABI_TABLE(dcmi, HCS_DCMI_FUNCTIONS)

#endif
