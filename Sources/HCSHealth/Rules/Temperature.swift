import HCSModel

/// A hot device loses up to the policy's cap, in proportion between `warn` and `bad`.
package struct Temperature: HealthRule {
    package let name = "temperature"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let limits = policy.temperature[evidence.device.vendor.rawValue],
            let celsius = evidence.sample?.temperatureCelsius, celsius.isFinite, celsius > limits.warn
        else { return [] }
        let measure = limits.measure(celsius, unit: "celsius")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail: "\(celsius.short) °C, warn \(limits.warn.short), bad \(limits.bad.short)",
                    source: "vendor-library", sinceMilliseconds: evidence.warmSinceMilliseconds ?? now,
                    measure: measure, authority: limits.source))
        ]
    }
}

extension Double {
    /// For people: at most two decimals, and none where there are none.
    var short: String {
        guard isFinite, abs(self) < 1e12 else { return "\(self)" }
        let hundredths = (self * 100).rounded() / 100
        return hundredths == hundredths.rounded() ? String(Int64(hundredths)) : String(hundredths)
    }
}
