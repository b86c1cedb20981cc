/* SPDX-License-Identifier: Apache-2.0
 *
 * Cambricon CNRT (libcnrt.so): the part HCS calls, hooks or simulates.
 * Source: "Cambricon Runtime Library (CNRT) Developer Guide", versions 6.x, and 4.10 for the old numbering.
 * cnrtRet_t is a 4-byte enum. CNRT 5 changed the error numbers and replaced cnrtGetMemInfo (MiB, by channel) with
 * cnrtMemGetInfo (bytes): a library that has the first and lacks the second numbers its errors the old way.
 */
#ifndef HCS_CNRT_ABI_H
#define HCS_CNRT_ABI_H

#include <stddef.h>
#include <stdint.h>

/* cnrtRet_t */
enum hcs_cnrt_status {
    HCS_CNRT_SUCCESS = 0,
    HCS_CNRT_NO_DEVICE = 100004,
    HCS_CNRT_DEVICE_INVALID = 100005,
    HCS_CNRT_ARGS_INVALID = 100006,
    HCS_CNRT_SYSTEM = 100007,
    HCS_CNRT_NOT_SUPPORT = 100050,
    HCS_CNRT_NO_MEMORY = 100100,
    HCS_CNRT_NOT_FOUND = 100301,
    HCS_CNRT4_INVALID = 632007,
    HCS_CNRT4_NO_MEMORY = 632008,
    HCS_CNRT4_NO_DEVICE = 632009,
};

int cnrtGetDeviceCount(unsigned *count);
int cnrtSetDevice(int ordinal);
int cnrtGetDevice(int *ordinal);
int cnrtMalloc(void **pointer, size_t bytes);
int cnrtFree(void *pointer);
int cnrtMemGetInfo(size_t *free_bytes, size_t *total_bytes);
int cnrtGetMemInfo(size_t *free_mib, size_t *total_mib, uint32_t channel); /* CNRT 4 and older */

#endif
