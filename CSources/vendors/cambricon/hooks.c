/* SPDX-License-Identifier: Apache-2.0
 *
 * CNRT. The runtime has no UUID: the device is found through MLU_VISIBLE_DEVICES. Error numbers changed with CNRT 5;
 * the library in the process tells its age by which memory question it answers. CNRT 4 knows devices by handles alone.
 */
#include "bodies.h"

#include "cnrt_abi.h"

/* The ordinal whose handle is the current device's. */
static int device_by_handle(const void *real, int *ret_ordinal) {
    __typeof__(cnrtGetCurrentDevice) *get_current =
        (__typeof__(cnrtGetCurrentDevice) *)hcs_query(HCS_INDEX_cnrtGetCurrentDevice, real);
    __typeof__(cnrtGetDeviceHandle) *get_handle =
        (__typeof__(cnrtGetDeviceHandle) *)hcs_query(HCS_INDEX_cnrtGetDeviceHandle, real);
    uint64_t current = 0, handle = 0;
    int status = get_current && get_handle ? get_current(&current) : HCS_CNRT_NOT_FOUND;
    for (int i = 0; status == HCS_CNRT_SUCCESS && i < HCS_ORDINALS; i++) {
        status = get_handle(&handle, i);
        if (status == HCS_CNRT_SUCCESS && handle == current) {
            *ret_ordinal = i;
            return status;
        }
    }
    return status == HCS_CNRT_SUCCESS ? HCS_CNRT4_NO_DEVICE : status;
}

static int current_device(const void *real, int *ret_ordinal) {
    __typeof__(cnrtGetDevice) *get_device = (__typeof__(cnrtGetDevice) *)hcs_query(HCS_INDEX_cnrtGetDevice, real);
    return get_device ? get_device(ret_ordinal) : device_by_handle(real, ret_ordinal);
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

static int driver_device(const void *real, int *ret_ordinal) {
    __typeof__(cnCtxGetDevice) *get_device = (__typeof__(cnCtxGetDevice) *)hcs_query(HCS_INDEX_cnCtxGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CN_NOT_INITIALIZED;
}

static const struct hcs_layer cn_driver = {
    .vendor = HCS_VENDOR_CAMBRICON,
    .success = HCS_CN_SUCCESS,
    .out_of_memory = HCS_CN_OUT_OF_MEMORY,
    .missing = HCS_CN_NOT_INITIALIZED,
    .current_device = driver_device,
    .visibility = {"MLU_VISIBLE_DEVICES"},
};

static const struct hcs_layer cndev = {.vendor = HCS_VENDOR_CAMBRICON, .missing = HCS_CNDEV_NOT_SUPPORTED};

#define MIB 20

/* CNRT 4 tells MiB. */
static void narrow_mib(const void *real, size_t *free_mib, size_t *total_mib) {
    size_t remaining = free_mib ? *free_mib << MIB : 0, total = total_mib ? *total_mib << MIB : 0;
    hcs_info_narrow(&cnrt_runtime, real, HCS_CURRENT, &remaining, &total);
    if (free_mib)
        *free_mib = remaining >> MIB;
    if (total_mib)
        *total_mib = total >> MIB;
}

/* The host index of a management handle. */
static int host_index(const void *real, int32_t device) {
    __typeof__(cndevGetDeviceHandleByIndex) *get =
        (__typeof__(cndevGetDeviceHandleByIndex) *)hcs_query(HCS_INDEX_cndevGetDeviceHandleByIndex, real);
    int32_t handle;
    for (int i = 0; get && i < HCS_ORDINALS && get(i, &handle) == cndev.success; i++)
        if (handle == device)
            return i;
    return get ? -1 : device;
}

static void narrow_usage(const void *real, int32_t device, int64_t *total_mb, int64_t *used_mb) {
    if (*total_mb < 0 || *used_mb < 0 || *used_mb > *total_mb)
        return;
    uint64_t total = (uint64_t)*total_mb << MIB, remaining = (uint64_t)(*total_mb - *used_mb) << MIB;
    if (!hcs_report_narrow(HCS_VENDOR_CAMBRICON, NULL, host_index(real, device), &remaining, &total))
        return;
    *total_mb = (int64_t)(total >> MIB);
    *used_mb = *total_mb - (int64_t)((remaining < total ? remaining : total) >> MIB);
}

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
