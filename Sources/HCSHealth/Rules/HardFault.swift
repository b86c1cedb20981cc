import HCSModel

/// A latched hard fault (the policy's hard codes, a device that its vendor calls lost) is a score of 0.
package struct HardFault: HealthRule {
    package let name = "hard-fault"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        evidence.latches.map { latch in
            .hard(
                HealthReason(
                    factor: latch.factor, penalty: 1,
                    detail: latch.count > 1 ? "\(latch.detail) (\(latch.count) times)" : latch.detail,
                    source: latch.source,
                    sinceMilliseconds: latch.sinceMilliseconds))
        }
    }
}
