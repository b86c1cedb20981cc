/* SPDX-License-Identifier: Apache-2.0
 *
 * HIP, Hygon's and AMD's. Its calls re-enter each other through exported names, which the per-thread depth answers.
 */
#include "hook.h"

#include <string.h>

#include "hip_abi.h"

static int current_device(const void *real, int *ret_ordinal) {
    __typeof__(hipGetDevice) *get_device = (__typeof__(hipGetDevice) *)hcs_query(HCS_INDEX_hipGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_HIP_NOT_FOUND;
}

static int device_uuid(const void *real, int ordinal, char *ret_uuid) {
    __typeof__(hipDeviceGetUuid) *get_uuid = (__typeof__(hipDeviceGetUuid) *)hcs_query(HCS_INDEX_hipDeviceGetUuid, real);
    if (!get_uuid)
        return -ENOSYS;
    struct hcs_hip_uuid uuid;
    if (get_uuid(&uuid, ordinal) != HCS_HIP_SUCCESS)
        return -EIO;
    memcpy(ret_uuid, "GPU-", 4);
    for (int i = 0; i < 16; i++) {
        char c = uuid.bytes[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return -EIO;
        ret_uuid[4 + i] = c;
    }
    ret_uuid[20] = '\0';
    return 0;
}

static const struct hcs_layer hip_runtime = {
    .vendor = HCS_VENDOR_HYGON,
    .success = HCS_HIP_SUCCESS,
    .out_of_memory = HCS_HIP_OUT_OF_MEMORY,
    .missing = HCS_HIP_NOT_INITIALIZED,
    .current_device = current_device,
    .device_uuid = device_uuid,
    .visibility = {"HIP_VISIBLE_DEVICES"}, /* for a runtime older than 5.2, which has no hipDeviceGetUuid */
};

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
