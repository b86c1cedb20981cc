package import HCSModel

/// A page of anything.
package struct ItemList<Item: Codable & Sendable & Hashable>: Hashable, Sendable, Codable {
    package var items: [Item]
    package var revision: Revision

    package init(items: [Item], revision: Revision) {
        self.items = items
        self.revision = revision
    }
}

package struct NodeView: Hashable, Sendable, Codable {
    package enum State: String, CaseIterable, Codable, Hashable, Sendable { case ready, unreachable }

    package var name: String
    package var state: State
    /// By the scheduler's monotonic clock.
    package var lastReportAgeMilliseconds: Int64
    package var agentVersion: String
    package var bootID: String
    package var host: HostFacts
    package var deviceCount: Int
    package var simulatedDeviceCount: Int
    package var vendors: [VendorStatus]
    package var probes: [ProbeStatus]
    /// Of its last report.
    package var leases: [LeaseObservation]?
    package var escapes: [Escape]?
    package var topology: Topology?
    /// The node's own; its devices may have theirs.
    package var cordon: Cordon?
    /// Of the host itself, by its last report.
    package var health: DeviceHealth?

    package init(
        name: String, state: State, lastReportAgeMilliseconds: Int64, agentVersion: String, bootID: String,
        host: HostFacts,
        deviceCount: Int, simulatedDeviceCount: Int, vendors: [VendorStatus], probes: [ProbeStatus],
        leases: [LeaseObservation]? = nil, escapes: [Escape]? = nil, topology: Topology? = nil, cordon: Cordon? = nil,
        health: DeviceHealth? = nil
    ) {
        self.name = name
        self.state = state
        self.lastReportAgeMilliseconds = lastReportAgeMilliseconds
        self.agentVersion = agentVersion
        self.bootID = bootID
        self.host = host
        self.deviceCount = deviceCount
        self.simulatedDeviceCount = simulatedDeviceCount
        self.vendors = vendors
        self.probes = probes
        self.leases = leases
        self.escapes = escapes
        self.topology = topology
        self.cordon = cordon
        self.health = health
    }
}

/// Memory of a device as the scheduler counts it: the larger of what it granted and what the driver reports is taken.
package struct DeviceLedger: Hashable, Sendable, Codable {
    package var total: ByteCount
    /// Sum of the quotas given out, local leases included.
    package var granted: ByteCount
    package var driverUsed: ByteCount?
    package var free: ByteCount
    /// Names of the workloads that hold it.
    package var workloads: [String]
    /// What the segments on it count in use, contexts and modules included.
    package var segmentUsed: ByteCount?
    /// Promised to nobody.
    package var margin: ByteCount?
    /// Thousandths of its compute given out.
    package var computeMilli: Int?
    /// One workload has it whole.
    package var whole: Bool?

    package init(
        total: ByteCount, granted: ByteCount, driverUsed: ByteCount?, free: ByteCount, workloads: [String],
        segmentUsed: ByteCount? = nil, margin: ByteCount? = nil, computeMilli: Int? = nil, whole: Bool? = nil
    ) {
        self.total = total
        self.granted = granted
        self.driverUsed = driverUsed
        self.free = free
        self.workloads = workloads
        self.segmentUsed = segmentUsed
        self.margin = margin
        self.computeMilli = computeMilli
        self.whole = whole
    }
}

package struct DeviceView: Hashable, Sendable, Codable {
    package var node: String
    package var device: Device
    package var sample: DeviceSample?
    package var health: DeviceHealth
    package var blocked: String?
    package var ledger: DeviceLedger
    /// Its own, else its node's.
    package var cordon: Cordon?
    /// On its way to the agent.
    package var clearance: Clearance?

    package init(
        node: String, device: Device, sample: DeviceSample?, health: DeviceHealth, blocked: String?,
        ledger: DeviceLedger, cordon: Cordon? = nil, clearance: Clearance? = nil
    ) {
        self.node = node
        self.device = device
        self.sample = sample
        self.health = health
        self.blocked = blocked
        self.ledger = ledger
        self.cordon = cordon
        self.clearance = clearance
    }
}

