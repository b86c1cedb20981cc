// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees thermal zones pass a trip point: the tracepoint thermal:thermal_zone_trip (drivers/thermal/thermal_trace.h), whose
 * arguments have been (zone, trip, type of trip) since 3.16.
 */
#define HCS_RING_BYTES (16 * 1024) /* about 300 events */
#include "hcs_events.h"
#include "hcs_kernel.h"

SEC("raw_tp/thermal_zone_trip")
int BPF_PROG(on_trip, struct thermal_zone_device *zone, int number, __u32 trip)
{
    struct hcs_thermal_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop();
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->ktime_ns = bpf_ktime_get_ns();
    event->trip = trip;
    event->zone = BPF_CORE_READ(zone, id);
    event->temperature = BPF_CORE_READ(zone, temperature);
    BPF_CORE_READ_STR_INTO(&event->type, zone, type);
    bpf_ringbuf_submit(event, 0);
    return 0;
}
