import HCSAPI
import HCSModel

extension Metrics {
    static let agent: [Metric] = [
        .agent("hcs_agent_info", "The agent's version and node; always 1.", labels: ["version", "node"]) {
            [.init(labels: [("version", $0.status.agentVersion), ("node", $0.status.node)], value: 1)]
        },
        .agent("hcs_agent_scheduler_reachable", "1 when the last report was taken.") { snapshot in
            guard snapshot.status.scheduler != nil else { return [] }
            return [.init(value: snapshot.status.schedulerReachable ? 1 : 0)]
        },
        .agent("process_start_time_seconds", "When the agent started, since 1970.") {
            $0.process.map { [.init(value: $0.startSeconds)] } ?? []
        },
        .agent("process_resident_memory_bytes", "Memory of the agent, without its workers.") {
            $0.process.map { [.init(value: Double($0.residentBytes))] } ?? []
        },
        .agent("process_cpu_seconds_total", "Processor time of the agent, without its workers.", kind: .counter) {
            $0.process.map { [.init(value: $0.processorSeconds)] } ?? []
        },
        .agent("hcs_collector_duration_seconds", "Time of one pass over all vendors' workers.", kind: .histogram) {
            $0.record.passes.series
        },
    ]

    static let host: [Metric] = [
        .agent(
            "hcs_vendor_worker_state", "1 for the state of a vendor's worker process.",
            labels: ["vendor", "simulated", "state"]
        ) { snapshot in
            snapshot.status.vendors.flatMap { vendor in
                Metric.states(vendor.state).map {
                    .init(labels: labels(of: vendor) + [("state", $0.labels[0])], value: $0.value)
                }
            }
        },
        vendor("hcs_vendor_worker_missed_deadlines", "Deadlines missed in a row.") { Double($0.missedDeadlines) },
        vendor("hcs_vendor_worker_restarts_total", "Workers started after the first.", kind: .counter) {
            Double($0.restarts)
        },
        vendor("hcs_vendor_worker_stuck", "1 while a killed worker sits in the kernel.") { Double($0.stuck) },
        vendor("hcs_vendor_implausible_values_total", "Figures left out because they cannot be.", kind: .counter) {
            Double($0.droppedValues)
        },
        vendor("hcs_vendor_skipped_devices", "Listed devices that could not be taken.") {
            Double($0.skippedDevices.count)
        },
        .agent("hcs_probe_state", "1 for the state of a probe.", labels: ["probe", "state"]) { snapshot in
            snapshot.status.probes.flatMap { probe in
                Metric.states(probe.state).map {
                    .init(labels: [("probe", probe.name), ("state", $0.labels[0])], value: $0.value)
                }
            }
        },
        probe("hcs_probe_events_total", "Events that a probe told of.") { $0.events },
        probe("hcs_probe_dropped_events_total", "Events lost because nobody read them in time.") { $0.dropped },
        .agent("hcs_workloads", "Workloads by phase.", labels: ["phase"]) { snapshot in
            WorkloadObservation.Phase.allCases.map { phase in
                .init(
                    labels: [("phase", phase.rawValue)],
                    value: Double(snapshot.status.workloads.count { $0.phase == phase }))
            }
        },
        .agent("hcs_leases", "Shares given to this host's own users.") {
            [.init(value: Double($0.status.leases?.count ?? 0))]
        },
    ]

    private static func labels(of vendor: VendorStatus) -> [(name: String, value: String)] {
        [("vendor", vendor.vendor.rawValue), ("simulated", String(vendor.simulated))]
    }

    private static func vendor(
        _ name: String, _ help: String, kind: Metric.Kind = .gauge,
        _ value: @escaping @Sendable (VendorStatus) -> Double
    ) -> Metric {
        .agent(name, help, kind: kind, labels: ["vendor", "simulated"]) { snapshot in
            snapshot.status.vendors.map { .init(labels: labels(of: $0), value: value($0)) }
        }
    }

    private static func probe(
        _ name: String, _ help: String, _ value: @escaping @Sendable (ProbeStatus) -> UInt64
    ) -> Metric {
        .agent(name, help, kind: .counter, labels: ["probe"]) { snapshot in
            snapshot.status.probes.map { .init(labels: [("probe", $0.name)], value: Double(value($0))) }
        }
    }
}
