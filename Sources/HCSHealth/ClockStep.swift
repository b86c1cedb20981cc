/// Tells when the clock of the day was set: it and one that is never set drift apart by more than a second.
package struct ClockWatch: Hashable, Sendable {
    private static let slack: Int64 = 1000

    private var difference: Int64?

    package init() {}

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - uptime: milliseconds of a clock that is never set and counts suspended time too.
    /// - Returns: by how much the clock was set since the last look; 0 for what a step is not.
    package mutating func step(now: Int64, uptime: Int64) -> Int64 {
        let (new, overflow) = now.subtractingReportingOverflow(uptime)
        guard !overflow else { return 0 }
        guard let old = difference else {
            difference = new
            return 0
        }
        let (step, tooFar) = new.subtractingReportingOverflow(old)
        guard tooFar || step.magnitude > UInt64(Self.slack) else { return 0 }
        difference = new
        return tooFar ? 0 : step
    }
}

extension HealthAnalyzer {
    /// The clock was set by so much: what this process saw keeps its age, or a step forward would be a gap in all samples
    /// and the end of every quiet time. What an earlier process wrote keeps the time it has.
    package mutating func clockWasSet(by step: Int64) {
        guard step != 0 else { return }
        for id in Array(evidence.keys) { evidence[id]?.clockWasSet(by: step) }
        node.clockWasSet(by: step)
        shiftWorkers(by: step)
    }
}

extension DeviceEvidence {
    mutating func clockWasSet(by step: Int64) {
        // Of the memory what belongs to this process: the rest may be from another clock.
        memory.clockWasSet(by: step, since: arrivedMilliseconds)
        arrivedMilliseconds.shift(by: step)
        shiftSamples(by: step)
        presence.clockWasSet(by: step)
        throttleSeen.clockWasSet(by: step)
        throttled.clockWasSet(by: step)
        vendorHealthSinceMilliseconds?.shift(by: step)
        warmSinceMilliseconds?.shift(by: step)
        narrowSinceMilliseconds?.shift(by: step)
        abandonedSinceMilliseconds?.shift(by: step)
        fabricManagerDown?.sinceMilliseconds.shift(by: step)
        for port in Array(downPorts.keys) { downPorts[port]?.sinceMilliseconds.shift(by: step) }
        for lane in Array(downLinks.keys) { downLinks[lane]?.shift(by: step) }
        for i in stuck.indices {
            stuck[i].sinceMilliseconds.shift(by: step)
            stuck[i].seenMilliseconds.shift(by: step)
        }
        duplicates.clockWasSet(by: step)
        worker.clockWasSet(by: step)
    }
}

extension WorkerEvidence {
    mutating func clockWasSet(by step: Int64) {
        sinceMilliseconds.shift(by: step)
        bucket?.clockWasSet(by: step)
    }
}

extension DeviceMemory {
    fileprivate mutating func clockWasSet(by step: Int64, since start: Int64) {
        func isOurs(_ at: Int64) -> Bool { at >= start }
        for i in latches.indices where isOurs(latches[i].lastMilliseconds) {
            if isOurs(latches[i].sinceMilliseconds) { latches[i].sinceMilliseconds.shift(by: step) }
            latches[i].lastMilliseconds.shift(by: step)
        }
        for i in latches.indices { latches[i].repairedMilliseconds?.shift(by: step) }
        for name in Array(buckets.keys) where isOurs(buckets[name]?.atMilliseconds ?? .min) {
            buckets[name]?.clockWasSet(by: step)
        }
        slow.band.clockWasSet(by: step)
    }
}

extension Int64 {
    /// Saturating: a clock can be set to anything.
    mutating func shift(by step: Int64) {
        let (sum, overflow) = addingReportingOverflow(step)
        self = overflow ? (step > 0 ? .max : .min) : sum
    }
}
