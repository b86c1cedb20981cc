import HCSModel

/// InfiniBand or RoCE ports that were active and are not: work over several hosts fails or crawls.
package struct FabricPortDown: HealthRule {
    package let name = "fabric-port"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let down = evidence.downPorts.sorted {
            ($0.value.sinceMilliseconds, $0.key) < ($1.value.sinceMilliseconds, $1.key)
        }
        guard policy.fabricPort.penalty > 0, let first = down.first?.value else { return [] }
        let more = down.count == 1 ? "" : "; \(down.count - 1) more are down"
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: policy.fabricPort.penalty, detail: first.detail + more, source: first.source,
                    sinceMilliseconds: first.sinceMilliseconds, authority: policy.fabricPort.source))
        ]
    }
}
