/* SPDX-License-Identifier: Apache-2.0
 *
 * AscendCL. The runtime has no UUID: the device is found through ASCEND_RT_VISIBLE_DEVICES, whose indices count the
 * devices that this process (or its container) is shown.
 */
#include "hook.h"

#include "acl_abi.h"

static int current_device(const void *real, int *ret_ordinal) {
    __typeof__(aclrtGetDevice) *get_device = (__typeof__(aclrtGetDevice) *)hcs_query(HCS_INDEX_aclrtGetDevice, real);
    int32_t ordinal = 0;
    int status = get_device ? get_device(&ordinal) : HCS_ACL_UNINITIALIZE;
    *ret_ordinal = ordinal;
    return status;
}

static int is_device_memory(uint32_t memory) {
    switch (memory) {
    case HCS_ACL_DDR_MEM:
    case HCS_ACL_DDR_MEM_HUGE:
    case HCS_ACL_DDR_MEM_NORMAL:
    case HCS_ACL_DDR_MEM_P2P_HUGE:
    case HCS_ACL_DDR_MEM_P2P_NORMAL:
        return 0;
    default:
        return memory <= HCS_ACL_MEM_P2P_HUGE1G;
    }
}

static const struct hcs_layer acl_runtime = {
    .vendor = HCS_VENDOR_ASCEND,
    .success = HCS_ACL_SUCCESS,
    .out_of_memory = HCS_ACL_RT_MEMORY_ALLOCATION,
    .missing = HCS_ACL_UNINITIALIZE,
    .current_device = current_device,
    .visibility = {"ASCEND_RT_VISIBLE_DEVICES"},
};

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
