import HCSModel

/// Fault codes that lower the score for a while: one factor for each of the policy's groups.
package struct SoftFault: HealthRule {
    package let name = "soft-fault"
    /// Less than this is not worth a reason: it cannot move the rounded score.
    static let negligible = 0.001

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        evidence.memory.buckets.sorted { $0.key < $1.key }.compactMap { name, bucket in
            guard let group = policy.groups[name] else { return nil }
            let level = bucket.level(at: now, halfLifeSeconds: group.halfLifeSeconds ?? .infinity)
            let measure = HealthMeasure(level, unit: "weight", cap: group.cap)
            guard measure.penalty >= Self.negligible else { return nil }
            let last = evidence.memory.lastCodes[name]
            return .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail: bucket.count == 1
                        ? last?.detail ?? "1 seen" : "\(bucket.count) seen\(last.map { ", last \($0.detail)" } ?? "")",
                    source: last?.source ?? "kernel-log", sinceMilliseconds: bucket.sinceMilliseconds,
                    measure: measure, code: last.flatMap { $0.code.isEmpty ? nil : $0.code },
                    advice: last?.advice?.rawValue, authority: last?.authority ?? group.source))
        }
    }
}
