import HCSModel

/// Links between devices that were up and are down.
package struct LinkDown: HealthRule {
    package let name = "link-down"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let since = evidence.downLinks.values.min(), let group = policy.groups["link-fault"] else { return [] }
        let measure = HealthMeasure(
            group.weight * Double(evidence.downLinks.count), unit: "weight", cap: group.cap)
        guard measure.penalty >= SoftFault.negligible else { return [] }
        let lanes = evidence.downLinks.keys.sorted().joined(separator: ", ")
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: measure.penalty, detail: "link \(lanes) was up and is down",
                    source: "vendor-library", sinceMilliseconds: since, measure: measure,
                    authority: policy.links.source))
        ]
    }
}
