/* SPDX-License-Identifier: Apache-2.0 */
#define FAKE_BASE UINT64_C(0x700000000000)
#include "fake_memory.h"

#include "cuda_abi.h"

#define DEVICE host_index("CUDA_VISIBLE_DEVICES", current_ordinal)

int cuInit(unsigned flags) { return flags ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }

int cuCtxGetDevice(int *device) {
    *device = current_ordinal;
    return HCS_CU_SUCCESS;
}

/* The fake runtime's cudaSetDevice. */
void fake_cuda_set_device(int ordinal);
void fake_cuda_set_device(int ordinal) { current_ordinal = ordinal; }

int cuDeviceGetUuid_v2(struct hcs_cuda_uuid *uuid, int device) {
    *uuid = (struct hcs_cuda_uuid){{0xAB, 0xCD}};
    uuid->bytes[15] = (uint8_t)host_index("CUDA_VISIBLE_DEVICES", device);
    return HCS_CU_SUCCESS;
}

int cuMemAlloc_v2(uint64_t *pointer, size_t bytes) {
    if (!pointer || bytes == 0)
        return HCS_CU_INVALID_VALUE;
    return fake_allocate(DEVICE, bytes, pointer) ? HCS_CU_OUT_OF_MEMORY : HCS_CU_SUCCESS;
}

int cuMemFree_v2(uint64_t pointer) { return fake_free(pointer) ? HCS_CU_INVALID_VALUE : HCS_CU_SUCCESS; }

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
    fake_info(DEVICE, free_bytes, total_bytes);
    return HCS_CU_SUCCESS;
}

/* Frees as a device reset does: by a way that no hook sees. */
int fake_free_unseen(uint64_t pointer);
int fake_free_unseen(uint64_t pointer) { return fake_free(pointer); }
