import HCSModel

/// A vendor's library that does not answer in time. Hard while it gives no answer at all: that is the fault itself
/// (NVSentinel#1748: a failing card stalled the collector and nothing was ever reported). Not latched, because an answer
/// is the evidence that it is over; single misses decay.
package struct Unresponsive: HealthRule {
    package let name = "unresponsive"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let worker = evidence.worker
        let limits = policy.unresponsive
        if worker.inARow >= limits.missesInARow {
            return [
                .hard(
                    HealthReason(
                        factor: name, penalty: 1,
                        detail:
                            "\(evidence.device.vendor.displayName)'s library missed \(worker.inARow) deadlines in a row",
                        source: "worker", sinceMilliseconds: worker.sinceMilliseconds))
            ]
        }
        guard let bucket = worker.bucket else { return [] }
        let penalty = min(limits.cap, bucket.level(at: now, halfLifeSeconds: limits.halfLifeSeconds))
        guard penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: penalty, detail: "\(bucket.count) missed deadlines", source: "worker",
                    sinceMilliseconds: bucket.sinceMilliseconds))
        ]
    }
}
