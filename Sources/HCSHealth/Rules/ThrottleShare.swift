import HCSModel

/// The share of time in which heat or the power supply held the clocks down. A power cap is an operator's wish and does not count.
package struct ThrottleShare: HealthRule {
    package let name = "throttle"
    /// Fewer samples say nothing.
    static let minimumSlots = 6

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let seen = evidence.throttleSeen.recent(at: now), held = evidence.throttled.recent(at: now)
        guard seen >= Self.minimumSlots, held > 0 else { return [] }
        let measure = policy.throttle.level.measure(Double(held) / Double(seen), unit: "share")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail:
                        "clocks held down in \(held) of \(seen) samples of the last \(policy.throttle.windowSeconds) s",
                    source: "vendor-library", sinceMilliseconds: now, measure: measure,
                    authority: policy.throttle.source))
        ]
    }
}
