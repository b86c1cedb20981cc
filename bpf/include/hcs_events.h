/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * What the BPF programs tell user space. Shared by bpf/ and CSources/probe; fixed-width fields only.
 */
#ifndef HCS_EVENTS_H
#define HCS_EVENTS_H

#include <linux/types.h>

#define HCS_LOG_TEXT_BYTES 512 /* a power of two: the program masks the length with it */
#define HCS_LOG_SCAN_BYTES 256 /* how far into a line the program looks for the words of a fault */

/* A kernel-log line at the moment it was stored. It wakes the reader and gives the time; the record itself, with its
 * sequence number and facility, is read from /dev/kmsg. */
struct hcs_log_event {
    __u64 ktime_ns; /* CLOCK_MONOTONIC */
    __u32 length;   /* bytes of text that follow, at most HCS_LOG_TEXT_BYTES - 1 */
    __u32 reserved;
    char text[HCS_LOG_TEXT_BYTES]; /* not NUL-terminated, not clean: any bytes */
};

#endif
