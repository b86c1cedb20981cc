// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees kernel-log lines as they are stored: the tracepoint printk:console (include/trace/events/printk.h), which has had
 * the arguments (text, length) since 3.x. tp_btf needs no tracefs. Lines without a word that fault messages have
 * (vendor-abi reference, sections 1.4, 2.3, 3.3, 4.3: "Xid" in any case, "ascend") are left to the /dev/kmsg reader.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define HCS_RING_BYTES (128 * 1024) /* about 240 events */
#include "hcs_events.h"
#include "hcs_program.h"

#define WORD_XID 0x786964ULL      /* "xid" */
#define WORD_ASCEND 0x5b617363ULL /* "[asc" */

/* 1 when the line has "xid" or "[asc" in any case. Without branches on the data, so that the verifier walks it once. */
static __always_inline __u64 is_interesting(const struct hcs_log_event *event, __u32 length)
{
    __u64 window = 0, hit = 0;

    for (__u32 i = 0; i < HCS_LOG_SCAN_BYTES; i++) {
        if (i >= length)
            break;
        window = (window << 8 | (__u8)event->text[i]) & 0xffffffff;
        /* (x - 1) >> 63 is 1 only for x = 0; | 0x20 makes letters lower case */
        hit |= ((((window | 0x202020) & 0xffffff) ^ WORD_XID) - 1) >> 63;
        hit |= (((window | 0x202020) ^ WORD_ASCEND) - 1) >> 63;
    }
    return hit;
}

SEC("tp_btf/console")
int BPF_PROG(on_console, const char *text, size_t length)
{
    struct hcs_log_event *event;
    __u32 n;

    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count_drop();
        return 0;
    }
    n = length < HCS_LOG_TEXT_BYTES ? length : HCS_LOG_TEXT_BYTES - 1;
    n &= HCS_LOG_TEXT_BYTES - 1;
    if (bpf_probe_read_kernel(event->text, n, text) < 0 || !is_interesting(event, n)) {
        bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
        return 0;
    }
    event->ktime_ns = bpf_ktime_get_ns();
    event->length = n;
    event->reserved = 0;
    bpf_ringbuf_submit(event, 0);
    return 0;
}
