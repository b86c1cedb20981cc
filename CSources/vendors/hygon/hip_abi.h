/* SPDX-License-Identifier: Apache-2.0
 *
 * HIP runtime (Hygon DTK libgalaxyhip.so.5; AMD libamdhip64.so.{4,5,6,7}): the part HCS calls, hooks or simulates.
 * Source: "HIP Runtime API Reference", ROCm 6.2 (Memory Management, Device Management); unchanged since ROCm 5.2.
 * hipError_t is a 4-byte enum. AMD's symbols carry version nodes (hipMalloc@@hip_4.2), Hygon's carry none.
 */
#ifndef HCS_HIP_ABI_H
#define HCS_HIP_ABI_H

#include <stddef.h>
#include <stdint.h>

/* hipError_t */
enum hcs_hip_status {
    HCS_HIP_SUCCESS = 0,
    HCS_HIP_INVALID_VALUE = 1,
    HCS_HIP_OUT_OF_MEMORY = 2,
    HCS_HIP_NOT_INITIALIZED = 3,
    HCS_HIP_INSUFFICIENT_DRIVER = 35,
    HCS_HIP_NO_DEVICE = 100,
    HCS_HIP_INVALID_DEVICE = 101,
    HCS_HIP_INVALID_CONTEXT = 201,
    HCS_HIP_NOT_FOUND = 500,
    HCS_HIP_NOT_SUPPORTED = 801,
    HCS_HIP_UNKNOWN = 999,
};

/* hipUUID: the driver's unique_id as 16 ASCII hexadecimal characters, no terminator. */
struct hcs_hip_uuid {
    char bytes[16];
};

int hipInit(unsigned flags);
int hipGetDeviceCount(int *count);
int hipSetDevice(int ordinal);
int hipGetDevice(int *ordinal);
int hipDeviceGet(int *device, int ordinal);
int hipDeviceGetUuid(struct hcs_hip_uuid *uuid, int device);
int hipDeviceTotalMem(size_t *bytes, int device);
int hipMalloc(void **pointer, size_t bytes);
int hipFree(void *pointer);
int hipMemGetInfo(size_t *free_bytes, size_t *total_bytes);
const char *hipGetErrorString(int status);

#endif
