/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcuda.so.1: virtual memory management. Physical memory is charged to the device that its properties name,
 * not to the current one; host locations charge nothing.
 */
#include "cuda_private.h"

#include <string.h>

#define POSIX_FILE_DESCRIPTOR 1

typedef uint64_t CUmemGenericAllocationHandle;

static struct hcs_sim_physical *physical_of(CUmemGenericAllocationHandle handle) {
    return (struct hcs_sim_physical *)address_of(handle);
}

static CUresult granularity_of(const struct allocation_properties *properties, uint64_t *ret) {
    struct hcs_sim_view view;
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (properties == NULL || properties->type != 1 || properties->location.type < 1 || properties->location.type > 4)
        return CUDA_ERROR_INVALID_VALUE;
    *ret = 4096;
    if (properties->location.type != 1)
        return CUDA_SUCCESS;
    if (!hcs_sim_runtime_device(properties->location.id, &view))
        return CUDA_ERROR_INVALID_DEVICE;
    *ret = hcs_sim_granularity(&view);
    return CUDA_SUCCESS;
}

API cuMemGetAllocationGranularity(size_t *granularity, const struct allocation_properties *properties, int option) {
    uint64_t value;
    CUresult result = granularity_of(properties, &value);
    if (result != CUDA_SUCCESS)
        return result;
    if (granularity == NULL || option < 0 || option > 1)
        return CUDA_ERROR_INVALID_VALUE;
    *granularity = value;
    return CUDA_SUCCESS;
}

API cuMemAddressReserve(CUdeviceptr *pointer, size_t bytes, size_t alignment, CUdeviceptr hint, uint64_t flags) {
    void *address = NULL;
    CUresult result = cuda_ready();
    (void)alignment;
    if (result != CUDA_SUCCESS)
        return result;
    if (pointer == NULL || bytes == 0 || bytes % 4096 != 0 || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    result = cuda_translate(hcs_sim_address_reserve(bytes, address_of(hint), &address));
    if (result == CUDA_SUCCESS)
        *pointer = (uintptr_t)address;
    return result;
}

API cuMemAddressFree(CUdeviceptr pointer, size_t bytes) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : cuda_translate(hcs_sim_address_free(address_of(pointer), bytes));
}

API cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes, const struct allocation_properties *properties,
                uint64_t flags) {
    struct hcs_sim_physical *physical = NULL;
    uint64_t granularity = 0;
    hcs_sim_count_call();
    CUresult result = granularity_of(properties, &granularity);
    if (result != CUDA_SUCCESS)
        return result;
    if (handle == NULL || bytes == 0 || bytes % granularity != 0 || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    enum hcs_sim_location location = properties->location.type == 1 ? HCS_SIM_ON_DEVICE : HCS_SIM_ON_HOST;
    result = cuda_translate(hcs_sim_physical_create(location, properties->location.id, bytes, &physical));
    if (result == CUDA_SUCCESS)
        *handle = (uintptr_t)physical;
    return result;
}

API cuMemRelease(CUmemGenericAllocationHandle handle) {
    hcs_sim_count_call();
    CUresult result = cuda_ready();
    return result == CUDA_SUCCESS ? cuda_translate(hcs_sim_physical_release(physical_of(handle))) : result;
}

API cuMemMap(CUdeviceptr pointer, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle, uint64_t flags) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (flags != 0 || offset != 0)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_map(address_of(pointer), bytes, offset, physical_of(handle)));
}

API cuMemUnmap(CUdeviceptr pointer, size_t bytes) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : cuda_translate(hcs_sim_unmap(address_of(pointer), bytes));
}

API cuMemSetAccess(CUdeviceptr pointer, size_t bytes, const void *access, size_t count) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (access == NULL || count == 0)
        return CUDA_ERROR_INVALID_VALUE;
    return cuda_translate(hcs_sim_set_access(address_of(pointer), bytes));
}

API cuMemGetAccess(uint64_t *flags, const struct location *location, CUdeviceptr pointer) {
    if (flags == NULL || location == NULL || !hcs_sim_mapping_holds(address_of(pointer), 1))
        return CUDA_ERROR_INVALID_VALUE;
    *flags = 3;
    return CUDA_SUCCESS;
}

API cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *address) {
    struct hcs_sim_physical *physical = NULL;
    CUresult result = cuda_ready();
    if (result == CUDA_SUCCESS)
        result =
            handle == NULL ? CUDA_ERROR_INVALID_VALUE : cuda_translate(hcs_sim_physical_retain(address, &physical));
    if (result == CUDA_SUCCESS)
        *handle = (uintptr_t)physical;
    return result;
}

API cuMemGetAllocationPropertiesFromHandle(struct allocation_properties *properties,
                                           CUmemGenericAllocationHandle handle) {
    int ordinal;
    size_t bytes;
    if (properties == NULL || !hcs_sim_physical_describe(physical_of(handle), &ordinal, &bytes))
        return CUDA_ERROR_INVALID_VALUE;
    memset(properties, 0, sizeof *properties);
    properties->type = 1;
    properties->location = ordinal == HCS_SIM_CURRENT ? (struct location){2, 0} : (struct location){1, ordinal};
    return CUDA_SUCCESS;
}

API cuMemExportToShareableHandle(void *shareable, CUmemGenericAllocationHandle handle, int type, uint64_t flags) {
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (shareable == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (type != POSIX_FILE_DESCRIPTOR)
        return CUDA_ERROR_NOT_SUPPORTED;
    return cuda_translate(hcs_sim_physical_export(physical_of(handle), shareable));
}

/* The descriptor itself travels in the pointer. */
API cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *shareable, int type) {
    struct hcs_sim_physical *physical = NULL;
    hcs_sim_count_call();
    CUresult result = cuda_ready();
    if (result != CUDA_SUCCESS)
        return result;
    if (handle == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (type != POSIX_FILE_DESCRIPTOR)
        return CUDA_ERROR_NOT_SUPPORTED;
    result = cuda_translate(hcs_sim_physical_import((int)(intptr_t)shareable, &physical));
    if (result == CUDA_SUCCESS)
        *handle = (uintptr_t)physical;
    return result;
}
