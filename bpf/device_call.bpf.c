// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Times the system calls that processes make on vendors' devices: the raw tracepoints sys_enter (regs, id) and sys_exit
 * (regs, ret) of include/trace/events/syscalls.h. Every system call of the host runs both, so most must leave at once:
 * what is not on a descriptor that user space put into `files` is none of ours. User space reads `calls` to see who is in
 * one now, and is told of those that took as long as `threshold_ns` when they end.
 */
#define HCS_RING_BYTES (64 * 1024) /* about 1100 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

/* Numbers of those whose first argument is a descriptor (asm/unistd.h), as bits. A process of 32 bits has others. */
#if defined(__TARGET_ARCH_x86)
/* read write close ioctl pread64 pwrite64 readv writev fsync */
#define LOW (1ULL << 0 | 1ULL << 1 | 1ULL << 3 | 1ULL << 16 | 1ULL << 17 | 1ULL << 18 | 1ULL << 19 | 1ULL << 20)
#define HIGH (1ULL << (74 - 64))
#else
/* ioctl close read write readv writev pread64 pwrite64 fsync */
#define LOW (1ULL << 29 | 1ULL << 57 | 1ULL << 63)
#define HIGH (1ULL << 0 | 1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << (82 - 64))
#endif

/* The descriptors that lead to a device: pid in the first pid namespace << 32 | descriptor. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, HCS_FILE_LIMIT);
    __type(key, __u64);
    __type(value, __u8);
} files SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} threshold_ns SEC(".maps");

/* Threads that are in such a call. One that ends within it is overwritten by whoever gets its number, or pushed out. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, HCS_CALL_LIMIT);
    __type(key, __u32); /* thread */
    __type(value, struct hcs_device_call);
} calls SEC(".maps");

SEC("raw_tp/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *registers, unsigned long number)
{
    __u64 thread, file;
    struct hcs_device_call call;
    __u32 key;

    if (number >= 128 || !((number < 64 ? LOW >> number : HIGH >> (number - 64)) & 1))
        return 0;
    thread = bpf_get_current_pid_tgid();
    file = (thread & 0xffffffff00000000ULL) | (__u32)HCS_SYSCALL_FIRST_CORE(registers);
    if (!bpf_map_lookup_elem(&files, &file))
        return 0;
    __builtin_memset(&call, 0, sizeof(call));
    call.entered_ns = bpf_ktime_get_ns();
    call.pid = thread >> 32;
    call.thread = thread;
    call.call = number;
    call.fd = file;
    bpf_get_current_comm(call.name, sizeof(call.name));
    key = thread;
    bpf_map_update_elem(&calls, &key, &call, BPF_ANY);
    return 0;
}

SEC("raw_tp/sys_exit")
int BPF_PROG(on_exit, struct pt_regs *registers, long result)
{
    __u32 key = bpf_get_current_pid_tgid(), zero = 0;
    struct hcs_device_call *call = bpf_map_lookup_elem(&calls, &key), *event;
    __u64 now, *threshold;

    if (!call)
        return 0;
    now = bpf_ktime_get_ns();
    threshold = bpf_map_lookup_elem(&threshold_ns, &zero);
    if (threshold && now - call->entered_ns >= *threshold) {
        event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
        if (event) {
            *event = *call;
            event->left_ns = now;
            bpf_ringbuf_submit(event, 0);
        } else
            count_drop();
    }
    bpf_map_delete_elem(&calls, &key);
    return 0;
}
