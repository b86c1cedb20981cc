// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees PCIe errors as the kernel handles them: the tracepoint ras:aer_event (include/ras/ras_event.h), whose first three
 * arguments have been (name, status, severity) since 3.13. raw_tp: it loads, and says at attach that there is no such
 * tracepoint, where the kernel was built without CONFIG_PCIEAER.
 */
#define HCS_RING_BYTES (16 * 1024) /* about 250 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/aer_event")
int BPF_PROG(on_pcie_error, const char *name, __u32 status, __u8 severity)
{
    struct hcs_pcie_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->status = status;
    event->severity = severity;
    bpf_probe_read_kernel_str(event->device, sizeof(event->device), name);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
