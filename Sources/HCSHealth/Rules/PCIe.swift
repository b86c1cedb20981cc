import HCSModel

/// Packets sent again, against what the link's bit error rate allows.
package struct PCIeReplays: HealthRule {
    package let name = "pcie-replay"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.pcieReplay
        let worst = evidence.replays.worst.level(at: now, halfLifeSeconds: limits.level.halfLifeSeconds)
        guard worst > 0, let signals = evidence.sample?.signals else { return [] }
        let generation = signals[.pcieGenerationMaximum] ?? signals[.pcieGeneration] ?? 1
        let width = signals[.pcieWidthMaximum] ?? signals[.pcieWidth] ?? 1
        // Gigabits a second and lane of PCI Express 1 to 8.
        let speeds = [2.5, 5, 8, 16, 32, 64, 128, 256]
        let speed = speeds[min(speeds.count - 1, max(0, Int(min(8, max(1, generation))) - 1))]
        let allowed = max(1, (speed * 1e9 * width * 60 * limits.bitErrorRate).rounded(.up))
        let measure = limits.level.measure(worst / allowed, unit: "share of allowed")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty,
                    detail: "\(worst.short) PCIe replays a minute, \(allowed.short) may be", source: "vendor-library",
                    sinceMilliseconds: evidence.replays.worst.sinceMilliseconds, measure: measure,
                    authority: limits.source))
        ]
    }
}

/// A narrower or slower link than device and slot can, while the device works: idle, a link slows down by itself.
package struct PCIeLink: HealthRule {
    package let name = "pcie-link"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.pcieLink
        guard limits.penalty > 0, let since = evidence.narrowSinceMilliseconds,
            let signals = evidence.sample?.signals
        else { return [] }
        let (age, overflow) = now.subtractingReportingOverflow(since)
        guard overflow || age >= limits.holdSeconds * 1000 else { return [] }
        func text(_ signal: Signal) -> String { signals[signal]?.short ?? "?" }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: limits.penalty,
                    detail: "x\(text(.pcieWidth)) of x\(text(.pcieWidthMaximum)), generation "
                        + "\(text(.pcieGeneration)) of \(text(.pcieGenerationMaximum)) under load",
                    source: "vendor-library", sinceMilliseconds: since, advice: FaultAdvice.service.rawValue,
                    authority: limits.source))
        ]
    }
}

/// Corrected AER errors a minute of the device or of a port before it.
package struct PCIeCorrectedErrors: HealthRule {
    package let name = "pcie-errors"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let level = policy.pcieErrors.level
        let worst = evidence.pcieErrors.worst.level(at: now, halfLifeSeconds: level.halfLifeSeconds)
        let measure = level.measure(worst, unit: "errors/minute")
        guard measure.penalty >= SoftFault.negligible else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty, detail: "\(worst.short) corrected PCIe errors a minute",
                    source: "pcie-errors", sinceMilliseconds: evidence.pcieErrors.worst.sinceMilliseconds,
                    measure: measure, authority: policy.pcieErrors.source))
        ]
    }
}
