// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Times calls into a vendor's library and tells of the long ones: a uprobe at each function's entry and one at its return.
 * User space attaches the two by hand, with the function's index as the cookie (since 5.15), and sets `threshold_ns`.
 */
#define HCS_RING_BYTES (64 * 1024) /* about 1100 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} threshold_ns SEC(".maps");

struct call {
    __u64 thread;
    __u64 function;
};

/* When it began. One that never returns is overwritten by the thread's next, or pushed out. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct call);
    __type(value, __u64);
} calls SEC(".maps");

SEC("uprobe")
int on_entry(struct pt_regs *registers)
{
    struct call call = {
        .thread = bpf_get_current_pid_tgid(),
        .function = bpf_get_attach_cookie(registers),
    };
    __u64 now = bpf_ktime_get_ns();

    bpf_map_update_elem(&calls, &call, &now, BPF_ANY);
    return 0;
}

SEC("uretprobe")
int on_return(struct pt_regs *registers)
{
    struct call call = {
        .thread = bpf_get_current_pid_tgid(),
        .function = bpf_get_attach_cookie(registers),
    };
    __u64 now = bpf_ktime_get_ns();
    __u64 *began = bpf_map_lookup_elem(&calls, &call);
    struct hcs_call_event *event;
    __u64 *threshold;
    __u64 duration;
    __u32 key = 0;

    if (!began)
        return 0;
    duration = now - *began;
    bpf_map_delete_elem(&calls, &call);
    threshold = bpf_map_lookup_elem(&threshold_ns, &key);
    if (!threshold || duration < *threshold)
        return 0;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = now;
    event->duration_ns = duration;
    event->pid = call.thread >> 32;
    event->function = call.function;
    bpf_get_current_comm(event->name, sizeof(event->name));
    bpf_ringbuf_submit(event, 0);
    return 0;
}
