import HCSModel

/// No score without a fresh sample: a device that nobody measures is unknown, not healthy.
package struct Coverage: HealthRule {
    package let name = "coverage"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limit = policy.coverage.maximumSampleAgeSeconds
        let detail: String
        if let at = evidence.sampledMilliseconds {
            let (age, overflow) = now.subtractingReportingOverflow(at)
            guard overflow || age > limit * 1000 else { return [] }
            detail =
                overflow ? "the last sample's time makes no sense" : "last sample \(age / 1000) s ago, limit \(limit) s"
        } else {
            detail = "no sample yet"
        }
        return [
            .insufficient(
                HealthReason(
                    factor: name, penalty: 0, detail: detail, source: "worker",
                    sinceMilliseconds: evidence.sampledMilliseconds ?? now))
        ]
    }
}
