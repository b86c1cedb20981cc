/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcnrt.so with the error numbers of CNRT 5 and later.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdlib.h>

typedef int cnrtRet_t;
enum {
    cnrtSuccess = 0,
    cnrtErrorNoDevice = 100004,
    cnrtErrorDeviceInvalid = 100005,
    cnrtErrorArgsInvalid = 100006,
    cnrtErrorSys = 100007,
    cnrtErrorNoMem = 100100,
};

static cnrtRet_t translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return cnrtSuccess;
    case HCS_SIM_OUT_OF_MEMORY:
        return cnrtErrorNoMem;
    case HCS_SIM_INVALID:
        return cnrtErrorArgsInvalid;
    case HCS_SIM_LOST:
        return cnrtErrorSys;
    default:
        return cnrtErrorNoDevice;
    }
}

static cnrtRet_t ready(void) {
    return translate(hcs_sim_runtime_init(HCS_VENDOR_CAMBRICON, "MLU_VISIBLE_DEVICES", NULL));
}

HCS_SIM_EXPORT cnrtRet_t cnrtGetDeviceCount(unsigned *count) {
    if (count == NULL)
        return cnrtErrorArgsInvalid;
    *count = 0;
    cnrtRet_t result = ready();
    if (result == cnrtSuccess)
        *count = hcs_sim_runtime_count();
    return result;
}

HCS_SIM_EXPORT cnrtRet_t cnrtSetDevice(int device) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    enum hcs_sim_result outcome = hcs_sim_runtime_select(device);
    return outcome == HCS_SIM_INVALID ? cnrtErrorDeviceInvalid : translate(outcome);
}

HCS_SIM_EXPORT cnrtRet_t cnrtGetDevice(int *device) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    if (device == NULL)
        return cnrtErrorArgsInvalid;
    *device = hcs_sim_runtime_current();
    return cnrtSuccess;
}

HCS_SIM_EXPORT cnrtRet_t cnrtSyncDevice(void) {
    return ready();
}

HCS_SIM_EXPORT cnrtRet_t cnrtMalloc(void **pointer, size_t bytes) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    if (pointer == NULL || bytes == 0)
        return cnrtErrorArgsInvalid;
    return translate(hcs_sim_runtime_allocate(bytes, pointer));
}

HCS_SIM_EXPORT cnrtRet_t cnrtMallocConstant(void **pointer, size_t bytes) {
    return cnrtMalloc(pointer, bytes);
}

HCS_SIM_EXPORT cnrtRet_t cnrtFree(void *pointer) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    return pointer == NULL ? cnrtErrorArgsInvalid : translate(hcs_sim_runtime_free(pointer));
}

HCS_SIM_EXPORT cnrtRet_t cnrtHostMalloc(void **pointer, size_t bytes) {
    if (pointer == NULL || bytes == 0)
        return cnrtErrorArgsInvalid;
    *pointer = malloc(bytes);
    return *pointer != NULL ? cnrtSuccess : cnrtErrorNoMem;
}

HCS_SIM_EXPORT cnrtRet_t cnrtFreeHost(void *pointer) {
    free(pointer);
    return cnrtSuccess;
}

HCS_SIM_EXPORT cnrtRet_t cnrtMemGetInfo(size_t *free_bytes, size_t *total) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    if (free_bytes == NULL || total == NULL)
        return cnrtErrorArgsInvalid;
    return translate(hcs_sim_runtime_memory(free_bytes, total));
}

HCS_SIM_EXPORT cnrtRet_t cnrtMemset(void *pointer, int value, size_t bytes) {
    (void)value;
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    return hcs_sim_runtime_owns(pointer, bytes) ? cnrtSuccess : cnrtErrorArgsInvalid;
}

HCS_SIM_EXPORT const char *cnrtGetErrorStr(cnrtRet_t error) {
    switch (error) {
    case cnrtSuccess:
        return "Operation is successful.";
    case cnrtErrorNoDevice:
        return "No MLU device is available.";
    case cnrtErrorDeviceInvalid:
        return "The device ordinal is invalid.";
    case cnrtErrorArgsInvalid:
        return "One or more arguments are invalid.";
    case cnrtErrorSys:
        return "A system error happened.";
    case cnrtErrorNoMem:
        return "No memory available on the device.";
    default:
        return "Unknown error.";
    }
}
