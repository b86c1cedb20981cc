/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * The processes that hold a device, as user space last found them: programs that concern only those look here first.
 */
#ifndef HCS_HOLDERS_H
#define HCS_HOLDERS_H

#include "hcs_events.h"
#include "hcs_kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, HCS_HOLDER_LIMIT);
    __type(key, __u32); /* pid in the first pid namespace */
    __type(value, __u8);
} holders SEC(".maps");

static __always_inline int is_holder(__u32 pid)
{
    return bpf_map_lookup_elem(&holders, &pid) != NULL;
}

#endif
