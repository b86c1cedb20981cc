/* SPDX-License-Identifier: Apache-2.0
 *
 * CNRT. The runtime has no UUID: the device is found through MLU_VISIBLE_DEVICES. Error numbers changed with CNRT 5;
 * the library in the process tells its age by which memory question it answers.
 */
#include "hook.h"

#include "cnrt_abi.h"

static int current_device(const void *real, int *ret_ordinal) {
    __typeof__(cnrtGetDevice) *get_device = (__typeof__(cnrtGetDevice) *)hcs_query(HCS_INDEX_cnrtGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CNRT_NOT_FOUND;
}

static int out_of_memory(void) {
    void *near = hcs_real(HCS_INDEX_cnrtMalloc, NULL);
    int old = hcs_query(HCS_INDEX_cnrtGetMemInfo, near) && !hcs_query(HCS_INDEX_cnrtMemGetInfo, near);
    return old ? HCS_CNRT4_NO_MEMORY : HCS_CNRT_NO_MEMORY;
}

static const struct hcs_layer cnrt_runtime = {
    .vendor = HCS_VENDOR_CAMBRICON,
    .success = HCS_CNRT_SUCCESS,
    .out_of_memory = HCS_CNRT_NO_MEMORY,
    .missing = HCS_CNRT_NOT_FOUND,
    .denied = out_of_memory,
    .current_device = current_device,
    .visibility = {"MLU_VISIBLE_DEVICES"},
};

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
