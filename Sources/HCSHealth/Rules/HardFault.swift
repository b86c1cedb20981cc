import HCSModel

/// A latched hard fault (a hard code, a device that its vendor calls lost) is a score of 0.
package struct HardFault: HealthRule {
    package let name = "hard-fault"

    package init() {}

    package func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding] {
        evidence.memory.latches.map { latch in
            let times = latch.count > 1 ? " (\(latch.count) times)" : ""
            return .hard(
                HealthReason(
                    factor: latch.factor, penalty: 1, detail: latch.detail + times + Self.ending(latch),
                    source: latch.source, sinceMilliseconds: latch.sinceMilliseconds, code: latch.fault,
                    advice: latch.advice?.rawValue, authority: latch.authority))
        }
    }

    /// What will end it, as far as it is under way or only a person can.
    private static func ending(_ latch: HealthLatch) -> String {
        if latch.repair == .person { return "; needs an operator (set-healthy)" }
        return latch.repairedMilliseconds == nil ? "" : "; repair seen, waiting for quiet"
    }
}
