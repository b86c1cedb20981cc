import HCSAPI
import HCSModel

/// Devices that an agent gave to somebody, whether or not a process uses them now.
struct DevicesInUse: Hashable, Sendable {
    private var devices: [DeviceID: String] = [:]
    /// A workload whose device nobody tells yet may be on any.
    private var unknown: String?

    init() {}

    init(_ status: AgentStatus) { add(status) }

    mutating func add(_ status: AgentStatus) { add(workloads: status.workloads, leases: status.leases ?? []) }

    mutating func add(workloads: [WorkloadObservation], leases: [LeaseObservation]) {
        for lease in leases { devices[lease.grant.device] = "leased: \(lease.id)" }
        for workload in workloads where workload.phase != .ended {
            if workload.usage.isEmpty { unknown = "workload \(workload.id) is starting" }
            for usage in workload.usage { devices[usage.device] = "workload \(workload.id) has it" }
        }
    }

    /// Nil: it is nobody's.
    func reason(for device: DeviceID) -> String? { devices[device] ?? unknown }
}
