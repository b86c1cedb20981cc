import HCSModel

/// How much of the memory's spares is used up. For good.
package struct SpareRows: HealthRule {
    package let name = "spare-rows"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let signals = evidence.sample?.signals, let limits = policy.spares.limits[evidence.device.vendor.rawValue]
        else { return [] }
        func sum(_ signal: Signal) -> Double {
            signals.all(signal).filter { $0.instance != "unreservable" }.map(\.value).reduce(0, +)
        }
        let candidates: [(share: Double, detail: String)] = [
            (
                sum(.rowsRemapped) / limits.rowsRemapped,
                "\(sum(.rowsRemapped).short) of \(limits.rowsRemapped.short) spare memory rows used"
            ),
            (
                sum(.retiredPages) / limits.retiredPages,
                "\(sum(.retiredPages).short) of \(limits.retiredPages.short) memory pages retired"
            ),
            (
                signals[.rowBanks, "none"] ?? 0 > 0 ? 1 : 0,
                "\((signals[.rowBanks, "none"] ?? 0).short) memory banks without a spare row"
            ),
        ]
        guard let worst = candidates.max(by: { $0.share < $1.share }) else { return [] }
        let measure = policy.spares.level.measure(min(1, worst.share), unit: "share")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty, detail: worst.detail, source: "vendor-library",
                    sinceMilliseconds: now, measure: measure, advice: FaultAdvice.service.rawValue,
                    authority: policy.spares.source))
        ]
    }
}
