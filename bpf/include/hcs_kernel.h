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

typedef struct {
    int counter;
} atomic_t;

struct signal_struct {
    atomic_t live; /* threads that have not begun to exit */
};

struct task_struct {
    unsigned int __state; /* since 5.14 */
    int exit_code;
    int pid;
    int tgid;
    unsigned long nvcsw;
    unsigned long nivcsw;
    __u64 start_boottime;
    char comm[16];
    struct signal_struct *signal;
};

struct thermal_zone_device {
    int id;
    char type[20];
    int temperature;
};

struct inode {
    unsigned short i_mode;
    __u32 i_rdev;
};

struct file {
    struct inode *f_inode;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};

/* The registers of a task within a system call. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
    unsigned long si;
    unsigned long di;
    unsigned long orig_ax;
};
#define HCS_SYSCALL_NUMBER(regs) ((int)(regs)->orig_ax)
#define HCS_SYSCALL_FIRST(regs) ((regs)->di)
#define HCS_SYSCALL_FIRST_CORE(regs) BPF_CORE_READ(regs, di)
#define HCS_SYSCALL_SECOND(regs) ((regs)->si)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
    __u64 regs[31];
    __u64 orig_x0;
    int syscallno;
};
#define HCS_SYSCALL_NUMBER(regs) ((regs)->syscallno)
#define HCS_SYSCALL_FIRST(regs) ((regs)->orig_x0)
#define HCS_SYSCALL_FIRST_CORE(regs) BPF_CORE_READ(regs, orig_x0)
#define HCS_SYSCALL_SECOND(regs) ((regs)->regs[1])
#endif

#pragma clang attribute pop

#define S_IFMT 0170000
#define S_IFCHR 0020000

#endif
