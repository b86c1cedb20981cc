import HCSModel

/// What the vendor's own health call says, as long as it says so. Latched verdicts are `HardFault`'s.
package struct VendorHealthRule: HealthRule {
    package let name = "vendor-health"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let state = evidence.sample?.vendorHealth, let verdict = policy.vendorHealth[state], verdict.penalty > 0,
            !verdict.latched
        else { return [] }
        let reason = HealthReason(
            factor: name, penalty: verdict.penalty,
            detail: "\(evidence.device.vendor.displayName)'s own health call says \(state.rawValue)",
            source: "vendor-library",
            sinceMilliseconds: evidence.vendorHealthSinceMilliseconds ?? now)
        return [verdict.penalty >= 1 ? .hard(reason) : .factor(reason)]
    }
}
