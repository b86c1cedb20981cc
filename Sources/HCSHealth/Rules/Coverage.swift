import HCSModel

/// Too few samples, or too old a last one, to say anything: no score. Never zero, never a hundred.
package struct Coverage: HealthRule {
    package let name = "coverage"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limit = policy.coverage.maximumSampleAgeSeconds
        let detail: String
        if let at = evidence.sampledMilliseconds {
            let (age, overflow) = now.subtractingReportingOverflow(at)
            if overflow {
                detail = "the last sample's time makes no sense"
            } else if age > limit * 1000 {
                detail = "last sample \(age / 1000) s ago, limit \(limit) s"
            } else if let share = evidence.coverage(at: now), share < policy.coverage.minimumShare {
                detail =
                    "\(Int((share * 100).rounded())) % of the samples of the last \(policy.coverage.windowSeconds) s, "
                    + "limit \(Int((policy.coverage.minimumShare * 100).rounded())) %"
            } else {
                return []
            }
        } else {
            detail = "no sample yet"
        }
        return [
            .insufficient(
                HealthReason(
                    factor: name, penalty: 0, detail: detail, source: "worker",
                    sinceMilliseconds: evidence.sampledMilliseconds ?? now, authority: policy.coverage.source))
        ]
    }
}
