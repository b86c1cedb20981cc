package import HCSAPI
import HCSHTTP
import HCSModel

/// What a scrape is rendered from: all of it was in memory before the scrape came.
package struct MetricsSnapshot: Sendable {
    /// A device with its labels, escaped once.
    struct Subject: Sendable {
        var report: DeviceReport
        var record: MetricsRecord.Device
        /// `uuid="…",vendor="…"`.
        var labels: String
        /// nil: no NVIDIA device.
        var dcgmLabels: String?
    }

    package var status: AgentStatus
    package var record: MetricsRecord
    package var process: ProcessUsage?
    let devices: [Subject]

    package init(status: AgentStatus, record: MetricsRecord = MetricsRecord(), process: ProcessUsage? = nil) {
        self.status = status
        self.record = record
        self.process = process
        devices = status.devices.map { report in
            Subject(
                report: report, record: record.devices[report.device.id] ?? MetricsRecord.Device(),
                labels: PrometheusText.labels(Metrics.labels(of: report.device)),
                dcgmLabels: Metrics.dcgmLabels(of: report.device, node: status.node).map(PrometheusText.labels))
        }
    }

    /// Of a device that may be gone: then only its identity is known.
    func labels(of device: DeviceID) -> String {
        devices.first { $0.report.device.id == device }?.labels ?? PrometheusText.labels([("uuid", device.uuid)])
    }
}
