import HCSModel

/// Memory in use that no living process holds: the driver did not give it back.
package struct AbandonedMemory: HealthRule {
    package let name = "abandoned-memory"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        let limits = policy.processes
        guard limits.penalty > 0, let since = evidence.abandonedSinceMilliseconds,
            let used = evidence.sample?.memoryUsed
        else { return [] }
        let (age, overflow) = now.subtractingReportingOverflow(since)
        guard !overflow, age >= limits.abandonedSeconds * 1000 else { return [] }
        return [
            .factor(
                HealthReason(
                    factor: name, penalty: limits.penalty, detail: "\(used) in use and no process holds the device",
                    source: "vendor-library", sinceMilliseconds: since, advice: FaultAdvice.reset.rawValue,
                    authority: limits.source))
        ]
    }
}
