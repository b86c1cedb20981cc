/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcnrt.so of CNRT 4: devices by handle (no cnrtSetDevice, no cnrtGetDevice), memory in MiB by channel, and
 * the old error numbers.
 */
#include "cnrt_driver.h"

#include "../../../simulation/hcs_sim_library.h"

typedef int cnrtRet_t;
typedef uint64_t cnrtDev_t; /* opaque; here the ordinal and a mark */
enum {
    CNRT_RET_SUCCESS = 0,
    CNRT_RET_ERR_INVALID = 632007,
    CNRT_RET_ERR_NOMEM = 632008,
    CNRT_RET_ERR_NODEV = 632009,
    CNRT_RET_ERR_IO = 632010,
};
#define API EXPORT cnrtRet_t
#define HANDLE_MARK 0x4d4c550000000000ull

static _Thread_local int current;

static cnrtRet_t translate(int result) {
    switch (result) {
    case 0:
        return CNRT_RET_SUCCESS;
    case 100004:
    case 100005:
        return CNRT_RET_ERR_NODEV;
    case 100100:
        return CNRT_RET_ERR_NOMEM;
    case 100007:
        return CNRT_RET_ERR_IO;
    default:
        return CNRT_RET_ERR_INVALID;
    }
}

static cnrtRet_t on_device(void) {
    void *context = NULL;
    cnrtRet_t result = translate(cnInit(0));
    if (result == CNRT_RET_SUCCESS)
        result = translate(cnSharedContextAcquire(&context, current));
    return result == CNRT_RET_SUCCESS ? translate(cnCtxSetCurrent(context)) : result;
}

API cnrtInit(unsigned flags) {
    return flags > 1 ? CNRT_RET_ERR_INVALID : translate(cnInit(0));
}

EXPORT void cnrtDestroy(void) {}

API cnrtGetDeviceCount(unsigned *count) {
    int found = 0;
    if (count == NULL)
        return CNRT_RET_ERR_INVALID;
    cnrtRet_t result = translate(cnInit(0));
    if (result == CNRT_RET_SUCCESS)
        result = translate(cnDeviceGetCount(&found));
    *count = (unsigned)found;
    return result;
}

API cnrtGetDeviceHandle(cnrtDev_t *device, int ordinal) {
    unsigned count = 0;
    cnrtRet_t result = cnrtGetDeviceCount(&count);
    if (result != CNRT_RET_SUCCESS)
        return result;
    if (device == NULL || ordinal < 0 || (unsigned)ordinal >= count)
        return CNRT_RET_ERR_INVALID;
    *device = HANDLE_MARK | (unsigned)ordinal;
    return CNRT_RET_SUCCESS;
}

API cnrtSetCurrentDevice(cnrtDev_t device) {
    if ((device & ~0xffull) != HANDLE_MARK)
        return CNRT_RET_ERR_INVALID;
    current = (int)(device & 0xff);
    return on_device();
}

API cnrtGetCurrentDevice(cnrtDev_t *device) {
    if (device == NULL)
        return CNRT_RET_ERR_INVALID;
    *device = HANDLE_MARK | (unsigned)current;
    return CNRT_RET_SUCCESS;
}

API cnrtMalloc(void **pointer, size_t bytes) {
    uint64_t address = 0;
    hcs_sim_count_call();
    cnrtRet_t result = on_device();
    if (result == CNRT_RET_SUCCESS && (pointer == NULL || bytes == 0))
        result = CNRT_RET_ERR_INVALID;
    if (result == CNRT_RET_SUCCESS)
        result = translate(cnMalloc(&address, bytes));
    if (result == CNRT_RET_SUCCESS)
        *pointer = (void *)(uintptr_t)address;
    return result;
}

API cnrtMallocFrameBuffer(void **pointer, size_t bytes) {
    uint64_t address = 0;
    hcs_sim_count_call();
    cnrtRet_t result = on_device();
    if (result == CNRT_RET_SUCCESS && (pointer == NULL || bytes == 0))
        result = CNRT_RET_ERR_INVALID;
    if (result == CNRT_RET_SUCCESS)
        result = translate(cnMallocFrameBuffer(&address, bytes, 0));
    if (result == CNRT_RET_SUCCESS)
        *pointer = (void *)(uintptr_t)address;
    return result;
}

API cnrtFree(void *pointer) {
    hcs_sim_count_call();
    return translate(cnFree((uintptr_t)pointer));
}

API cnrtMallocHost(void **pointer, size_t bytes, int type) {
    (void)type;
    return pointer == NULL || bytes == 0 ? CNRT_RET_ERR_INVALID : translate(cnMallocHost(pointer, bytes));
}

API cnrtFreeHost(void *pointer) {
    return translate(cnFreeHost(pointer));
}

API cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel) {
    uint64_t free_bytes, total;
    (void)channel;
    cnrtRet_t result = on_device();
    if (result != CNRT_RET_SUCCESS)
        return result;
    if (free_mib == NULL || total_mib == NULL)
        return CNRT_RET_ERR_INVALID;
    result = translate(cnMemGetInfo(&free_bytes, &total));
    if (result == CNRT_RET_SUCCESS) {
        *free_mib = free_bytes >> 20;
        *total_mib = total >> 20;
    }
    return result;
}
