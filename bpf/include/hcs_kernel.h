/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * The fields of the kernel that the programs read. CO-RE finds them by name in the running kernel's BTF; their order,
 * and what is not named here, do not matter.
 */
#ifndef HCS_KERNEL_H
#define HCS_KERNEL_H

#include "hcs_program.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* arch/x86/include/asm/mce.h */
struct mce {
    __u64 status;
    __u64 addr;
    __u32 extcpu;
    __u8 bank;
};

struct task_struct {
    int pid;
    int tgid;
    char comm[16];
};

#pragma clang attribute pop

#endif
