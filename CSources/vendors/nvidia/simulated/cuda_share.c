/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: memory of others, by IPC handle or by external handle. Its owner pays for it.
 */
#include "cuda_private.h"

#include <stdlib.h>
#include <string.h>

/* CUDA_EXTERNAL_MEMORY_HANDLE_DESC, 104 bytes, and CUDA_EXTERNAL_MEMORY_BUFFER_DESC, 88 bytes. */
struct external_handle {
    int type;
    union {
        int fd;
        void *pointers[2];
    } handle;
    uint64_t bytes;
    unsigned flags, reserved[16];
};
struct external_buffer {
    uint64_t offset, bytes;
    unsigned flags, reserved[16];
};
_Static_assert(sizeof(struct external_handle) == 104, "external memory handle");
_Static_assert(sizeof(struct external_buffer) == 88, "external memory buffer");

#define EXTERNAL_MAGIC 0x54584548u
struct external {
    unsigned magic;
    uint64_t bytes;
};

API cuIpcGetMemHandle(struct hcs_sim_ticket *ticket, CUdeviceptr pointer) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    return ticket == NULL ? CUDA_ERROR_INVALID_VALUE : cuda_translate(hcs_sim_ticket_make(address_of(pointer), ticket));
}

static CUresult open_ticket(CUdeviceptr *pointer, const struct hcs_sim_ticket *ticket, unsigned flags) {
    void *address = NULL;
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || flags != 1) /* CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS is the only one there is */
        return CUDA_ERROR_INVALID_VALUE;
    if (hcs_sim_ticket_open(ticket, &address) != HCS_SIM_OK)
        return CUDA_ERROR_INVALID_CONTEXT;
    *pointer = (uintptr_t)address;
    return CUDA_SUCCESS;
}

API cuIpcOpenMemHandle_v2(CUdeviceptr *pointer, struct hcs_sim_ticket ticket, unsigned flags) {
    hcs_sim_count_call();
    return open_ticket(pointer, &ticket, flags);
}

API cuIpcOpenMemHandle(CUdeviceptr *pointer, struct hcs_sim_ticket ticket, unsigned flags) {
    hcs_sim_count_call();
    return open_ticket(pointer, &ticket, flags);
}

API cuIpcCloseMemHandle(CUdeviceptr pointer) {
    hcs_sim_count_call();
    CUresult result = cuda_ready();
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_release(HCS_SIM_SHARED, address_of(pointer))) : result;
}

API cuImportExternalMemory(struct external **external, const struct external_handle *handle) {
    hcs_sim_count_call();
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (external == NULL || handle == NULL || handle->bytes == 0 || handle->type != 1 || handle->handle.fd < 0)
        return CUDA_ERROR_INVALID_VALUE;
    struct external *made = malloc(sizeof *made);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *made = (struct external){EXTERNAL_MAGIC, handle->bytes};
    *external = made;
    return CUDA_SUCCESS;
}

/* To be freed with cuMemFree. */
API cuExternalMemoryGetMappedBuffer(CUdeviceptr *pointer, struct external *external,
                                    const struct external_buffer *buffer) {
    void *address = NULL;
    hcs_sim_count_call();
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || external == NULL || external->magic != EXTERNAL_MAGIC || buffer == NULL ||
        buffer->bytes == 0 || buffer->offset > external->bytes || buffer->bytes > external->bytes - buffer->offset)
        return CUDA_ERROR_INVALID_VALUE;
    result = cuda_translate(hcs_sim_alias(HCS_SIM_MAPPED, HCS_SIM_CURRENT, buffer->bytes, &address));
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

API cuExternalMemoryGetMappedMipmappedArray(void **array, struct external *external, const void *shape) {
    hcs_sim_count_call();
    CUresult result = cuda_in_context();
    if (result != CUDA_SUCCESS)
        return result;
    if (array == NULL || external == NULL || external->magic != EXTERNAL_MAGIC || shape == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_alias_array(HCS_SIM_MIPMAP, array);
}

API cuDestroyExternalMemory(struct external *external) {
    if (external == NULL || external->magic != EXTERNAL_MAGIC)
        return CUDA_ERROR_INVALID_HANDLE;
    external->magic = 0;
    free(external);
    return CUDA_SUCCESS;
}
