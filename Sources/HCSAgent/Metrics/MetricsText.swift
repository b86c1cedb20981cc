package import HCSAPI
import HCSModel

/// The agent's state in the Prometheus text format, base units (health reference, section 5). Never a series by pid.
package enum MetricsText {
    package static func render(_ status: AgentStatus) -> String {
        var text = ""
        func family(
            _ name: String, _ help: String, _ type: String = "gauge",
            _ rows: [(labels: [(String, String)], value: Double)]
        ) {
            guard !rows.isEmpty else { return }
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
            for row in rows {
                let labels = row.labels.map { "\($0.0)=\"\(escape($0.1))\"" }.joined(separator: ",")
                text += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(number(row.value))\n"
            }
        }
        func devices(_ name: String, _ help: String, _ value: (DeviceReport) -> Double?) {
            family(
                name, help, "gauge",
                status.devices.compactMap { report in value(report).map { (labels(of: report), $0) } })
        }
        family(
            "hcs_agent_info", "The agent.", "gauge", [([("version", status.agentVersion), ("node", status.node)], 1)])
        family(
            "hcs_agent_scheduler_reachable", "1 when the last report was taken.", "gauge",
            [([], status.schedulerReachable ? 1 : 0)])
        devices("hcs_gpu_health_score", "0 to 100; NaN when too little is known.") {
            $0.health.score.map(Double.init) ?? .nan
        }
        devices("hcs_gpu_memory_total_bytes", "Device memory.") { Double($0.device.memory.bytes) }
        devices("hcs_gpu_memory_used_bytes", "As the driver counts it.") {
            $0.sample?.memoryUsed.map { Double($0.bytes) }
        }
        for signal in Signal.allCases {
            family(
                name(of: signal), signal.traits.help, signal.traits.kind == .counter ? "counter" : "gauge",
                status.devices.flatMap { report in
                    (report.sample?.signals.all(signal) ?? []).map { part, value in
                        (labels(of: report) + (part.map { [("part", $0)] } ?? []), inBaseUnits(value, signal))
                    }
                })
        }
        family(
            "hcs_gpu_health_factor", "Penalty of one factor, 0 to 1.", "gauge",
            status.devices.flatMap { report in
                Dictionary(report.health.reasons.map { ($0.factor, $0.penalty) }, uniquingKeysWith: max).sorted {
                    $0.key < $1.key
                }
                .map { (labels(of: report) + [("factor", $0.key)], $0.value) }
            })
        family(
            "hcs_vendor_worker_missed_deadlines", "In a row, of a vendor's library.", "gauge",
            status.vendors.map {
                ([("vendor", $0.vendor.rawValue), ("simulated", String($0.simulated))], Double($0.missedDeadlines))
            })
        family(
            "hcs_workloads", "Workloads by phase.", "gauge",
            Dictionary(grouping: status.workloads, by: \.phase.rawValue).sorted { $0.key < $1.key }
                .map { ([("phase", $0.key)], Double($0.value.count)) })
        family(
            "hcs_leases", "Shares given to this host's own users.", "gauge", [([], Double(status.leases?.count ?? 0))])
        let known = Dictionary(status.devices.map { ($0.device.id, labels(of: $0)) }, uniquingKeysWith: { a, _ in a })
        func escapes(_ device: DeviceID, _ kind: Escape.Kind) -> [(String, String)] {
            (known[device] ?? [("uuid", device.uuid)]) + [("kind", kind.rawValue)]
        }
        family(
            "hcs_escape_bytes", "Device memory that no quota explains, now.", "gauge",
            // Those that began and are over stay, at 0: a series that vanishes raises no "resolved".
            (status.escapeTotals ?? []).map { total in
                let present = (status.escapes ?? []).filter { $0.device == total.device && $0.kind == total.kind }
                return (escapes(total.device, total.kind), present.reduce(0) { $0 + Double($1.bytes.bytes) })
            })
        family(
            "hcs_escapes_total", "Escapes that began.", "counter",
            (status.escapeTotals ?? []).map { (escapes($0.device, $0.kind), Double($0.count)) })
        return text
    }

    /// `hcs_gpu_` and the signal's name and base unit: hertz, not megahertz; a ratio, not per cent.
    private static func name(of signal: Signal) -> String {
        let words = signal.rawValue.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : String($1) }
        let unit =
            switch signal.traits.unit {
            case .celsius: "_celsius"
            case .watts: "_watts"
            case .joules: "_joules"
            case .percent: "_ratio"
            case .megahertz: "_hertz"
            case .bytes: "_bytes"
            case .bytesPerSecond: "_bytes_per_second"
            case .count, .flag: ""
            }
        return "hcs_gpu_\(words)\(unit)\(signal.traits.kind == .counter ? "_total" : "")"
    }

    private static func inBaseUnits(_ value: Double, _ signal: Signal) -> Double {
        switch signal.traits.unit {
        case .percent: value / 100
        case .megahertz: value * 1e6
        default: value
        }
    }

    private static func labels(of report: DeviceReport) -> [(String, String)] {
        [
            ("uuid", report.device.id.uuid), ("vendor", report.device.vendor.rawValue), ("model", report.device.model),
            ("gpu", String(report.device.index)), ("pci_bus_id", report.device.pci?.description ?? ""),
            ("simulated", String(report.device.simulated)),
        ]
    }

    private static func escape(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n", "\r\n": result += "\\n"
            default: result.append(character)
            }
        }
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
