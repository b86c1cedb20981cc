import HCSModel

/// A hot device loses up to the policy's cap, in proportion between `warnCelsius` and `badCelsius`.
package struct Temperature: HealthRule {
    package let name = "temperature"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let limits = policy.temperature[evidence.device.vendor],
            let celsius = evidence.sample?.temperatureCelsius, celsius.isFinite, celsius > limits.warnCelsius
        else { return [] }
        let share = min(1, (celsius - limits.warnCelsius) / (limits.badCelsius - limits.warnCelsius))
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: limits.cap * share,
                    detail:
                        "\(Self.text(celsius)) °C, warn \(Self.text(limits.warnCelsius)), bad \(Self.text(limits.badCelsius))",
                    source: "vendor-library", sinceMilliseconds: evidence.warmSinceMilliseconds ?? now))
        ]
    }

    private static func text(_ celsius: Double) -> String {
        let tenths = (celsius * 10).rounded() / 10
        return tenths == tenths.rounded() && abs(tenths) < 1e6 ? String(Int(tenths)) : String(tenths)
    }
}
