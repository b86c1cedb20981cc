import HCSModel

/// A vendor's library that does not answer in time. Hard while it gives no answer at all: that is the fault itself
/// (NVSentinel#1748: a failing card stalled the collector and nothing was ever reported). Not latched, because an answer
/// is the evidence that it is over; single misses decay.
package struct Unresponsive: HealthRule {
    package let name = "unresponsive"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let worker = evidence.worker
        let limits = policy.collector
        if worker.inARow >= limits.missesInARow {
            return [
                .hard(
                    HealthReason(
                        factor: name, penalty: 1,
                        detail:
                            "\(evidence.device.vendor.displayName)'s library missed \(worker.inARow) deadlines in a row",
                        source: "worker", sinceMilliseconds: worker.sinceMilliseconds, authority: limits.source))
            ]
        }
        guard let bucket = worker.bucket else { return [] }
        let measure = HealthMeasure(
            bucket.level(at: now, halfLifeSeconds: limits.halfLifeSeconds), unit: "weight", cap: limits.cap)
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty, detail: "\(bucket.count) missed deadlines",
                    source: "worker", sinceMilliseconds: bucket.sinceMilliseconds, measure: measure,
                    authority: limits.source))
        ]
    }
}

/// A vendor's library that answers ever later.
package struct SlowAnswers: HealthRule {
    package let name = "slow-answers"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let level = policy.collector.level
        let times = evidence.worker.slowness.level(at: now, halfLifeSeconds: level.halfLifeSeconds)
        let measure = level.measure(times, unit: "times the baseline")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail: "answers take \(times.short) times as long as usual", source: "worker",
                    sinceMilliseconds: evidence.worker.slowness.sinceMilliseconds, measure: measure,
                    authority: policy.collector.source))
        ]
    }
}
