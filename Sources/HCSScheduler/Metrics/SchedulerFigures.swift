package import HCSAPI
package import HCSModel

/// What a scrape of the scheduler is made of: counts of its own state, taken in one moment.
package struct SchedulerFigures: Sendable {
    package struct DeviceKind: Hashable, Comparable, Sendable {
        package var vendor: Vendor
        package var band: HealthBand
        package var simulated: Bool

        package static func < (a: DeviceKind, b: DeviceKind) -> Bool { a.words.lexicographicallyPrecedes(b.words) }
        var words: [String] { [vendor.rawValue, band.rawValue, String(simulated)] }
    }

    package struct EventKind: Hashable, Comparable, Sendable {
        package var kind: FleetEvent.Kind
        package var severity: FleetEvent.Severity

        package static func < (a: EventKind, b: EventKind) -> Bool { a.words.lexicographicallyPrecedes(b.words) }
        var words: [String] { [kind.rawValue, severity.rawValue] }
    }

    package var startMilliseconds: Int64
    package var nodes: [NodeView.State: Int] = [:]
    package var devices: [DeviceKind: Int] = [:]
    package var cordonedNodes = 0
    package var cordonedDevices = 0
    package var workloads: [WorkloadPhase: Int] = [:]
    package var decisions: [Decision: UInt64] = [:]
    package var ended: [WorkloadPhase: UInt64] = [:]
    package var rounds: UInt64 = 0
    package var events: [EventKind: UInt64] = [:]
    package var alerts: [AlertStatus] = []
    package var storeFailures: UInt64 = 0

    package init(startMilliseconds: Int64) { self.startMilliseconds = startMilliseconds }
}

/// What a scheduler decides about a workload.
package enum Decision: String, CaseIterable, Sendable {
    /// It got devices.
    case placed
    /// It lost them, or its agent refused it, and waits again.
    case plannedAgain = "planned-again"
    /// It is to end.
    case stopped

    /// nil: what only happened.
    init?(from old: WorkloadRecord?, to new: WorkloadRecord) {
        switch new.phase {
        case .assigned where old?.phase != .assigned || old?.attempt != new.attempt || old?.node != new.node:
            self = .placed
        case .queued where old != nil && old?.phase != .queued: self = .plannedAgain
        case .stopping where old?.phase != .stopping: self = .stopped
        default: return nil
        }
    }
}

extension ClusterState {
    /// A device of a node that is silent is `unknown`, whatever was reported last.
    func count(into figures: inout SchedulerFigures, monotonic: Int64) {
        for entry in nodes.values {
            let isReady = notReady(entry, monotonic: monotonic) == nil
            figures.nodes[isReady ? .ready : .unreachable, default: 0] += 1
            for report in reports(of: entry) {
                let kind = SchedulerFigures.DeviceKind(
                    vendor: report.device.vendor, band: isReady ? report.health.band : .unknown,
                    simulated: report.device.simulated)
                figures.devices[kind, default: 0] += 1
            }
        }
        figures.cordonedNodes = cordons.keys.count { $0.device == nil }
        figures.cordonedDevices = cordons.count - figures.cordonedNodes
        for record in workloads.values { figures.workloads[record.phase, default: 0] += 1 }
        figures.decisions = decisions
        figures.ended = ended
        figures.rounds = rounds
    }
}
