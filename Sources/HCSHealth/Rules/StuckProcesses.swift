import HCSModel

/// A process that sits in one call of the vendor's driver, and cannot be ended.
package struct StuckProcesses: HealthRule {
    package let name = "stuck-process"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.processes
        let stuck = evidence.stuck.filter { process in
            let (age, overflow) = now.subtractingReportingOverflow(process.sinceMilliseconds)
            return !overflow && age >= limits.stuckSeconds * 1000 && !process.isOver(at: now)
        }
        guard limits.penalty > 0, let first = stuck.min(by: { $0.sinceMilliseconds < $1.sinceMilliseconds }) else {
            return []
        }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: limits.penalty,
                    detail: "\(stuck.count) stuck in a call of the driver: process "
                        + stuck.map { String($0.pid) }.sorted().joined(separator: ", "),
                    source: first.source, sinceMilliseconds: first.sinceMilliseconds, authority: limits.source))
        ]
    }
}
