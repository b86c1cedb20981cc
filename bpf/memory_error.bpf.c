// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees errors of memory controllers: the tracepoint ras:mc_event (include/ras/ras_event.h), whose twelve arguments have
 * been the same since 3.10.
 */
#define HCS_RING_BYTES (64 * 1024) /* about 380 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/mc_event")
int BPF_PROG(on_memory_error, __u32 type, const char *text, const char *label, int count, __u8 controller, __s8 top,
             __s8 middle, __s8 low, unsigned long address, __u8 grain_bits, unsigned long syndrome, const char *detail)
{
    struct hcs_memory_error_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->address = address;
    event->type = type;
    event->count = count;
    event->controller = controller;
    bpf_probe_read_kernel_str(event->label, sizeof(event->label), label);
    bpf_probe_read_kernel_str(event->text, sizeof(event->text), text);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
