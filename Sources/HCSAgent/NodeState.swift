package import HCSAPI
package import HCSModel
import HCSSystem

/// What the agent knows now, from all its parts; makes the report for the scheduler and the status for the local API.
/// Only the latest state is kept: a scheduler that is away costs no memory.
package actor NodeState {
    private let node: String
    private let bootID: String
    private let startMilliseconds: Int64
    private let scheduler: String?
    private var host: HostFacts
    private let simulating: Bool
    private var sequence: UInt64 = 0
    private var devices: [Device] = []
    private var vanished: Set<DeviceID> = []
    private var samples: [DeviceID: DeviceSample] = [:]
    private var healths: [DeviceID: DeviceHealth] = [:]
    private var nodeHealth: DeviceHealth?
    private var clearances: [ClearanceOutcome] = []
    private var vendors: [VendorStatus] = []
    private var probes: [ProbeStatus] = []
    private var workloads: [WorkloadObservation] = []
    private var leases: [LeaseObservation] = []
    private var escapes: [Escape] = []
    private var escapeTotals: [EscapeCount] = []
    private var topology: Topology?
    private var schedulerReachable = false
    /// Raised when the scheduler should hear of something at once.
    package nonisolated let changed = ChangeSignal()

    package init(
        node: String, bootID: String, startMilliseconds: Int64, scheduler: String?, host: HostFacts, simulating: Bool
    ) {
        self.node = node
        self.bootID = bootID
        self.startMilliseconds = startMilliseconds
        self.scheduler = scheduler
        self.host = host
        self.simulating = simulating
    }

    // MARK: What comes in

    /// The inventory. A device that is not listed any more stays, blocked, while somebody has it: its workloads must be
    /// seen.
    package func set(devices new: [Device]) {
        let ids = Set(new.map(\.id))
        var inUse = DevicesInUse()
        inUse.add(workloads: workloads, leases: leases)
        let gone = devices.filter { !ids.contains($0.id) && inUse.reason(for: $0.id) != nil }
        let all = (new + gone).prefix(APILimits.devicesPerNode)
        guard Array(all) != devices || vanished != Set(gone.map(\.id)) else { return }
        devices = Array(all)
        vanished = Set(gone.map(\.id))
        changed.raise()
    }

    package func set(samples new: [DeviceID: DeviceSample]) { samples = new }

    package func set(healths new: [DeviceID: DeviceHealth]) {
        guard new != healths else { return }
        healths = new
        changed.raise()
    }

    package func set(nodeHealth new: DeviceHealth) {
        guard new != nodeHealth else { return }
        nodeHealth = new
        changed.raise()
    }

    package func set(clearances new: [ClearanceOutcome]) {
        guard new != clearances else { return }
        clearances = new
        changed.raise()
    }

    package func set(vendors new: [VendorStatus]) {
        let states = vendors.map(\.state)
        vendors = new
        if new.map(\.state) != states { changed.raise() }
    }

    package func set(probes new: [ProbeStatus]) {
        let states = probes.map(\.state)
        probes = new
        if new.map(\.state) != states { changed.raise() }
    }

    package func set(workloads new: [WorkloadObservation]) {
        guard new != workloads else { return }
        workloads = new
        changed.raise()
    }

    package func set(leases new: [LeaseObservation]) {
        guard new != leases else { return }
        leases = new
        changed.raise()
    }

    package func set(escapes new: [Escape], totals: [EscapeCount]) {
        escapeTotals = totals
        // Their sizes go with the next report; who they are goes at once.
        func names(_ list: [Escape]) -> Set<Escape> {
            Set(
                list.map {
                    Escape(
                        kind: $0.kind, device: $0.device, bytes: .zero, pid: $0.pid, startTime: $0.startTime,
                        workload: $0.workload, sinceMilliseconds: $0.sinceMilliseconds)
                })
        }
        let news = names(new) != names(escapes)
        escapes = new
        if news { changed.raise() }
    }

    /// Goes out with the next report.
    package func set(host new: HostFacts) { host = new }

    package func set(topology new: Topology) {
        guard new != topology else { return }
        topology = new
        changed.raise()
    }

    package func set(schedulerReachable new: Bool) { schedulerReachable = new }

    // MARK: What goes out

    /// The last pass's figures.
    package var latestSamples: [DeviceID: DeviceSample] { samples }

    /// nil = may be given work.
    package func blocked(_ device: Device) -> String? {
        if vanished.contains(device.id) { return "its vendor's library does not list it any more" }
        if simulating, !device.simulated { return "a real device: this agent runs a simulation (--simulate)" }
        return nil
    }

    package func deviceReports() -> [DeviceReport] {
        let leased = Dictionary(
            leases.map { ($0.grant.device, $0.grant.quota) }, uniquingKeysWith: { $0.adding($1) })
        return devices.map { device in
            DeviceReport(
                device: device, sample: vanished.contains(device.id) ? nil : samples[device.id],
                health: healths[device.id] ?? DeviceHealth(score: nil, reasons: []), blocked: blocked(device),
                localGranted: leased[device.id] ?? .zero)
        }
    }

    /// The next report; each has its own sequence number.
    package func report() -> NodeReport {
        sequence += 1
        return NodeReport(
            bootID: bootID, node: node, sequence: sequence, agentStartMilliseconds: startMilliseconds,
            sentMilliseconds: RealtimeClock.nowMilliseconds(), host: host, devices: deviceReports(),
            workloads: Array(workloads.prefix(APILimits.workloadsPerReport)), vendors: vendors, probes: probes,
            leases: leases, escapes: escapes, topology: topology, clearances: clearances, health: nodeHealth)
    }

    package func status() -> AgentStatus {
        AgentStatus(
            node: node, agentVersion: HCSVersion.current, scheduler: scheduler, schedulerReachable: schedulerReachable,
            devices: deviceReports(), workloads: workloads, vendors: vendors, probes: probes, leases: leases,
            escapes: escapes, escapeTotals: escapeTotals, host: host, topology: topology, health: nodeHealth)
    }
}
