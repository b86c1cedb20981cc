/* SPDX-License-Identifier: Apache-2.0
 *
 * Hygon's virtualisation library, libhydmi.so: what HCS calls, to see virtual DCUs. Written from the public dmi.h,
 * dmi_error.h and dmi_virtual.h of HYGON-AI/hcu-dcgm; the binary is not public. It works through /dev/mkfd.
 */
#ifndef HCS_HYDMI_ABI_H
#define HCS_HYDMI_ABI_H

#include "../hcs_load.h"

#define HCS_HYDMI_LIBRARY "libhydmi.so"

typedef enum {
    DMI_STATUS_SUCCESS = 0,
    DMI_STATUS_ERROR = 1,
    DMI_STATUS_OPEN_MKFD_FAILED = 3,
    DMI_STATUS_NOT_SUPPORTED = 6,
    DMI_STATUS_INVALID_ARGUMENTS = 10,
    DMI_STATUS_VDEV_NOT_EXIST = 15,
} dmiStatus;

typedef struct {
    char name[256];
    int compute_unit_count;
    size_t global_mem_size;
    size_t usage_mem_size;
    uint64_t container_id;
    int device_id; /* the card that a virtual device is part of */
} dmiDeviceInfo;

/* Room for a later revision that writes more. */
typedef struct {
    dmiDeviceInfo info;
    uint64_t slack[32];
} hcs_hydmi_device;

_Static_assert(sizeof(dmiStatus) == 4, "dmiStatus");
_Static_assert(sizeof(dmiDeviceInfo) == 296 && offsetof(dmiDeviceInfo, compute_unit_count) == 256 &&
                   offsetof(dmiDeviceInfo, global_mem_size) == 264 && offsetof(dmiDeviceInfo, usage_mem_size) == 272 &&
                   offsetof(dmiDeviceInfo, container_id) == 280 && offsetof(dmiDeviceInfo, device_id) == 288,
               "dmiDeviceInfo");

#define HCS_HYDMI_FUNCTIONS(X)                                                                                         \
    X(get_device_info, dmiGetDeviceInfo, dmiStatus, (int device, hcs_hydmi_device *))                                     \
    X(get_vdevice_count, dmiGetVDeviceCount, dmiStatus, (int *count))                                                  \
    X(get_vdevice_info, dmiGetVDeviceInfo, dmiStatus, (int vdevice, hcs_hydmi_device *))                                  \
    X(get_vdev_busy_percent, dmiGetVDevBusyPercent, dmiStatus, (int vdevice, int *percent))

HCS_ABI_TABLE(hydmi, HCS_HYDMI_FUNCTIONS)

#endif
