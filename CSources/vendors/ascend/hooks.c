/* SPDX-License-Identifier: Apache-2.0
 *
 * AscendCL. The runtime has no UUID: the device is found through ASCEND_RT_VISIBLE_DEVICES, whose indices count the
 * devices that this process (or its container) is shown.
 */
#include "bodies.h"

#include "acl_abi.h"

static int first_device(const void *real, int *ret_ordinal, const enum hcs_index *names, int count) {
    for (int i = 0; i < count; i++) {
        __typeof__(aclrtGetDevice) *get_device = (__typeof__(aclrtGetDevice) *)hcs_query(names[i], real);
        int32_t ordinal = 0;
        if (!get_device)
            continue;
        int status = get_device(&ordinal);
        *ret_ordinal = ordinal;
        return status;
    }
    return HCS_ACL_UNINITIALIZE;
}

static int current_device(const void *real, int *ret_ordinal) {
    static const enum hcs_index names[] = {HCS_INDEX_aclrtGetDevice, HCS_INDEX_aclrtGetDeviceImpl, HCS_INDEX_rtGetDevice};
    return first_device(real, ret_ordinal, names, 3);
}

static int rt_device(const void *real, int *ret_ordinal) {
    static const enum hcs_index names[] = {HCS_INDEX_rtGetDevice, HCS_INDEX_aclrtGetDevice};
    return first_device(real, ret_ordinal, names, 2);
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

/* libruntime returns the same numbers as the layer above. */
static const struct hcs_layer rt_runtime = {
    .vendor = HCS_VENDOR_ASCEND,
    .success = HCS_ACL_SUCCESS,
    .out_of_memory = HCS_ACL_RT_MEMORY_ALLOCATION,
    .missing = HCS_ACL_UNINITIALIZE,
    .current_device = rt_device,
    .visibility = {"ASCEND_RT_VISIBLE_DEVICES"},
};

static const struct hcs_layer dcmi = {.vendor = HCS_VENDOR_ASCEND, .missing = HCS_DCMI_NOT_SUPPORTED};

static int physical_device(const struct hcs_acl_physical *properties) {
    return properties && properties->location == HCS_ACL_LOCATION_DEVICE ? (int)properties->id : HCS_NOWHERE;
}

/* The index that ASCEND_RT_VISIBLE_DEVICES counts in: -1 where the library does not tell. */
static int logic_index(const void *real, int card, int device) {
    __typeof__(dcmi_get_device_logic_id) *get =
        (__typeof__(dcmi_get_device_logic_id) *)hcs_query(HCS_INDEX_dcmi_get_device_logic_id, real);
    int logic = -1;
    return get && get(&logic, card, device) == dcmi.success ? logic : -1;
}

#define MB 20 /* what DCMI calls MB is MiB */

static int narrow_mb(int host_index, uint64_t *free_mb, uint64_t *total_mb) {
    uint64_t remaining = *free_mb << MB, total = *total_mb << MB;
    if (!hcs_report_narrow(HCS_VENDOR_ASCEND, NULL, host_index, &remaining, &total))
        return 0;
    *free_mb = remaining >> MB;
    *total_mb = total >> MB;
    return 1;
}

static void narrow_hbm(int host_index, struct hcs_dcmi_hbm *info) {
    uint64_t remaining = info->size > info->usage ? info->size - info->usage : 0;
    if (narrow_mb(host_index, &remaining, &info->size))
        info->usage = info->size > remaining ? info->size - remaining : 0;
}

static void narrow_memory(int host_index, struct hcs_dcmi_memory *info) {
    if (info->size) /* parts with HBM have no DDR and say 0 */
        (void)narrow_mb(host_index, &info->available, &info->size);
}

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
