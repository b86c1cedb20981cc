// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees whom the kernel kills for want of memory: the tracepoint oom:mark_victim (include/trace/events/oom.h). Its
 * argument was the pid and is, since 6.10, the task; a raw_tp sees a number in both, and no pid has bits above 32.
 */
#define HCS_RING_BYTES (16 * 1024) /* about 400 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/mark_victim")
int BPF_PROG(on_victim, __u64 victim)
{
    struct hcs_oom_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    if (victim >> 32) {
        struct task_struct *task = (void *)victim;

        event->pid = BPF_CORE_READ(task, pid);
        BPF_CORE_READ_STR_INTO(&event->name, task, comm);
    } else {
        event->pid = victim;
    }
    bpf_ringbuf_submit(event, 0);
    return 0;
}
