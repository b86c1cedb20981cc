import HCSAPI
package import HCSModel

/// Theoretical and measured throughput of this host's devices and processors, as `hcs fingerprint` tells it.
package struct FingerprintReport: Hashable, Sendable, Codable {
    package struct DeviceEntry: Hashable, Sendable, Codable {
        package var id: DeviceID
        package var vendor: Vendor
        package var model: String
        package var index: UInt32
        package var memory: ByteCount
        package var driverVersion: String?
        package var simulated: Bool
        package var fingerprint: Fingerprint
        /// A measurement with another driver or clock, which says nothing of the device as it is now.
        package var outdated: MeasuredFingerprint?
        /// Why it was not measured though that was asked for.
        package var unavailable: String?

        package init(_ device: Device, outdated: MeasuredFingerprint? = nil, unavailable: String? = nil) {
            id = device.id
            vendor = device.vendor
            model = device.model
            index = device.index
            memory = device.memory
            driverVersion = device.driverVersion
            simulated = device.simulated
            fingerprint = device.fingerprint
            self.outdated = outdated
            self.unavailable = unavailable
        }
    }

    package struct CPUEntry: Hashable, Sendable, Codable {
        package var model: String
        package var count: Int
        package var measured: MeasuredFingerprint?
        package var unavailable: String?

        package init(model: String, count: Int, measured: MeasuredFingerprint? = nil, unavailable: String? = nil) {
            self.model = model
            self.count = count
            self.measured = measured
            self.unavailable = unavailable
        }
    }

    package var version: String
    package var host: String
    package var atMilliseconds: Int64
    /// Who was asked for the devices and what they said, one line each.
    package var asked: [String]
    package var devices: [DeviceEntry]
    package var cpu: CPUEntry
    /// Why there is nothing above; nil where there is, or nobody asked.
    package var remark: String?
    /// Files of the catalogue that do not count, and why.
    package var problems: [String]

    package init(
        host: String, atMilliseconds: Int64, asked: [String] = [], devices: [DeviceEntry], cpu: CPUEntry,
        remark: String? = nil,
        problems: [String] = []
    ) {
        version = HCSVersion.current
        self.host = host
        self.atMilliseconds = atMilliseconds
        self.asked = asked
        self.devices = devices
        self.cpu = cpu
        self.remark = remark
        self.problems = problems
    }
}

extension FingerprintReport {
    /// For people.
    package var text: String {
        var lines = asked
        if !lines.isEmpty { lines.append("") }
        for device in devices { lines += self.lines(device) + [""] }
        if let remark { lines += [remark, ""] }
        lines.append("Processors  \(cpu.model), \(cpu.count) CPU\(cpu.count == 1 ? "" : "s")")
        if let measured = cpu.measured {
            lines.append("  measured     \(how(measured, driver: "kernel"))")
            lines += Self.table(Fingerprint(tflops: [:], confidence: .unknown, source: "", measured: measured))
            lines += measured.notes.map { "  note         \($0)" }
        } else if cpu.unavailable == nil {
            lines.append("  measured     never: hcs fingerprint --measure --cpu")
        }
        if let why = cpu.unavailable { lines.append("  unavailable  \(why)") }
        lines += problems.map { "catalogue: \($0)" }
        return lines.joined(separator: "\n")
    }

    private func lines(_ device: DeviceEntry) -> [String] {
        let fingerprint = device.fingerprint
        var lines = [
            "\(device.vendor.rawValue):\(device.index)  \(device.model)  \(device.id)\(device.simulated ? "  (simulated)" : "")"
        ]
        let power = fingerprint.tdpWatts.map { ", TDP \(Self.number($0)) W" } ?? ""
        lines.append("  theoretical  \(fingerprint.confidence.rawValue): \(fingerprint.source)\(power)")
        if let measured = fingerprint.measured {
            lines.append("  measured     \(how(measured))")
        } else if let outdated = device.outdated {
            lines.append("  measured     not since the driver or the clocks changed; last: \(how(outdated))")
        } else {
            lines.append("  measured     never")
        }
        lines += Self.table(fingerprint)
        lines += (fingerprint.measured?.notes ?? []).map { "  note         \($0)" }
        if let why = device.unavailable { lines.append("  unavailable  \(why)") }
        return lines
    }

    private func how(_ measured: MeasuredFingerprint, driver word: String = "driver") -> String {
        let age = max(0, atMilliseconds - max(0, measured.atMilliseconds)) / 1000
        let unit =
            age < 120
            ? "\(age) s" : age < 7200 ? "\(age / 60) min" : age < 172_800 ? "\(age / 3600) h" : "\(age / 86_400) d"
        let driver = measured.driverVersion.map { ", \(word) \($0)" } ?? ""
        return "\(unit) ago, \(measured.method)\(driver)\(measured.simulated ? ", simulated: no real figures" : "")"
    }

    private static func table(_ fingerprint: Fingerprint) -> [String] {
        var rows: [(name: String, peak: Double?, measured: Double?)] = []
        for precision in Precision.allCases {
            let row = (fingerprint.tflops[precision], fingerprint.measured?.tflops[precision])
            if row.0 != nil || row.1 != nil {
                rows.append((precision.rawValue + (precision == .int8 ? " TOPS" : " TFLOPS"), row.0, row.1))
            }
        }
        if fingerprint.bandwidthGBps != nil || fingerprint.measured?.bandwidthGBps != nil {
            rows.append(("memory GB/s", fingerprint.bandwidthGBps, fingerprint.measured?.bandwidthGBps))
        }
        guard !rows.isEmpty else { return [] }
        let columns: [(title: String, cell: (Double?, Double?) -> String)] = [
            ("theoretical", { peak, _ in peak.map(number) ?? "-" }),
            ("measured", { _, measured in measured.map(number) ?? "-" }),
            ("share", { peak, measured in share(measured, of: peak).map { "\($0) %" } ?? "-" }),
        ]
        // A column that would be empty is left out.
        let shown = columns.filter { column in rows.contains { column.cell($0.peak, $0.measured) != "-" } }
        func name(_ text: String) -> String { "  " + text + String(repeating: " ", count: max(1, 14 - text.count)) }
        func line(_ cells: [String]) -> String {
            cells.map { String(repeating: " ", count: max(1, 13 - $0.count)) + $0 }.joined()
        }
        return [name("") + line(shown.map(\.title))]
            + rows.map { row in name(row.name) + line(shown.map { $0.cell(row.peak, row.measured) }) }
    }

    /// Per cent.
    private static func share(_ measured: Double?, of peak: Double?) -> Int? {
        guard let measured, let peak, peak > 0 else { return nil }
        return Int(exactly: (measured / peak * 100).rounded())
    }

    /// Three significant digits where they mean something.
    static func number(_ value: Double) -> String {
        guard value.isFinite, value >= 0, value < 1e12 else { return "-" }
        let digits = value >= 100 ? 1.0 : value >= 10 ? 10.0 : value >= 1 ? 100.0 : 10_000.0
        let rounded = (value * digits).rounded() / digits
        return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
    }
}
