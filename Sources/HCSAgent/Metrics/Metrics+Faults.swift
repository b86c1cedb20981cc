import HCSAPI
import HCSModel

extension Metrics {
    static let faults: [Metric] = [
        fault("hcs_gpu_fault_total", "Faults that the kernel log or the library told, by code.", kind: .counter) {
            Double($0.count)
        },
        fault("hcs_gpu_fault_last_timestamp_seconds", "When such a fault was told last, since 1970.", kind: .gauge) {
            Double($0.lastMilliseconds) / 1000
        },
        .agent(
            "hcs_faults_without_device_total", "Faults of a device that was not known then.", kind: .counter,
            labels: ["vendor"]
        ) { snapshot in
            snapshot.record.unmatched.sorted { $0.key.rawValue < $1.key.rawValue }
                .map { .init(labels: [("vendor", $0.key.rawValue)], value: Double($0.value)) }
        },
        Metric(
            name: "hcs_escape_bytes", kind: .gauge, help: "Device memory that no quota explains, now.",
            subject: .device, labels: ["kind"]
        ) { snapshot in
            // Those that began and are over stay, at 0: a series that vanishes raises no "resolved".
            (snapshot.status.escapeTotals ?? []).map { total in
                let present = (snapshot.status.escapes ?? [])
                    .filter { $0.device == total.device && $0.kind == total.kind }
                return .init(
                    subject: snapshot.labels(of: total.device), labels: [("kind", total.kind.rawValue)],
                    value: present.reduce(0) { $0 + Double($1.bytes.bytes) })
            }
        },
        Metric(
            name: "hcs_escapes_total", kind: .counter, help: "Escapes that began.", subject: .device, labels: ["kind"]
        ) { snapshot in
            (snapshot.status.escapeTotals ?? []).map {
                .init(
                    subject: snapshot.labels(of: $0.device), labels: [("kind", $0.kind.rawValue)],
                    value: Double($0.count))
            }
        },
    ]

    private static func fault(
        _ name: String, _ help: String, kind: Metric.Kind = .gauge,
        _ value: @escaping @Sendable (MetricsRecord.FaultCount) -> Double
    ) -> Metric {
        .devices(name, help, kind: kind, labels: ["family", "code", "class"]) { device in
            device.record.faults.sorted { $0.key < $1.key }
                .map { ([$0.key.family, $0.key.code, $0.key.faultClass], value($0.value)) }
        }
    }
}
