/* SPDX-License-Identifier: Apache-2.0
 *
 * CUDA: two layers. libcudart calls libcuda through pointers that it fetches itself, so both are hooked, and the
 * outermost one charges.
 */
#include "hook.h"

#include "cuda_abi.h"

#define HCS_DRIVER "libcuda.so.1"

static int runtime_device(const void *real, int *ret_ordinal) {
    __typeof__(cudaGetDevice) *get_device = (__typeof__(cudaGetDevice) *)hcs_query(HCS_INDEX_cudaGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CUDA_SYMBOL_NOT_FOUND;
}

static int driver_device(const void *real, int *ret_ordinal) {
    __typeof__(cuCtxGetDevice) *get_device = (__typeof__(cuCtxGetDevice) *)hcs_query(HCS_INDEX_cuCtxGetDevice, real);
    return get_device ? get_device(ret_ordinal) : HCS_CU_NOT_FOUND;
}

static void print_uuid(const struct hcs_cuda_uuid *uuid, char *ret_text) {
    static const char digits[] = "0123456789abcdef";
    char *out = ret_text;
    for (const char *prefix = "GPU-"; *prefix; prefix++)
        *out++ = *prefix;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[uuid->bytes[i] >> 4];
        *out++ = digits[uuid->bytes[i] & 15];
    }
    *out = '\0';
}

/* Runtime ordinal and driver device number are the same: both count what CUDA_VISIBLE_DEVICES leaves. The _v2 function
 * (11.4) names the MIG instance where the older one names its card. */
static int device_uuid(const void *real, int ordinal, char *ret_uuid) {
    (void)real;
    __typeof__(cuDeviceGetUuid) *get_uuid =
        (__typeof__(cuDeviceGetUuid) *)hcs_query_in(HCS_INDEX_cuDeviceGetUuid_v2, HCS_DRIVER);
    if (!get_uuid)
        get_uuid = (__typeof__(cuDeviceGetUuid) *)hcs_query_in(HCS_INDEX_cuDeviceGetUuid, HCS_DRIVER);
    if (!get_uuid)
        return -ENOENT;
    struct hcs_cuda_uuid uuid;
    int status = get_uuid(&uuid, ordinal);
    if (status == HCS_CU_NOT_INITIALIZED) {
        /* A runtime may answer cudaGetDevice before it initialised the driver; cuInit is idempotent. */
        __typeof__(cuInit) *init = (__typeof__(cuInit) *)hcs_query_in(HCS_INDEX_cuInit, HCS_DRIVER);
        if (init && init(0) == HCS_CU_SUCCESS)
            status = get_uuid(&uuid, ordinal);
    }
    if (status != HCS_CU_SUCCESS)
        return -EIO;
    print_uuid(&uuid, ret_uuid);
    return 0;
}

static const struct hcs_layer cuda_runtime = {
    .vendor = HCS_VENDOR_NVIDIA,
    .success = HCS_CUDA_SUCCESS,
    .out_of_memory = HCS_CUDA_MEMORY_ALLOCATION,
    .missing = HCS_CUDA_INITIALIZATION_ERROR,
    .current_device = runtime_device,
    .device_uuid = device_uuid,
};

static const struct hcs_layer cuda_driver = {
    .vendor = HCS_VENDOR_NVIDIA,
    .success = HCS_CU_SUCCESS,
    .out_of_memory = HCS_CU_OUT_OF_MEMORY,
    .missing = HCS_CU_NOT_INITIALIZED,
    .current_device = driver_device,
    .device_uuid = device_uuid,
};

#define HCS_HOOK(name, kind, ...) HCS_DEFINE_##kind(name, __VA_ARGS__)
#define HCS_QUERY(name)
#include "hooks.def"
