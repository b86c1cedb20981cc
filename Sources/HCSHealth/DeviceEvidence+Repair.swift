import HCSModel

extension DeviceEvidence {
    /// A boot after the one in which a latch was seen last is evidence of a repair.
    mutating func noticeBoot(_ bootID: String, at now: Int64, policy: HealthPolicy) {
        let isAnother = memory.latches.contains { $0.bootID != nil && $0.bootID != bootID }
        if isAnother { repaired(by: .reboot, at: now, policy: policy, bootID: bootID) }
    }

    /// Notes the evidence. What stands only until a reset is over; a latch still has to be quiet for a while.
    mutating func repaired(
        by repair: HealthLatch.Repair, at now: Int64, policy: HealthPolicy, bootID: String? = nil
    ) {
        for i in memory.latches.indices {
            let latch = memory.latches[i]
            guard latch.repairedMilliseconds == nil, bootID == nil || latch.bootID != bootID else { continue }
            switch (latch.repair ?? .reset, repair) {
            case (.process, _), (.reset, .reset), (.reset, .reboot), (.reboot, .reboot):
                memory.latches[i].repairedMilliseconds = now
            default: break
            }
        }
        memory.dropUntilReset(policy)
    }

    mutating func forgive(_ new: DeviceMemory) {
        memory = new
        replays = RateMeter()
        pcieErrors = RateMeter()
        duplicates = DuplicateFilter()
        stuck = []
    }

    /// Takes off the latches whose repair was seen and that were quiet since, and those whose processes are gone.
    mutating func settle(at now: Int64, policy: HealthPolicy) {
        stuck.removeAll { $0.isOver(at: now) }
        guard !memory.latches.isEmpty else { return }
        for latch in memory.latches where isOver(latch, at: now, policy) {
            memory.latches.removeAll { $0.factor == latch.factor && $0.code == latch.code }
            memory.note(
                HealthRecord(
                    atMilliseconds: now, kind: .cleared, code: latch.fault ?? latch.factor, detail: latch.detail))
        }
    }

    private func isOver(_ latch: HealthLatch, at now: Int64, _ policy: HealthPolicy) -> Bool {
        if latch.repair == .process, latch.repairedMilliseconds == nil { return holdersGone(latch) }
        guard let repaired = latch.repairedMilliseconds, latch.repair != .person else { return false }
        let (quiet, overflow) = now.subtractingReportingOverflow(max(repaired, latch.lastMilliseconds))
        return !overflow && quiet >= policy.latches.quietSeconds * 1000 && isProven(since: repaired, at: now, policy)
    }

    /// A later sample no longer shows any of the processes that held the device when the fault was seen.
    private func holdersGone(_ latch: HealthLatch) -> Bool {
        guard let sampled = sampledMilliseconds, sampled > latch.lastMilliseconds, let sample else { return false }
        let alive = Set(sample.processes.map(\.pid))
        return (latch.holders ?? []).allSatisfy { !alive.contains($0) }
    }

    /// The active probe: the device answers, its vendor has nothing against it, and where the policy wants it, it was measured.
    private func isProven(since repaired: Int64, at now: Int64, _ policy: HealthPolicy) -> Bool {
        guard let sample, let sampled = sampledMilliseconds, sampled > repaired,
            coverage(at: now) ?? 0 >= policy.coverage.minimumShare, worker.inARow == 0
        else { return false }
        if sample.vendorHealth == .lost || sample.vendorHealth == .critical { return false }
        if sample.signals[.rowRemapFailed] == 1 || memory.recovery != nil { return false }
        guard policy.latches.requireMeasurement else { return true }
        guard let measured = device.fingerprint.measured, measured.atMilliseconds > repaired,
            measured.simulated == device.simulated
        else { return false }
        let shares = [device.fingerprint.measuredComputeShare, device.fingerprint.measuredBandwidthShare]
        return shares.compactMap(\.self).allSatisfy { $0 >= policy.throughput.minimumShare }
    }
}

extension StuckProcess {
    /// It is told again each time its age has doubled; without that it is over.
    func isOver(at now: Int64) -> Bool {
        let (age, ageOverflow) = seenMilliseconds.subtractingReportingOverflow(sinceMilliseconds)
        let (silent, overflow) = now.subtractingReportingOverflow(seenMilliseconds)
        guard !overflow, !ageOverflow else { return true }
        return silent > max(60_000, min(age, 1 << 40) * 3 / 2)
    }
}

extension HealthAnalyzer {
    mutating func settle(_ id: DeviceID, at now: Int64) {
        guard var known = evidence[id] else { return }
        let held = known.memory.latches.filter { $0.repair == .process }
        known.settle(at: now, policy: policy)
        // Hard while the processes lived, soft after.
        for latch in held
        where !known.memory.latches.contains(where: { $0.factor == latch.factor && $0.code == latch.code }) {
            guard let name = latch.fault, let code = FaultCode(name), let row = policy.row(code, in: catalogue),
                row.faultClass == .held, let group = policy.groups[row.group]
            else { continue }
            let last = DeviceMemory.LastCode(
                code: name, detail: latch.detail, source: latch.source, advice: latch.advice, authority: row.source)
            known.memory.fall(into: row.group, group, at: now, last: last)
        }
        if known != evidence[id] { evidence[id] = known }
    }

    /// The node has no samples: its latches go with a reboot and quiet time, or at an operator's word.
    mutating func settleNode(at now: Int64) {
        let over = node.memory.latches.filter { latch in
            guard let repaired = latch.repairedMilliseconds, latch.repair != .person else { return false }
            let (quiet, overflow) = now.subtractingReportingOverflow(max(repaired, latch.lastMilliseconds))
            return !overflow && quiet >= policy.latches.quietSeconds * 1000
        }
        node.memory.latches.removeAll { over.contains($0) }
    }
}