package struct WorkloadView: Hashable, Sendable, Codable {
    package var id: WorkloadID
    package var spec: WorkloadSpec
    package var phase: WorkloadPhase
    package var attempt: Int
    package var node: String?
    package var grants: [DeviceGrant]
    package var usage: [DeviceUsage]
    package var processes: Int
    package var driverUsed: ByteCount?
    package var exit: ExitStatus?
    /// The last word on it, for people.
    package var message: String
    package var createdMilliseconds: Int64
    package var updatedMilliseconds: Int64
    /// Newest last, at most 64.
    package var events: [WorkloadEvent]

    package init(
        id: WorkloadID, spec: WorkloadSpec, phase: WorkloadPhase, attempt: Int, node: String?, grants: [DeviceGrant],
        usage: [DeviceUsage], processes: Int, driverUsed: ByteCount?, exit: ExitStatus?, message: String,
        createdMilliseconds: Int64, updatedMilliseconds: Int64, events: [WorkloadEvent]
    ) {
        self.id = id
        self.spec = spec
        self.phase = phase
        self.attempt = attempt
        self.node = node
        self.grants = grants
        self.usage = usage
        self.processes = processes
        self.driverUsed = driverUsed
        self.exit = exit
        self.message = message
        self.createdMilliseconds = createdMilliseconds
        self.updatedMilliseconds = updatedMilliseconds
        self.events = events
    }
}

/// `GET /v1/workloads/{id}/explain`: for each device, whether the workload would fit there now and why not.
package struct Explanation: Hashable, Sendable, Codable {
    package var workload: WorkloadID
    package var name: String
    package var phase: WorkloadPhase
    package var revision: Revision
    package var summary: String
    package var devices: [PlacementVerdict]
    /// Of a workload that waits: single changes with which it would fit, the smallest first; nil from an older scheduler.
    package var changes: [PlacementChange]?

    package init(
        workload: WorkloadID, name: String, phase: WorkloadPhase, revision: Revision, summary: String,
        devices: [PlacementVerdict], changes: [PlacementChange]? = nil
    ) {
        self.workload = workload
        self.name = name
        self.phase = phase
        self.revision = revision
        self.summary = summary
        self.devices = devices
        self.changes = changes
    }
}

/// `GET /v1/local/status` of an agent.
package struct AgentStatus: Hashable, Sendable, Codable {
    package var node: String
    package var agentVersion: String
    package var scheduler: String?
    package var schedulerReachable: Bool
    package var devices: [DeviceReport]
    package var workloads: [WorkloadObservation]
    package var vendors: [VendorStatus]
    package var probes: [ProbeStatus]
    package var leases: [LeaseObservation]?
    package var escapes: [Escape]?
    /// How many began since the agent started.
    package var escapeTotals: [EscapeCount]?
    /// nil from an older agent.
    package var host: HostFacts?
    package var topology: Topology?
    /// Of the host itself.
    package var health: DeviceHealth?

    package init(
        node: String, agentVersion: String, scheduler: String?, schedulerReachable: Bool, devices: [DeviceReport],
        workloads: [WorkloadObservation], vendors: [VendorStatus], probes: [ProbeStatus],
        leases: [LeaseObservation]? = nil, escapes: [Escape]? = nil, escapeTotals: [EscapeCount]? = nil,
        host: HostFacts? = nil, topology: Topology? = nil, health: DeviceHealth? = nil
    ) {
        self.node = node
        self.agentVersion = agentVersion
        self.scheduler = scheduler
        self.schedulerReachable = schedulerReachable
        self.devices = devices
        self.workloads = workloads
        self.vendors = vendors
        self.probes = probes
        self.leases = leases
        self.escapes = escapes
        self.escapeTotals = escapeTotals
        self.host = host
        self.topology = topology
        self.health = health
    }
}
