import HCSModel

/// NVSwitches that nobody runs: programs cannot begin on the devices behind them.
package struct FabricManagerDown: HealthRule {
    package let name = "fabric-manager"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard policy.fabricManager.penalty > 0, let down = evidence.fabricManagerDown else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: policy.fabricManager.penalty, detail: down.detail, source: down.source,
                    sinceMilliseconds: down.sinceMilliseconds, authority: policy.fabricManager.source))
        ]
    }
}
