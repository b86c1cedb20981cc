package import HCSModel

/// What an agent sends: `PUT /v1/nodes/{name}`. Unknown fields are ignored, so that one minor version of skew works.
package struct NodeReport: Hashable, Sendable, Codable {
    package var apiVersion: String
    package var agentVersion: String
    package var bootID: String
    package var node: String
    /// Grows by one with each report of one agent process; an older one is refused.
    package var sequence: UInt64
    /// When the agent process started, milliseconds since 1970: with `sequence` it orders reports over restarts.
    package var agentStartMilliseconds: Int64
    package var sentMilliseconds: Int64
    package var host: HostFacts
    package var devices: [DeviceReport]
    package var workloads: [WorkloadObservation]
    package var vendors: [VendorStatus]
    package var probes: [ProbeStatus]
    /// Shares that the agent gave to its own users; their sum by device is `localGranted`. nil from an older agent.
    package var leases: [LeaseObservation]?
    /// Those that go on, largest first; nil from an older agent.
    package var escapes: [Escape]?
    /// nil from an older agent, and until the first inventory.
    package var topology: Topology?
    /// What became of clearances, until the assignments name them no more; nil from an older agent.
    package var clearances: [ClearanceOutcome]?
    /// Of the host itself, such as its memory: no device's. nil from an older agent.
    package var health: DeviceHealth?

    /// A new field goes into `ReportWriter` too.
    package enum CodingKeys: String, CodingKey, CaseIterable {
        case apiVersion, agentVersion, bootID, node, sequence, agentStartMilliseconds, sentMilliseconds, host, devices
        case workloads, vendors, probes, leases, escapes, topology, clearances, health
    }

    package init(
        apiVersion: String = HCSVersion.api, agentVersion: String = HCSVersion.current, bootID: String, node: String,
        sequence: UInt64, agentStartMilliseconds: Int64, sentMilliseconds: Int64, host: HostFacts,
        devices: [DeviceReport], workloads: [WorkloadObservation], vendors: [VendorStatus], probes: [ProbeStatus],
        leases: [LeaseObservation]? = nil, escapes: [Escape]? = nil, topology: Topology? = nil,
        clearances: [ClearanceOutcome]? = nil, health: DeviceHealth? = nil
    ) {
        self.apiVersion = apiVersion
        self.agentVersion = agentVersion
        self.bootID = bootID
        self.node = node
        self.sequence = sequence
        self.agentStartMilliseconds = agentStartMilliseconds
        self.sentMilliseconds = sentMilliseconds
        self.host = host
        self.devices = devices
        self.workloads = workloads
        self.vendors = vendors
        self.probes = probes
        self.leases = leases
        self.escapes = escapes
        self.topology = topology
        self.clearances = clearances
        self.health = health
    }
}

package struct DeviceReport: Hashable, Sendable, Codable {
    package var device: Device
    package var sample: DeviceSample?
    package var health: DeviceHealth
    /// nil = may be given work; else why the agent will not (a real device under `--simulate`, a vanished one).
    package var blocked: String?
    /// Device memory that this agent has promised to local leases, not to the scheduler's workloads.
    package var localGranted: ByteCount

    package init(
        device: Device, sample: DeviceSample?, health: DeviceHealth, blocked: String? = nil,
        localGranted: ByteCount = .zero
    ) {
        self.device = device
        self.sample = sample
        self.health = health
        self.blocked = blocked
        self.localGranted = localGranted
    }
}

/// A workload as its agent sees it.
package struct WorkloadObservation: Hashable, Sendable, Codable {
    package enum Phase: String, Codable, Hashable, Sendable, CaseIterable { case starting, running, stopping, ended }

    package var id: WorkloadID
    package var attempt: Int
    package var phase: Phase
    package var startedMilliseconds: Int64?
    package var endedMilliseconds: Int64?
    package var exit: ExitStatus?
    /// The agent did not start it for a reason that may be gone elsewhere or later: it is to be planned again.
    package var refused: Bool?
    /// Read from the segment.
    package var usage: [DeviceUsage]
    /// Live processes that hold a slot of the segment.
    package var processes: Int
    /// What the driver counts for these processes over all devices; nil where the vendor does not tell.
    package var driverUsed: ByteCount?

    package init(
        id: WorkloadID, attempt: Int, phase: Phase, startedMilliseconds: Int64? = nil, endedMilliseconds: Int64? = nil,
        exit: ExitStatus? = nil, refused: Bool? = nil, usage: [DeviceUsage] = [], processes: Int = 0,
        driverUsed: ByteCount? = nil
    ) {
        self.id = id
        self.attempt = attempt
        self.phase = phase
        self.startedMilliseconds = startedMilliseconds
        self.endedMilliseconds = endedMilliseconds
        self.exit = exit
        self.refused = refused
        self.usage = usage
        self.processes = processes
        self.driverUsed = driverUsed
    }
}

/// Answer to a report.
package struct ReportReceipt: Hashable, Sendable, Codable {
    package var revision: Revision
    package init(revision: Revision) { self.revision = revision }
}
