/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated libhydmi.so. A virtual DCU is a part of a card as the state file has them for MIG; a slice is a seventh of
 * the card's compute units. They are numbered over all cards.
 */
#include "../../../simulation/hcs_sim_library.h"
#include "../hydmi_abi.h"

static uint32_t parts(const struct hcs_sim_device *device) {
    uint32_t count = device->mig_mode != 0 ? device->mig_count : 0;
    return count < HCS_SIM_MIGS ? count : HCS_SIM_MIGS;
}

static dmiStatus find(int number, struct hcs_sim_view *ret) {
    if (!hcs_sim_driver_present(HCS_VENDOR_HYGON))
        return DMI_STATUS_OPEN_MKFD_FAILED;
    for (uint32_t i = 0; number >= 0 && hcs_sim_find(HCS_VENDOR_HYGON, i, ret); i++) {
        uint32_t count = parts(ret->device);
        if ((uint32_t)number < count) {
            ret->mig = &ret->device->migs[number];
            ret->position = ret->mig->position;
            return DMI_STATUS_SUCCESS;
        }
        number -= (int)count;
    }
    return DMI_STATUS_VDEV_NOT_EXIST;
}

HCS_SIM_EXPORT dmiStatus dmiGetVDeviceCount(int *count) {
    struct hcs_sim_view view;
    hcs_sim_gate(HCS_VENDOR_HYGON);
    if (!hcs_sim_driver_present(HCS_VENDOR_HYGON))
        return DMI_STATUS_OPEN_MKFD_FAILED;
    if (count == NULL)
        return DMI_STATUS_INVALID_ARGUMENTS;
    *count = 0;
    for (uint32_t i = 0; hcs_sim_find(HCS_VENDOR_HYGON, i, &view); i++)
        *count += (int)parts(view.device);
    return DMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT dmiStatus dmiGetVDeviceInfo(int number, hcs_hydmi_device *ret) {
    struct hcs_sim_view view;
    hcs_sim_gate(HCS_VENDOR_HYGON);
    dmiStatus status = find(number, &view);
    if (status != DMI_STATUS_SUCCESS)
        return status;
    if (ret == NULL)
        return DMI_STATUS_INVALID_ARGUMENTS;
    memset(&ret->info, 0, sizeof ret->info);
    hcs_sim_name(view.device, ret->info.name, sizeof ret->info.name);
    ret->info.compute_unit_count = (int)(view.device->cores * view.mig->slices / 7);
    ret->info.global_mem_size = view.mig->memory;
    ret->info.usage_mem_size = hcs_sim_used(view.position);
    ret->info.device_id = (int)view.device->index;
    return DMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT dmiStatus dmiGetDeviceInfo(int index, hcs_hydmi_device *ret) {
    struct hcs_sim_view view;
    hcs_sim_gate(HCS_VENDOR_HYGON);
    if (!hcs_sim_driver_present(HCS_VENDOR_HYGON))
        return DMI_STATUS_OPEN_MKFD_FAILED;
    if (ret == NULL || index < 0 || !hcs_sim_find(HCS_VENDOR_HYGON, (uint32_t)index, &view))
        return DMI_STATUS_INVALID_ARGUMENTS;
    memset(&ret->info, 0, sizeof ret->info);
    hcs_sim_name(view.device, ret->info.name, sizeof ret->info.name);
    ret->info.compute_unit_count = (int)view.device->cores;
    ret->info.global_mem_size = view.device->memory;
    ret->info.usage_mem_size = hcs_sim_used(view.position);
    ret->info.device_id = index;
    return DMI_STATUS_SUCCESS;
}

HCS_SIM_EXPORT dmiStatus dmiGetVDevBusyPercent(int number, int *percent) {
    struct hcs_sim_view view;
    hcs_sim_gate(HCS_VENDOR_HYGON);
    dmiStatus status = find(number, &view);
    if (status != DMI_STATUS_SUCCESS)
        return status;
    if (percent == NULL)
        return DMI_STATUS_INVALID_ARGUMENTS;
    *percent = (int)hcs_sim_load(&view.device->utilization);
    return DMI_STATUS_SUCCESS;
}
