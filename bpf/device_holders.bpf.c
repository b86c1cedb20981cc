// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Finds who has a device node open: an iterator over all open files (task_file, since 5.8). User space fills `devices`.
 */
#include "hcs_events.h"
#include "hcs_kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, HCS_DEVICE_LIMIT);
    __type(key, __u32); /* major << 20 | minor, the kernel's dev_t */
    __type(value, __u8);
} devices SEC(".maps");

SEC("iter/task_file")
int on_file(struct bpf_iter__task_file *context)
{
    /* Read once: the verifier forgets what a second read of the context would be. */
    struct task_struct *task = context->task;
    struct file *file = context->file;
    struct hcs_held_file held = {};
    struct inode *inode;
    __u32 device;

    if (!task || !file)
        return 0;
    inode = file->f_inode;
    if ((inode->i_mode & S_IFMT) != S_IFCHR)
        return 0;
    device = inode->i_rdev;
    if (!bpf_map_lookup_elem(&devices, &device))
        return 0;
    held.start_ns = task->start_boottime;
    held.pid = task->tgid;
    held.fd = context->fd;
    held.device = device;
    bpf_probe_read_kernel_str(held.name, sizeof(held.name), task->comm);
    bpf_seq_write(context->meta->seq, &held, sizeof(held));
    return 0;
}
