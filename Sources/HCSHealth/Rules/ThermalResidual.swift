import HCSModel

/// Hotter than its peers at equal power, or hotter from day to day: dust, a dying fan, dried paste. The worse of the two counts.
package struct ThermalResidual: HealthRule {
    package let name = "thermal-residual"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.thermalResidual
        var found: [(measure: HealthMeasure, detail: String)] = []
        if let peers = evidence.peers.temperature {
            let measure = HealthMeasure(
                peers.value, unit: "robust z", warn: limits.peers.warn, bad: limits.peers.bad, cap: limits.cap)
            found.append(
                (
                    measure,
                    "\(peers.value.short) deviations over the median \(peers.median.short) °C of \(peers.peers) peers at equal power"
                ))
        }
        if let slope = evidence.memory.slow.trend.slope {
            let measure = HealthMeasure(
                slope, unit: "celsius/day", warn: limits.trend.warn, bad: limits.trend.bad, cap: limits.cap)
            found.append((measure, "\(slope.short) °C a day warmer at comparable load"))
        }
        guard let worst = found.max(by: { $0.measure.penalty < $1.measure.penalty }),
            worst.measure.penalty >= SoftFault.negligible
        else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: worst.measure.penalty, detail: worst.detail, source: "vendor-library",
                    sinceMilliseconds: now, measure: worst.measure, authority: limits.source))
        ]
    }
}
