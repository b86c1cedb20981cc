// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees error records of the firmware that the kernel has no handler for: the tracepoint ras:non_standard_event
 * (include/ras/ras_event.h), whose arguments have been the same since 4.13.
 */
#define HCS_RING_BYTES (16 * 1024) /* about 220 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/non_standard_event")
int BPF_PROG(on_firmware_record, const void *section, const void *fru_id, const char *fru, __u8 severity,
             const void *data, __u32 length)
{
    struct hcs_firmware_record_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->length = length;
    event->severity = severity;
    bpf_probe_read_kernel(event->section, sizeof(event->section), section);
    bpf_probe_read_kernel_str(event->fru, sizeof(event->fru), fru);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
