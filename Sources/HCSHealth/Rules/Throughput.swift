import HCSModel

/// A device that was measured far below its theoretical throughput or memory bandwidth: throttled, misconfigured or
/// damaged. Only a published figure is a measure, and only a real measurement proves anything.
package struct Throughput: HealthRule {
    package let name = "throughput"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let fingerprint = evidence.device.fingerprint
        guard let measured = fingerprint.measured, !measured.simulated,
            fingerprint.confidence == .datasheet || fingerprint.confidence == .derived
        else { return [] }
        let limit = policy.throughput
        let shares = [("compute", fingerprint.measuredComputeShare), ("memory", fingerprint.measuredBandwidthShare)]
        let low = shares.compactMap { what, share in share.flatMap { $0 < limit.minimumShare ? (what, $0) : nil } }
        guard let worst = low.min(by: { $0.1 < $1.1 }), limit.penalty > 0 else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: limit.penalty,
                    detail: "\(worst.0) measured at \(Self.percent(worst.1)) of the theoretical throughput, "
                        + "below \(Self.percent(limit.minimumShare))",
                    source: "fingerprint", sinceMilliseconds: measured.atMilliseconds,
                    authority: limit.source))
        ]
    }

    private static func percent(_ share: Double) -> String { "\(Int((max(0, share) * 100).rounded(.down))) %" }
}
