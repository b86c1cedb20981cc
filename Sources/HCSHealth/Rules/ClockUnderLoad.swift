import HCSModel

/// A slower compute clock than the peers' under full load and the same power limit.
package struct ClockUnderLoad: HealthRule {
    package let name = "clock"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let peers = evidence.peers.clock else { return [] }
        let measure = policy.clock.level.measure(peers.value, unit: "share")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail:
                        "\(peers.value.short) of the median clock \(peers.median.short) MHz of \(peers.peers) peers under load",
                    source: "vendor-library", sinceMilliseconds: now, measure: measure, authority: policy.clock.source))
        ]
    }
}
