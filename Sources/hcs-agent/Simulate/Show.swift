import ArgumentParser
import Foundation
import HCSModel
import HCSSimulation

extension SimulateCommand {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a simulated host as it stands.")
        @OptionGroup var state: StateOption
        @Option(name: [.long, .short], help: "table or json.") var output: DoctorCommand.Format = .table

        private struct Row: Encodable {
            var device: String
            var id: DeviceID
            var model: String
            var pci: PCIAddress
            var numaNode: UInt32?
            var memory: ByteCount
            var usedElsewhere: ByteCount
            var temperature: UInt64
            var power: UInt64
            var utilization: UInt64
            var faults: [String]
            var processes: [Process]
        }

        private struct Process: Encodable {
            var pid: Int32
            var requested: ByteCount
            var charged: ByteCount
            var allocations: UInt64
        }

        private struct Report: Encodable {
            var state: String
            var devices: [Row]
            var libraries: [String: [String]]
        }

        func run() throws {
            let host = try state.open()
            let usage = host.usage()
            let rows = host.devices.map { device in
                Row(
                    device: device.selector, id: device.id, model: device.model, pci: device.pci,
                    numaNode: device.numaNode,
                    memory: device.memory, usedElsewhere: device.usedElsewhere, temperature: device.temperature,
                    power: device.power, utilization: device.utilization,
                    faults: device.faults.map(\.rawValue).sorted(),
                    processes: usage.filter { $0.device == device.id }.map {
                        Process(pid: $0.pid, requested: $0.requested, charged: $0.charged, allocations: $0.allocations)
                    })
            }
            var libraries: [String: [String]] = [:]
            for vendor in Vendor.allCases where rows.contains(where: { $0.device.hasPrefix("\(vendor.rawValue):") }) {
                libraries[vendor.rawValue] = host.libraryFaults(of: vendor).map(\.rawValue).sorted()
            }
            let report = Report(state: host.path, devices: rows, libraries: libraries)
            switch output {
            case .json:
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                try Output.standardOutput(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n")
            case .table: try Output.standardOutput(table(report))
            }
        }

        private func table(_ report: Report) -> String {
            var lines = [["DEVICE", "MODEL", "PCI", "MEMORY", "USED", "TEMP", "POWER", "FAULTS", "ID"]]
            for row in report.devices {
                let used = row.processes.reduce(row.usedElsewhere) { $0.adding($1.charged) }
                lines.append([
                    row.device, row.model, row.pci.description, row.memory.description, used.description,
                    "\(row.temperature) °C", "\(row.power) W",
                    row.faults.isEmpty ? "-" : row.faults.joined(separator: ","),
                    row.id.uuid,
                ])
            }
            let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
            var text = lines.map { line in
                zip(line, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
            }
            text += report.libraries.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }.map {
                "library of \($0.key): \($0.value.joined(separator: ", "))"
            }
            return text.joined(separator: "\n") + "\n"
        }
    }
}
