// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees signals that end a process on their way to one that holds a device: the tracepoint signal:signal_generate
 * (include/trace/events/signal.h), whose arguments have been (signal, info, task, group, result) since 3.2.
 */
#define HCS_RING_BYTES (64 * 1024) /* about 1600 events */
#include "hcs_holders.h"

#define TRACE_SIGNAL_DELIVERED 0

/* SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGTERM, SIGSYS */
#define DEADLY (1U << 4 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 9 | 1U << 11 | 1U << 15 | 1U << 31)

SEC("raw_tp/signal_generate")
int BPF_PROG(on_signal, int signal, const void *info, struct task_struct *task, int group, int result)
{
    struct hcs_signal_event *event;
    __u32 pid;

    if (signal < 1 || signal > 31 || !(DEADLY >> signal & 1) || result != TRACE_SIGNAL_DELIVERED)
        return 0;
    pid = BPF_CORE_READ(task, tgid);
    if (!is_holder(pid))
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->pid = pid;
    event->signal = signal;
    BPF_CORE_READ_STR_INTO(&event->name, task, comm);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
