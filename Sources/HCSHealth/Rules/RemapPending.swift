import HCSModel

/// A row or page that is replaced at the next reset, while the driver says so. Xid 63 tells the same and counts once.
package struct RemapPending: HealthRule {
    package let name = "remap-pending"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let signals = evidence.sample?.signals, policy.remapPending.penalty > 0,
            signals[.rowRemapPending] == 1 || signals[.retiredPagesPending] == 1,
            evidence.memory.buckets["row-remap"] == nil
        else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: policy.remapPending.penalty,
                    detail: "memory is repaired at the next reset", source: "vendor-library", sinceMilliseconds: now,
                    advice: FaultAdvice.reset.rawValue, authority: policy.remapPending.source))
        ]
    }
}
