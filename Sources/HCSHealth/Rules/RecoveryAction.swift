import HCSModel

/// What the driver says has to be done, as long as it says so: preferred over any table.
package struct RecoveryAction: HealthRule {
    package let name = "recovery-action"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        guard let asked = evidence.memory.recovery, let rule = policy.recoveryAction(asked.action),
            rule.penalty > 0
        else { return [] }
        let reason = HealthReason(
            factor: name, penalty: rule.penalty, detail: "the driver asks for: \(rule.name)", source: asked.source,
            sinceMilliseconds: asked.sinceMilliseconds, code: "nvidia/xid/154", advice: rule.advice.rawValue,
            authority: rule.source)
        return [rule.penalty >= 1 ? .hard(reason) : .factor(reason)]
    }
}
