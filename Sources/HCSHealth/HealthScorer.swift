package import HCSModel

/// Makes a score of findings, so that anybody can compute it again from the reasons.
package enum HealthScorer {
    /// 0 with any hard finding, else nil where too little is known, else round(100 x product(1 - penalty)).
    /// Rounding never makes a device that has no hard fault a failed one: at least 1.
    package static func health(_ findings: [HealthFinding]) -> DeviceHealth {
        var hard = false
        var insufficient = false
        var product = 1.0
        for finding in findings {
            switch finding {
            case .hard: hard = true
            case .insufficient: insufficient = true
            case .factor(let reason): product *= 1 - min(1, max(0, reason.penalty))
            }
        }
        let reasons = findings.map(\.reason).sorted {
            ($1.penalty, $0.factor, $0.detail) < ($0.penalty, $1.factor, $1.detail)
        }
        if hard { return DeviceHealth(score: 0, reasons: reasons) }
        if insufficient { return DeviceHealth(score: nil, reasons: reasons) }
        return DeviceHealth(score: max(1, Int((100 * product).rounded())), reasons: reasons)
    }
}
