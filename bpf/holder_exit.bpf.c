// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees the end of processes that hold a device: the tracepoint sched:sched_process_exit (include/trace/events/sched.h),
 * which every thread passes, after it was taken off `live`. Its first argument has always been the task.
 */
#define HCS_RING_BYTES (64 * 1024) /* about 1600 events: a job of a whole host may end at once */
#include "hcs_holders.h"

SEC("raw_tp/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
    struct hcs_exit_event *event;
    __u32 pid = BPF_CORE_READ(task, tgid);

    if (!is_holder(pid) || BPF_CORE_READ(task, signal, live.counter) != 0)
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->pid = pid;
    event->code = BPF_CORE_READ(task, exit_code);
    BPF_CORE_READ_STR_INTO(&event->name, task, comm);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
