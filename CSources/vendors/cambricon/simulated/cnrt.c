/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcnrt.so with the error numbers of CNRT 5 and later, on top of libcndrv.so.
 */
#include "cnrt_driver.h"

#include "../../../simulation/hcs_sim_library.h"

typedef int cnrtRet_t;
enum {
    cnrtSuccess = 0,
    cnrtErrorNoDevice = 100004,
    cnrtErrorDeviceInvalid = 100005,
    cnrtErrorArgsInvalid = 100006,
    cnrtErrorSys = 100007,
    cnrtErrorNoMem = 100100,
};
#define API EXPORT cnrtRet_t

static _Thread_local int current;

/* The driver's numbers are these; only those of addresses are its own. */
static cnrtRet_t translate(int result) {
    return result == 100102 ? cnrtErrorArgsInvalid : result;
}

static cnrtRet_t ready(void) {
    return translate(cnInit(0));
}

static cnrtRet_t on_device(void) {
    void *context = NULL;
    cnrtRet_t result = ready();
    if (result == cnrtSuccess)
        result = translate(cnSharedContextAcquire(&context, current));
    return result == cnrtSuccess ? translate(cnCtxSetCurrent(context)) : result;
}

API cnrtGetDeviceCount(unsigned *count) {
    int found = 0;
    if (count == NULL)
        return cnrtErrorArgsInvalid;
    *count = 0;
    cnrtRet_t result = ready();
    if (result == cnrtSuccess)
        result = translate(cnDeviceGetCount(&found));
    if (result == cnrtSuccess)
        *count = (unsigned)found;
    return result;
}

API cnrtSetDevice(int device) {
    int before = current;
    current = device;
    cnrtRet_t result = on_device();
    if (result != cnrtSuccess)
        current = before;
    return result;
}

API cnrtGetDevice(int *device) {
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    if (device == NULL)
        return cnrtErrorArgsInvalid;
    *device = current;
    return cnrtSuccess;
}

API cnrtSyncDevice(void) {
    cnrtRet_t result = on_device();
    return result == cnrtSuccess ? translate(cnCtxSync()) : result;
}

/* Memory */

static cnrtRet_t allocate(int (*how)(uint64_t *, uint64_t), void **pointer, size_t bytes) {
    uint64_t address = 0;
    hcs_sim_count_call();
    cnrtRet_t result = on_device();
    if (result != cnrtSuccess)
        return result;
    if (pointer == NULL || bytes == 0)
        return cnrtErrorArgsInvalid;
    result = translate(how(&address, bytes));
    if (result == cnrtSuccess)
        *pointer = (void *)(uintptr_t)address;
    return result;
}

API cnrtMalloc(void **pointer, size_t bytes) {
    return allocate(cnMalloc, pointer, bytes);
}
API cnrtMallocConstant(void **pointer, size_t bytes) {
    return allocate(cnMallocConstant, pointer, bytes);
}
API cnrtMallocAsync(void **pointer, size_t bytes, void *queue) {
    (void)queue;
    return allocate(cnMalloc, pointer, bytes);
}

API cnrtFree(void *pointer) {
    hcs_sim_count_call();
    cnrtRet_t result = ready();
    if (result != cnrtSuccess)
        return result;
    return pointer == NULL ? cnrtErrorArgsInvalid : translate(cnFree((uintptr_t)pointer));
}
API cnrtFreeAsync(void *pointer, void *queue) {
    (void)queue;
    return cnrtFree(pointer);
}

API cnrtHostMalloc(void **pointer, size_t bytes) {
    return pointer == NULL || bytes == 0 ? cnrtErrorArgsInvalid : translate(cnMallocHost(pointer, bytes));
}

API cnrtFreeHost(void *pointer) {
    return translate(cnFreeHost(pointer));
}

API cnrtMemGetInfo(size_t *free_bytes, size_t *total) {
    cnrtRet_t result = on_device();
    if (result != cnrtSuccess)
        return result;
    if (free_bytes == NULL || total == NULL)
        return cnrtErrorArgsInvalid;
    return translate(cnMemGetInfo(free_bytes, total));
}

API cnrtMemset(void *pointer, int value, size_t bytes) {
    cnrtRet_t result = on_device();
    return result == cnrtSuccess ? translate(cnMemsetD8((uintptr_t)pointer, (unsigned char)value, bytes)) : result;
}

EXPORT const char *cnrtGetErrorStr(cnrtRet_t error) {
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
