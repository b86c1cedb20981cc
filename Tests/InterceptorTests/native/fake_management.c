/* SPDX-License-Identifier: Apache-2.0
 *
 * What nvidia-smi and its kin ask, of all four vendors in one library: four devices each, all of 64 GiB with 5 GiB in use
 * by somebody else. NVML's handle is 0x100 + index, CNDEV's 0x40 + index.
 */
#include <stdio.h>
#include <string.h>

#include "acl_abi.h"
#include "cnrt_abi.h"
#include "cuda_abi.h"
#include "hip_abi.h"
#include "truth.h"

#define USED (UINT64_C(5) << 30)
#define MB(bytes) ((bytes) >> 20)

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned capacity) {
    snprintf(uuid, capacity, "GPU-abcd0000-0000-0000-0000-00000000000%u", (unsigned)((uintptr_t)device - 0x100));
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, struct hcs_nvml_memory *memory) {
    (void)device;
    if (!memory)
        return 2;
    *memory = (struct hcs_nvml_memory){TRUTH_PHYSICAL, TRUTH_PHYSICAL - USED, USED};
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, struct hcs_nvml_memory_v2 *memory) {
    (void)device;
    *memory = (struct hcs_nvml_memory_v2){memory->version, TRUTH_PHYSICAL, USED / 2, TRUTH_PHYSICAL - USED, USED / 2};
    return 0;
}

int rsmi_dev_unique_id_get(uint32_t index, uint64_t *id) {
    *id = 0xdeadbee0u + index;
    return 0;
}
int rsmi_dev_memory_total_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    (void)index, (void)type;
    *bytes = TRUTH_PHYSICAL;
    return 0;
}
int rsmi_dev_memory_usage_get(uint32_t index, uint32_t type, uint64_t *bytes) {
    (void)index, (void)type;
    *bytes = USED;
    return 0;
}

/* Two chips on each card. */
int dcmi_get_device_logic_id(int *logic, int card, int device) {
    *logic = card * 2 + device;
    return 0;
}
int dcmiv2_get_device_hbm_info(int device, struct hcs_dcmi_hbm *info) {
    (void)device;
    *info = (struct hcs_dcmi_hbm){MB(TRUTH_PHYSICAL), 1600, MB(USED)};
    return 0;
}
int dcmi_get_device_hbm_info(int card, int device, struct hcs_dcmi_hbm *info) {
    (void)card;
    return dcmiv2_get_device_hbm_info(device, info);
}
int dcmi_get_hbm_info(int card, int device, struct hcs_dcmi_hbm *info) { return dcmi_get_device_hbm_info(card, device, info); }
int dcmi_get_device_memory_info_v3(int card, int device, struct hcs_dcmi_memory *info) {
    (void)card, (void)device;
    *info = (struct hcs_dcmi_memory){MB(TRUTH_PHYSICAL), MB(TRUTH_PHYSICAL - USED)};
    return 0;
}

int cndevGetDeviceHandleByIndex(int index, int32_t *device) {
    *device = 0x40 + index;
    return index < TRUTH_DEVICES ? 0 : 6;
}
int cndevGetMemoryUsageV2(struct hcs_cndev_memory *info, int32_t device) {
    (void)device;
    *info = (struct hcs_cndev_memory){MB(TRUTH_PHYSICAL), MB(USED)};
    return 0;
}
int cndevGetMemoryUsage(struct hcs_cndev_memory_v1 *info, int32_t device) {
    (void)device;
    *info = (struct hcs_cndev_memory_v1){info->version, MB(TRUTH_PHYSICAL), MB(USED)};
    return 0;
}
