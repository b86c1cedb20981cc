/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * What every program has. One on a tracepoint: a ring buffer "events" and a counter "drops" of what did not fit into it;
 * HCS_RING_BYTES is defined before. One of an iterator writes to its reader and has neither.
 */
#ifndef HCS_PROGRAM_H
#define HCS_PROGRAM_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#ifdef HCS_RING_BYTES
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, HCS_RING_BYTES);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} drops SEC(".maps");

static __always_inline void count_drop(void)
{
    __u32 key = 0;
    __u64 *dropped = bpf_map_lookup_elem(&drops, &key);

    if (dropped)
        __sync_fetch_and_add(dropped, 1);
}
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
