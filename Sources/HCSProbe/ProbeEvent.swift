internal import HCSSystem

/// What a probe saw, once. A probe's program and its polling twin give the same case.
package enum ProbeEvent: Hashable, Sendable {
    /// A line of the kernel log: `FaultParser` finds the fault in it.
    case kernelLog(KernelLogEvent)
    /// Something that happened to the host, a device or a process that holds one.
    case host(HostEvent)
}

/// When and how a probe saw something.
package struct Sighting: Hashable, Sendable {
    package enum Source: String, Hashable, Sendable {
        /// An eBPF program saw it as it happened; the time is the kernel's.
        case bpf
        /// Found by reading files; the time is that of the reading.
        case polling
    }

    /// CLOCK_MONOTONIC.
    package var monotonicNanoseconds: UInt64
    /// Milliseconds since 1970.
    package var atMilliseconds: Int64
    package var via: Source

    package init(monotonicNanoseconds: UInt64, atMilliseconds: Int64, via: Source) {
        self.monotonicNanoseconds = monotonicNanoseconds
        self.atMilliseconds = atMilliseconds
        self.via = via
    }

    /// A reading made now.
    static func polling() -> Sighting {
        Sighting(
            monotonicNanoseconds: MonotonicClock.nowNanoseconds(), atMilliseconds: RealtimeClock.nowMilliseconds(),
            via: .polling)
    }

    /// What a program stamped with the kernel's clock.
    static func program(atNanoseconds seen: UInt64) -> Sighting {
        let now = MonotonicClock.nowNanoseconds()
        let age = Int64(clamping: (now - min(seen, now)) / 1_000_000)
        return Sighting(
            monotonicNanoseconds: min(seen, now), atMilliseconds: RealtimeClock.nowMilliseconds() - age, via: .bpf)
    }
}
