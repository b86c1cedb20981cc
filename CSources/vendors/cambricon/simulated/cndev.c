/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libcndev.so: the library itself and who its devices are. The handle is the ordinal, so that a client of
 * before 2024, which has no handles, works too.
 */
#include "cndev_private.h"

static int references;

static cndevRet_t enter(void) {
    hcs_sim_gate(HCS_VENDOR_CAMBRICON);
    if (__atomic_load_n(&references, __ATOMIC_ACQUIRE) <= 0 || !hcs_sim_driver_present(HCS_VENDOR_CAMBRICON))
        return CNDEV_ERROR_UNINITIALIZED;
    return CNDEV_SUCCESS;
}

bool hcs_cndev_takes(int32_t version) {
    return (version == CNDEV_VERSION_5 && CNDEV_GENERATION < 2025) ||
           (version == CNDEV_VERSION_6 && CNDEV_GENERATION >= 2024);
}

static cndevRet_t known(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (out == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    return device >= 0 && hcs_sim_find(HCS_VENDOR_CAMBRICON, (uint32_t)device, view) ? CNDEV_SUCCESS
                                                                                     : CNDEV_ERROR_INVALID_DEVICE_ID;
}

cndevRet_t hcs_cndev_reachable(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    cndevRet_t result = known(device, out, view);
    if (result != CNDEV_SUCCESS)
        return result;
    return hcs_sim_has_fault(view->device, HCS_SIM_FAULT_LOST) ? CNDEV_ERROR_IN_PROBLEM : CNDEV_SUCCESS;
}

cndevRet_t hcs_cndev_versioned(cndevDevice_t device, const void *out, struct hcs_sim_view *view) {
    int32_t version;
    cndevRet_t result = hcs_cndev_reachable(device, out, view);
    if (result != CNDEV_SUCCESS)
        return result;
    memcpy(&version, out, sizeof version);
    return hcs_cndev_takes(version) ? CNDEV_SUCCESS : CNDEV_ERROR_UNSUPPORTED_API_VERSION;
}

HCS_SIM_EXPORT cndevRet_t cndevInit(int reserved) {
    if (reserved != 0)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    if (!hcs_sim_driver_present(HCS_VENDOR_CAMBRICON))
        return CNDEV_ERROR_NO_DRIVER;
    __atomic_add_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevRelease(void) {
    cndevRet_t result = enter();
    if (result == CNDEV_SUCCESS)
        __atomic_sub_fetch(&references, 1, __ATOMIC_ACQ_REL);
    return result;
}

HCS_SIM_EXPORT const char *cndevGetErrorString(cndevRet_t result) {
    switch ((int)result) {
    case CNDEV_SUCCESS:
        return "Cndev_SUCCESS";
    case CNDEV_ERROR_NO_DRIVER:
        return "Cndev_ERROR_NO_DRIVER";
    case CNDEV_ERROR_UNSUPPORTED_API_VERSION:
        return "Cndev_ERROR_UNSUPPORTED_API_VERSION";
    case CNDEV_ERROR_UNINITIALIZED:
        return "Cndev_ERROR_UNINITIALIZED";
    case CNDEV_ERROR_INVALID_ARGUMENT:
        return "Cndev_ERROR_INVALID_ARGUMENT";
    case CNDEV_ERROR_INVALID_DEVICE_ID:
        return "Cndev_ERROR_INVALID_DEVICE_ID";
    case CNDEV_ERROR_INSUFFICIENT_SPACE:
        return "Cndev_ERROR_INSUFFICIENT_SPACE";
    case CNDEV_ERROR_IN_PROBLEM:
        return "Cndev_ERROR_IN_PROBLEM";
    default:
        return "Cndev_ERROR_UNKNOWN";
    }
}

HCS_SIM_EXPORT cndevRet_t cndevGetDeviceCount(cndevCardInfo_t *info) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (info == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    if (!hcs_cndev_takes(info->version))
        return CNDEV_ERROR_UNSUPPORTED_API_VERSION;
    info->number = hcs_sim_count(HCS_VENDOR_CAMBRICON);
    return CNDEV_SUCCESS;
}

#if CNDEV_GENERATION >= 2024
HCS_SIM_EXPORT cndevRet_t cndevGetDeviceHandleByIndex(int index, cndevDevice_t *device) {
    struct hcs_sim_view view;
    cndevRet_t result = known(index, device, &view);
    if (result == CNDEV_SUCCESS)
        *device = index;
    return result;
}
#endif

HCS_SIM_EXPORT const char *cndevGetCardNameStringByDevId(cndevDevice_t device) {
    static _Thread_local char name[sizeof((struct hcs_sim_device *)0)->name];
    struct hcs_sim_view view;
    if (hcs_cndev_reachable(device, name, &view) != CNDEV_SUCCESS)
        return NULL;
    hcs_sim_name(view.device, name, sizeof name);
    return name;
}

HCS_SIM_EXPORT cndevRet_t cndevGetUUID(cndevUUID_t *uuid, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, uuid, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    hcs_sim_uuid_text(view.device, (char *)uuid->uuid);
    return CNDEV_SUCCESS; /* ncsUUID64 stays as it was: clients of version 5 have no room for it */
}

HCS_SIM_EXPORT cndevRet_t cndevGetDriverVersion(uint32_t *major, uint32_t *minor, uint32_t *patch) {
    cndevRet_t result = enter();
    if (result != CNDEV_SUCCESS)
        return result;
    if (major == NULL || minor == NULL || patch == NULL)
        return CNDEV_ERROR_INVALID_ARGUMENT;
    *major = 6;
    *minor = 2;
    *patch = 11;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetCardName(cndevCardName_t *name, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, name, &view);
    if (result == CNDEV_SUCCESS)
        name->id = 23; /* MLU370 */
    return result;
}

HCS_SIM_EXPORT const char *cndevGetCardNameString(int id) {
    return id == 23 ? "MLU370" : "Unknown";
}

HCS_SIM_EXPORT cndevRet_t cndevGetCardSN(cndevCardSN_t *sn, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, sn, &view);
    if (result != CNDEV_SUCCESS)
        return result;
    sn->sn = 0x522003;
    for (int i = 11; i < 16; i++)
        sn->sn = sn->sn << 8 | view.device->uuid[i];
    sn->motherBoardSn = 0;
    return CNDEV_SUCCESS;
}

HCS_SIM_EXPORT cndevRet_t cndevGetCoreCount(cndevCardCoreCount_t *count, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, count, &view);
    if (result == CNDEV_SUCCESS)
        count->count = (int32_t)view.device->cores;
    return result;
}

HCS_SIM_EXPORT cndevRet_t cndevGetVersionInfo(cndevVersionInfo_t *info, cndevDevice_t device) {
    struct hcs_sim_view view;
    cndevRet_t result = hcs_cndev_versioned(device, info, &view);
    if (result == CNDEV_SUCCESS)
        *info = (cndevVersionInfo_t){info->version, 1, 1, 4, 6, 2, 11};
    return result;
}
