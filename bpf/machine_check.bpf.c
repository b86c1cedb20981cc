// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees machine checks as the kernel logs them: the tracepoint mce:mce_record (include/trace/events/mce.h). Its argument
 * was a struct mce and is, since 6.13, a struct mce_hw_err, which begins with one; a raw_tp reads either.
 */
#define HCS_RING_BYTES (16 * 1024) /* about 400 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/mce_record")
int BPF_PROG(on_machine_check, struct mce *mce)
{
    struct hcs_machine_check_event *event;

    if (!bpf_core_type_exists(struct mce))
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->status = BPF_CORE_READ(mce, status);
    event->address = BPF_CORE_READ(mce, addr);
    event->cpu = BPF_CORE_READ(mce, extcpu);
    event->bank = BPF_CORE_READ(mce, bank);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
