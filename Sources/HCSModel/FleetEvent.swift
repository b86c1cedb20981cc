/// Something that happened in the pool, for people and for alerts. Numbers only grow and are never given twice; within
/// one run of the scheduler they follow each other, so a jump means that something may be missing.
package struct FleetEvent: Hashable, Sendable, Codable {
    package enum Kind: String, CaseIterable, Codable, Hashable, Sendable {
        case schedulerStarted = "scheduler-started"
        case deviceHealth = "device-health"
        case faultLatched = "fault-latched"
        case faultCleared = "fault-cleared"
        case deviceAppeared = "device-appeared"
        case deviceLost = "device-lost"
        case nodeReady = "node-ready"
        case nodeUnreachable = "node-unreachable"
        case nodeRebooted = "node-rebooted"
        case nodeForgotten = "node-forgotten"
        case workload
        case escapeStarted = "escape-started"
        case escapeEnded = "escape-ended"
        case cordoned, uncordoned
        case drainStarted = "drain-started"
        case drained
        /// Work was moved off a device without anybody's order.
        case automaticMove = "automatic-move"
        case guardHeld = "guard-held"
        case clearanceRequested = "clearance-requested"
        case clearanceApplied = "clearance-applied"
        case clearanceRefused = "clearance-refused"
        case alertFailed = "alert-failed"
        /// Somebody told what a workload does on a card.
        case throughputReported = "throughput-reported"
        /// It counts no more.
        case throughputForgotten = "throughput-forgotten"
    }

    package enum Severity: String, CaseIterable, Codable, Hashable, Sendable, Comparable {
        case info, warning, critical

        package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
        private var rank: Int { self == .info ? 0 : self == .warning ? 1 : 2 }
    }

    /// A device's health before and after.
    package struct HealthChange: Hashable, Sendable, Codable {
        /// nil where it was not known.
        package var oldScore: Int?
        package var oldBand: HealthBand?
        package var newScore: Int?
        package var newBand: HealthBand
        /// The first that make up the new one, worst first.
        package var reasons: [HealthReason]

        package init(
            oldScore: Int?, oldBand: HealthBand?, newScore: Int?, newBand: HealthBand, reasons: [HealthReason]
        ) {
            self.oldScore = oldScore
            self.oldBand = oldBand
            self.newScore = newScore
            self.newBand = newBand
            self.reasons = reasons
        }
    }

    /// 0 until it is recorded.
    package var sequence: UInt64
    package var atMilliseconds: Int64
    package var kind: Kind
    package var severity: Severity
    package var node: String?
    package var device: DeviceID?
    package var workload: WorkloadID?
    package var message: String
    /// Of a simulated device.
    package var simulated: Bool
    package var health: HealthChange?
    /// The fault that was latched or cleared.
    package var fault: HealthReason?
    /// Who asked for it, as they named themselves; nil for what nobody asked for.
    package var by: String?

    package init(
        sequence: UInt64 = 0, atMilliseconds: Int64, kind: Kind, severity: Severity, node: String? = nil,
        device: DeviceID? = nil, workload: WorkloadID? = nil, message: String, simulated: Bool = false,
        health: HealthChange? = nil, fault: HealthReason? = nil, by: String? = nil
    ) {
        self.sequence = sequence
        self.atMilliseconds = atMilliseconds
        self.kind = kind
        self.severity = severity
        self.node = node
        self.device = device
        self.workload = workload
        self.message = message
        self.simulated = simulated
        self.health = health
        self.fault = fault
        self.by = by
    }

    /// How many are remembered; the oldest go first.
    package static let kept = 8_192
}
