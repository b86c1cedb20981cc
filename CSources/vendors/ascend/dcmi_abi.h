/* SPDX-License-Identifier: Apache-2.0
 *
 * DCMI, libdcmi.so: what HCS calls. Written from Huawei's DCMI API reference (Ascend HDK) and the public
 * dcmi_interface_api.h of Ascend/mind-cluster and hicann/driver. A device is addressed by (card, device in card).
 * There is no shutdown and no UUID: the NDIE id is the identity.
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
#define DCMI_ERR_CODE_NOT_SUPPORT (-8255)

#define HCS_DCMI_MAX_CARDS 64
#define DCMI_UNIT_TYPE_NPU 0
#define DCMI_UNIT_TYPE_MCU 1
#define DCMI_UNIT_TYPE_CPU 2
#define DCMI_DIE_NDIE 0
#define DCMI_DIE_VDIE 1
#define DCMI_UTILIZATION_MEMORY 1
#define DCMI_UTILIZATION_AICORE 2
#define DCMI_UTILIZATION_HBM 6
#define DCMI_UTILIZATION_NPU 13
#define DCMI_HEALTH_OK 0
#define DCMI_HEALTH_MINOR 1
#define DCMI_HEALTH_MAJOR 2
#define DCMI_HEALTH_CRITICAL 3
#define DCMI_HEALTH_ABSENT 0xFFFFFFFFu

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
struct dcmi_proc_mem_info {
    int32_t proc_id;
    unsigned long proc_mem_usage; /* bytes */
};

_Static_assert(sizeof(struct dcmi_chip_info) == 100, "dcmi_chip_info");
_Static_assert(sizeof(struct dcmi_chip_info_v2) == 132, "dcmi_chip_info_v2");
_Static_assert(sizeof(struct dcmi_pcie_info_all) == 64, "dcmi_pcie_info_all");
_Static_assert(sizeof(struct dcmi_hbm_info) == 32 && offsetof(struct dcmi_hbm_info, temp) == 24, "dcmi_hbm_info");
_Static_assert(sizeof(struct dcmi_get_memory_info_struct) == 112 &&
                   offsetof(struct dcmi_get_memory_info_struct, utiliza) == 48,
               "dcmi_get_memory_info_struct");
_Static_assert(sizeof(struct dcmi_die_id) == 20, "dcmi_die_id");
_Static_assert(sizeof(struct dcmi_proc_mem_info) == 16, "dcmi_proc_mem_info");

#define HCS_DCMI_FUNCTIONS(X)                                                                                          \
    X(init, dcmi_init, int, (void))                                                                                    \
    X(get_driver_version, dcmi_get_driver_version, int, (char *version, unsigned length))                              \
    X(get_card_list, dcmi_get_card_list, int, (int *count, int *list, int capacity))                                   \
    X(get_device_num_in_card, dcmi_get_device_num_in_card, int, (int card, int *count))                                \
    X(get_device_type, dcmi_get_device_type, int, (int card, int device, unsigned *type))                              \
    X(get_device_logic_id, dcmi_get_device_logic_id, int, (int *logic, int card, int device))                          \
    X(get_device_chip_info, dcmi_get_device_chip_info, int, (int card, int device, struct dcmi_chip_info *))           \
    X(get_device_chip_info_v2, dcmi_get_device_chip_info_v2, int, (int card, int device, struct dcmi_chip_info_v2 *))  \
    X(get_device_pcie_info_v2, dcmi_get_device_pcie_info_v2, int, (int card, int device, struct dcmi_pcie_info_all *)) \
    X(get_device_die_v2, dcmi_get_device_die_v2, int, (int card, int device, unsigned kind, struct dcmi_die_id *))     \
    X(get_device_hbm_info, dcmi_get_device_hbm_info, int, (int card, int device, struct dcmi_hbm_info *))              \
    X(get_device_memory_info_v3, dcmi_get_device_memory_info_v3, int,                                                  \
      (int card, int device, struct dcmi_get_memory_info_struct *))                                                    \
    X(get_device_temperature, dcmi_get_device_temperature, int, (int card, int device, int *celsius))                  \
    X(get_device_power_info, dcmi_get_device_power_info, int, (int card, int device, int *deciwatts))                  \
    X(get_device_health, dcmi_get_device_health, int, (int card, int device, unsigned *health))                        \
    X(get_device_utilization_rate, dcmi_get_device_utilization_rate, int,                                              \
      (int card, int device, int type, unsigned *percent))                                                             \
    X(get_device_resource_info, dcmi_get_device_resource_info, int,                                                    \
      (int card, int device, struct dcmi_proc_mem_info *list, int *count))

HCS_ABI_TABLE(dcmi, HCS_DCMI_FUNCTIONS)

#endif
