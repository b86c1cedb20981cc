/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libascendcl.so: device, memory and memory information of the ACL runtime.
 */
#include "../../../simulation/hcs_sim_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef int aclError;
enum {
    ACL_SUCCESS = 0,
    ACL_ERROR_INVALID_PARAM = 100000,
    ACL_ERROR_UNINITIALIZE = 100001,
    ACL_ERROR_REPEAT_INITIALIZE = 100002,
    ACL_ERROR_RT_PARAM_INVALID = 107000,
    ACL_ERROR_RT_INVALID_DEVICEID = 107001,
    ACL_ERROR_RT_CONTEXT_NULL = 107002,
    ACL_ERROR_BAD_ALLOC = 200000,
    ACL_ERROR_RT_MEMORY_ALLOCATION = 207001,
    ACL_ERROR_RT_NO_DEVICE = 207004,
    ACL_ERROR_RT_LOST_HEARTBEAT = 507010,
};

static int initialised;
static _Thread_local bool selected;

static aclError translate(enum hcs_sim_result result) {
    switch (result) {
    case HCS_SIM_OK:
        return ACL_SUCCESS;
    case HCS_SIM_OUT_OF_MEMORY:
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    case HCS_SIM_INVALID:
        return ACL_ERROR_RT_PARAM_INVALID;
    case HCS_SIM_LOST:
        return ACL_ERROR_RT_LOST_HEARTBEAT;
    default:
        return ACL_ERROR_RT_NO_DEVICE;
    }
}

static aclError ready(void) {
    return translate(hcs_sim_runtime_init(HCS_VENDOR_ASCEND, "ASCEND_RT_VISIBLE_DEVICES", NULL));
}

static aclError on_device(void) {
    aclError result = ready();
    if (result != ACL_SUCCESS)
        return result;
    return selected ? ACL_SUCCESS : ACL_ERROR_RT_CONTEXT_NULL;
}

HCS_SIM_EXPORT aclError aclInit(const char *config) {
    (void)config;
    return __atomic_exchange_n(&initialised, 1, __ATOMIC_ACQ_REL) ? ACL_ERROR_REPEAT_INITIALIZE : ACL_SUCCESS;
}

HCS_SIM_EXPORT aclError aclFinalize(void) {
    if (!__atomic_exchange_n(&initialised, 0, __ATOMIC_ACQ_REL))
        return ACL_ERROR_UNINITIALIZE;
    hcs_sim_runtime_reset();
    return ACL_SUCCESS;
}

HCS_SIM_EXPORT aclError aclrtGetDeviceCount(uint32_t *count) {
    if (count == NULL)
        return ACL_ERROR_INVALID_PARAM;
    *count = 0;
    aclError result = ready();
    if (result == ACL_SUCCESS)
        *count = hcs_sim_runtime_count();
    return result;
}

HCS_SIM_EXPORT aclError aclrtSetDevice(int32_t device) {
    aclError result = ready();
    if (result != ACL_SUCCESS)
        return result;
    enum hcs_sim_result outcome = hcs_sim_runtime_select(device);
    if (outcome == HCS_SIM_INVALID)
        return ACL_ERROR_RT_INVALID_DEVICEID;
    selected = selected || outcome == HCS_SIM_OK;
    return translate(outcome);
}

HCS_SIM_EXPORT aclError aclrtGetDevice(int32_t *device) {
    aclError result = on_device();
    if (result != ACL_SUCCESS)
        return result;
    if (device == NULL)
        return ACL_ERROR_INVALID_PARAM;
    *device = hcs_sim_runtime_current();
    return ACL_SUCCESS;
}

HCS_SIM_EXPORT aclError aclrtResetDevice(int32_t device) {
    struct hcs_sim_view view;
    aclError result = ready();
    if (result != ACL_SUCCESS)
        return result;
    if (!hcs_sim_runtime_device(device, &view))
        return ACL_ERROR_RT_INVALID_DEVICEID;
    if (device == hcs_sim_runtime_current())
        selected = false;
    return ACL_SUCCESS;
}

HCS_SIM_EXPORT aclError aclrtSynchronizeDevice(void) {
    return on_device();
}

HCS_SIM_EXPORT aclError aclrtMalloc(void **pointer, size_t bytes, uint32_t policy) {
    (void)policy;
    if (pointer == NULL || bytes == 0)
        return ACL_ERROR_INVALID_PARAM;
    aclError result = on_device();
    return result == ACL_SUCCESS ? translate(hcs_sim_runtime_allocate(bytes, pointer)) : result;
}

HCS_SIM_EXPORT aclError aclrtMallocAlign32(void **pointer, size_t bytes, uint32_t policy) {
    return aclrtMalloc(pointer, bytes, policy);
}

HCS_SIM_EXPORT aclError aclrtMallocCached(void **pointer, size_t bytes, uint32_t policy) {
    return aclrtMalloc(pointer, bytes, policy);
}

HCS_SIM_EXPORT aclError aclrtMallocWithCfg(void **pointer, size_t bytes, uint32_t policy, void *config) {
    (void)config;
    return aclrtMalloc(pointer, bytes, policy);
}

HCS_SIM_EXPORT aclError aclrtFree(void *pointer) {
    if (pointer == NULL)
        return ACL_ERROR_INVALID_PARAM;
    aclError result = ready();
    return result == ACL_SUCCESS ? translate(hcs_sim_runtime_free(pointer)) : result;
}

HCS_SIM_EXPORT aclError aclrtFreeWithDevSync(void *pointer) {
    return aclrtFree(pointer);
}

HCS_SIM_EXPORT aclError aclrtMallocHost(void **pointer, size_t bytes) {
    if (pointer == NULL || bytes == 0)
        return ACL_ERROR_INVALID_PARAM;
    *pointer = malloc(bytes);
    return *pointer != NULL ? ACL_SUCCESS : ACL_ERROR_BAD_ALLOC;
}

HCS_SIM_EXPORT aclError aclrtFreeHost(void *pointer) {
    free(pointer);
    return ACL_SUCCESS;
}

/* Attributes 0..17 all name the one memory there is. */
HCS_SIM_EXPORT aclError aclrtGetMemInfo(uint32_t attribute, size_t *free_bytes, size_t *total) {
    if (free_bytes == NULL || total == NULL || attribute > 17)
        return ACL_ERROR_INVALID_PARAM;
    aclError result = on_device();
    return result == ACL_SUCCESS ? translate(hcs_sim_runtime_memory(free_bytes, total)) : result;
}

HCS_SIM_EXPORT aclError aclrtMemset(void *pointer, size_t capacity, int32_t value, size_t bytes) {
    (void)value;
    aclError result = on_device();
    if (result != ACL_SUCCESS)
        return result;
    return bytes <= capacity && hcs_sim_runtime_owns(pointer, bytes) ? ACL_SUCCESS : ACL_ERROR_RT_PARAM_INVALID;
}

/* "Ascend910B3"; NULL where no device answers. */
HCS_SIM_EXPORT const char *aclrtGetSocName(void) {
    static char soc[128];
    struct hcs_sim_view view;
    char name[sizeof view.device->name];
    if (ready() != ACL_SUCCESS || !hcs_sim_runtime_device(0, &view))
        return NULL;
    hcs_sim_name(view.device, name, sizeof name);
    const char *chip = strncasecmp(name, "ascend", 6) == 0 ? name + 6 : name;
    snprintf(soc, sizeof soc, "Ascend%s", chip + strspn(chip, " -"));
    return soc;
}
