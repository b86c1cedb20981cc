import HCSModel

/// Fault codes that lower the score for a while: one factor for each of the policy's groups.
package struct SoftFault: HealthRule {
    package let name = "soft-fault"
    /// Less than this is not worth a reason: it cannot move the rounded score.
    static let negligible = 0.001

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        policy.faults.filter { $0.vendor == evidence.device.vendor }.flatMap { family in
            family.soft.compactMap { group -> HealthFinding? in
                guard let bucket = evidence.buckets[group.bucketKey(in: family)] else { return nil }
                let penalty = min(group.cap, bucket.level(at: now, halfLifeSeconds: group.halfLifeSeconds))
                guard penalty >= Self.negligible else { return nil }
                return .factor(
                    HealthReason(
                        factor: family.family, penalty: penalty, detail: "\(group.name): \(bucket.count) seen",
                        source: bucket.source ?? "kernel-log",
                        sinceMilliseconds: bucket.sinceMilliseconds))
            }
        }
    }
}

extension HealthPolicy.SoftGroup {
    func bucketKey(in family: HealthPolicy.FaultFamily) -> String { "\(family.family)/\(name)" }
}
