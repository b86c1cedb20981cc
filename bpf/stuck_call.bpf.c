// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Looks at the threads of processes that hold a device: an iterator over all tasks (task, since 5.8) that reads state,
 * system call and context switches. How long one has not moved is for user space to tell.
 */
#include "hcs_holders.h"

/* include/linux/sched.h */
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_NOLOAD 0x400 /* with TASK_UNINTERRUPTIBLE: idle, as kernel threads are */

static __always_inline __u32 state_of(unsigned int state)
{
    if (state & TASK_UNINTERRUPTIBLE)
        return state & TASK_NOLOAD ? HCS_TASK_OTHER : HCS_TASK_UNINTERRUPTIBLE;
    return state & TASK_INTERRUPTIBLE ? HCS_TASK_SLEEPING : HCS_TASK_OTHER;
}

SEC("iter/task")
int on_task(struct bpf_iter__task *context)
{
    struct task_struct *task = context->task;
    struct hcs_task_look look = {};
    struct pt_regs *regs;

    if (!task || !is_holder(task->tgid))
        return 0;
    look.pid = task->tgid;
    look.thread = task->pid;
    look.state = state_of(task->__state);
    look.switches = task->nvcsw + task->nivcsw;
    look.call = -1;
    /* The registers of a thread that runs belong to nobody else. */
    regs = (struct pt_regs *)bpf_task_pt_regs(task);
    if (regs && look.state != HCS_TASK_OTHER) {
        look.call = HCS_SYSCALL_NUMBER(regs);
        look.first = HCS_SYSCALL_FIRST(regs);
        look.second = HCS_SYSCALL_SECOND(regs);
    }
    bpf_probe_read_kernel_str(look.name, sizeof(look.name), task->comm);
    bpf_seq_write(context->meta->seq, &look, sizeof(look));
    return 0;
}
