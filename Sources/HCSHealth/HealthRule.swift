package import HCSModel

/// What a rule says about a device.
package enum HealthFinding: Hashable, Sendable {
    /// One factor of the score: `penalty` is less than 1.
    case factor(HealthReason)
    /// The score is 0 whatever else is known.
    case hard(HealthReason)
    /// Too little is known for a score; a hard fault still wins.
    case insufficient(HealthReason)

    package var reason: HealthReason {
        switch self {
        case .factor(let reason), .hard(let reason), .insufficient(let reason): reason
        }
    }
}

/// One way to look at a device's evidence. A pure function: the same evidence and `now` give the same findings.
package protocol HealthRule: Sendable {
    /// Stable name, unique over the registry.
    var name: String { get }

    /// Findings at `now` (milliseconds since 1970); none for a device that is fine.
    func findings(on evidence: DeviceEvidence, policy: HealthPolicy, now: Int64) -> [HealthFinding]
}
