import HCSModel

/// What the vendor's own health call says, as long as it says so. Latched verdicts are `HardFault`'s.
package struct VendorHealthRule: HealthRule {
    package let name = "vendor-health"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let sample = evidence.sample, let state = sample.vendorHealth,
            let verdict = policy.vendorHealth[state.rawValue], verdict.penalty > 0, !verdict.latched,
            !Self.isExplained(sample)
        else { return [] }
        let reason = HealthReason(
            factor: name, penalty: verdict.penalty,
            detail: "\(evidence.device.vendor.displayName)'s own health call says \(state.rawValue)",
            source: "vendor-library",
            sinceMilliseconds: evidence.vendorHealthSinceMilliseconds ?? now, advice: verdict.advice?.rawValue,
            authority: verdict.source)
        return [verdict.penalty >= 1 ? .hard(reason) : .factor(reason)]
    }

    /// NVML has no health call: a warning is a pending row or a recovery action, which are factors of their own.
    private static func isExplained(_ sample: DeviceSample) -> Bool {
        sample.vendorHealth == .warning
            && (sample.signals[.rowRemapPending] == 1 || sample.signals[.recoveryAction] ?? 0 > 0)
    }
}
