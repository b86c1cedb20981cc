import HCSAPI
import HCSModel

extension Metrics {
    static let devices: [Metric] = [
        .devices(
            "hcs_gpu_info", "What the library tells of the device; always 1.",
            labels: ["driver_version", "firmware", "architecture", "profile"]
        ) { device in
            let known = device.report.device
            return [
                (
                    [
                        known.driverVersion ?? "", known.details.firmware ?? "", known.details.architecture ?? "",
                        known.details.partition?.profile ?? "",
                    ], 1
                )
            ]
        },
        .device("hcs_gpu_blocked", "1 while the agent gives the device no work, whatever its health.") {
            $0.report.blocked == nil ? 0 : 1
        },
        .device("hcs_gpu_health_score", "0 to 100; NaN when too little is known.") {
            $0.report.health.score.map(Double.init) ?? .nan
        },
        .devices("hcs_gpu_health_state", "1 for the band of the score.", labels: ["state"]) {
            Metric.states($0.report.health.band)
        },
        .devices("hcs_gpu_health_factor", "What lowers the score: its penalty, 0 to 1.", labels: ["factor"]) {
            Dictionary($0.report.health.reasons.map { ($0.factor, $0.penalty) }, uniquingKeysWith: max)
                .sorted { $0.key < $1.key }.map { ([$0.key], $0.value) }
        },
        .devices("hcs_gpu_vendor_health_state", "1 for what the vendor's own health call says.", labels: ["state"]) {
            Metric.states($0.report.sample?.vendorHealth)
        },
        .device("hcs_gpu_telemetry_coverage_ratio", "Passes of the last 5 minutes that brought a sample.") {
            $0.record.coverage
        },
        .device("hcs_gpu_last_sample_timestamp_seconds", "When the last sample came, since 1970.") {
            $0.record.lastSampleMilliseconds.map { Double($0) / 1000 }
        },
        .device("hcs_gpu_memory_total_bytes", "Device memory.") { Double($0.report.device.memory.bytes) },
        .device("hcs_gpu_memory_used_bytes", "Device memory in use, as the driver counts it.") {
            $0.report.sample?.memoryUsed.map { Double($0.bytes) }
        },
        .device("hcs_gpu_lease_bytes", "Device memory given to this host's own users.") {
            Double($0.report.localGranted.bytes)
        },
        shares("hcs_gpu_workload_quota_bytes", "Sum of the quotas of the workloads on the device.") {
            Double($0.quota.bytes)
        },
        shares("hcs_gpu_workload_used_bytes", "Device memory charged to workloads on the device.") {
            Double($0.used.bytes)
        },
    ]

    /// Over the workloads that have not ended.
    private static func shares(
        _ name: String, _ help: String, _ value: @escaping @Sendable (DeviceUsage) -> Double
    ) -> Metric {
        Metric(name: name, kind: .gauge, help: help, subject: .device, labels: []) { snapshot in
            let running = snapshot.status.workloads.filter { $0.phase != .ended }.flatMap(\.usage)
            return snapshot.devices.map { device in
                let own = running.filter { $0.device == device.report.device.id }
                return .init(subject: device.labels, value: own.reduce(0) { $0 + value($1) })
            }
        }
    }
}
