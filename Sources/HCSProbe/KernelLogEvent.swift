package import HCSSystem

/// A line of the kernel log, seen once: what every kernel-log probe gives, however it sees it.
package struct KernelLogEvent: Hashable, Sendable {
    package var record: KernelLogRecord
    /// CLOCK_MONOTONIC.
    package var seenMonotonicNanoseconds: UInt64
    /// Wall time of the record, milliseconds since 1970; for history worked out from the log's own clock.
    package var atMilliseconds: Int64
    package var via: Sighting.Source
    /// It was in the log before the probe started.
    package var isHistory: Bool
    /// From a simulated log, or marked `[hcs simulated]`.
    package var simulated: Bool

    package init(
        record: KernelLogRecord, seenMonotonicNanoseconds: UInt64, atMilliseconds: Int64, via: Sighting.Source,
        isHistory: Bool,
        simulated: Bool
    ) {
        self.record = record
        self.seenMonotonicNanoseconds = seenMonotonicNanoseconds
        self.atMilliseconds = atMilliseconds
        self.via = via
        self.isHistory = isHistory
        self.simulated = simulated
    }
}
