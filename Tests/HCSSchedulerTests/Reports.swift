import HCSAPI
import HCSModel

/// Reports as an agent would send them.
struct ReportMaker {
    var node = "n1"
    var sequence: UInt64 = 0
    var start: Int64 = 1
    var boot = "boot"
    /// How long the agent's process has run when it reports, milliseconds.
    var age: Int64 = 3_600_000

    mutating func make(
        _ devices: [DeviceReport], workloads: [WorkloadObservation] = [], leases: [LeaseObservation]? = nil,
        escapes: [Escape]? = nil, clearances: [ClearanceOutcome]? = nil
    ) -> NodeReport {
        sequence += 1
        return NodeReport(
            bootID: boot, node: node, sequence: sequence, agentStartMilliseconds: start,
            sentMilliseconds: start + age,
            host: HostFacts(
                hostname: node, kernel: "6.1", architecture: "x86_64", cpuModel: "cpu", cpuCount: 2,
                memory: .gibibytes(8),
                numaNodes: [], acceleratorFunctions: []),
            devices: devices, workloads: workloads, vendors: [], probes: [], leases: leases, escapes: escapes,
            clearances: clearances)
    }
}

func gpu(
    _ id: String, memory: UInt64 = 80, score: Int? = 100, used: UInt64 = 0, reasons: [HealthReason]? = nil,
    blocked: String? = nil
) -> DeviceReport {
    DeviceReport(
        device: Device(
            id: DeviceID(id), vendor: .nvidia, model: "H100", index: 0, memory: .gibibytes(memory), simulated: true),
        sample: DeviceSample(memoryUsed: .gibibytes(used)),
        health: DeviceHealth(
            score: score,
            reasons: reasons
                ?? (score == 0
                    ? [
                        HealthReason(
                            factor: "xid", penalty: 1, detail: "Xid 79", source: "kernel-log", sinceMilliseconds: 0)
                    ] : [])), blocked: blocked)
}

func spec(_ name: String, vram: UInt64 = 8, restart: RestartPolicy = .onDeviceFault) -> WorkloadSpec {
    WorkloadSpec(name: name, command: ["/bin/true"], runtime: .cuda, vram: .gibibytes(vram), restart: restart)
}

extension SchedulerClient {
    /// As an agent of the node `node`, by default the report's own, sends it.
    func report(_ report: NodeReport, node: String? = nil) async throws -> ReportReceipt {
        var writer = ReportWriter()
        return try await self.report(try writer.write(report), node: node ?? report.node)
    }
}
