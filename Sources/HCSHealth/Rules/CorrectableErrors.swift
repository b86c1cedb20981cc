import HCSModel

/// Corrected memory errors: how many an hour, or a rise over the device's own baseline. The worse of the two counts.
package struct CorrectableErrors: HealthRule {
    package let name = "correctable-errors"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.correctableErrors, watch = evidence.memory.slow.corrected
        let rate = watch.worst.level(at: now, halfLifeSeconds: limits.level.halfLifeSeconds)
        let level = limits.level.measure(rate, unit: "errors/hour")
        let alarms = HealthMeasure(
            watch.alarms?.level(at: now, halfLifeSeconds: limits.level.halfLifeSeconds ?? 86_400) ?? 0, unit: "weight",
            cap: limits.level.cap)
        let isRate = level.penalty >= alarms.penalty
        let worst = isRate ? level : alarms
        guard worst.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: worst.penalty,
                    detail: isRate
                        ? "\(rate.short) corrected memory errors an hour, warn \(limits.level.warn.short), bad \(limits.level.bad.short)"
                        : "more corrected memory errors than its own baseline, \(watch.alarms?.count ?? 0) alarms",
                    source: "vendor-library",
                    sinceMilliseconds: isRate
                        ? watch.worst.sinceMilliseconds : watch.alarms?.sinceMilliseconds ?? now,
                    measure: worst, authority: limits.source))
        ]
    }
}
