import Foundation
import HCSHealth
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

@testable import HCSAgent
@testable import HCSProbe

/// What the BPF programs told in a virtual machine (`Tests/QEMU/run.sh`) lowers the device and the host, as here.
@Suite("Faults injected into a virtual machine") struct QEMUEventTests {
    private static let directory = ProcessInfo.processInfo.environment["HCS_QEMU_EVENTS"]
    /// Where QEMU puts the device behind the port.
    private static let address = "0000:01:00.0"

    private struct Line {
        var probe: String
        var bytes: [UInt8]

        init?(_ text: Substring) {
            let words = text.split(separator: " ")
            guard words.count == 3, words[0] == "hcs-event" else { return nil }
            probe = String(words[1])
            let digits = Array(words[2].utf8)
            bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
            }
        }
    }

    /// The host that the production code believes to read: a card where QEMU's device is.
    private static func tree() throws -> TemporaryDirectory {
        let tree = try TemporaryDirectory()
        let place = "sys/devices/pci0000:00/0000:00:01.0/\(address)"
        for (name, text) in [("vendor", "0x10de"), ("device", "0x2330"), ("class", "0x030200")] {
            try tree.write("\(text)\n", to: "\(place)/\(name)")
        }
        try tree.write("", to: "sys/bus/pci/devices/none")
        try #require(
            symlink(
                "../../../devices/pci0000:00/0000:00:01.0/\(address)", tree.file("sys/bus/pci/devices/\(address)")) == 0
        )
        return tree
    }

    @Test(.enabled(if: directory != nil, "run by make test-qemu"))
    func `each event lowers what it concerns`() async throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.directory ?? "")
            .filter { $0.hasPrefix("events-") }
        try #require(!files.isEmpty, "no events-* in \(Self.directory ?? "")")
        for file in files { try await judge("\(Self.directory ?? "")/\(file)") }
    }

    private func judge(_ path: String) async throws {
        let text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
        let tree = try Self.tree()
        let options = ProbeOptions(root: HostRoot(tree.path), useBPF: false)
        var errors = PCIeErrors(options: options)
        var checks = MachineChecks(options: options)
        let records = FirmwareRecords(options: options)
        let events = text.split(separator: "\n").compactMap(Line.init).compactMap { line -> HostEvent? in
            line.bytes.withUnsafeBytes {
                let seen: ProbeEvent? =
                    switch line.probe {
                    case "pcie_error": errors.event(from: $0)
                    case "machine_check": checks.event(from: $0)
                    case "firmware_record": records.event(from: $0)
                    default: nil
                    }
                return if case .host(let event) = seen { event } else { nil }
            }
        }
        func of(_ kind: HostEvent.Kind, _ severity: HostEvent.Severity) throws -> HostEvent {
            try #require(events.first { $0.kind == kind && $0.severity == severity }, "\(path): \(events)")
        }

        var card = AgentFixtures.device()
        card.pci = PCIAddress(Self.address)
        let monitor = HealthMonitor(
            policy: try .builtIn(), bootID: "boot", path: tree.file("health.json"), logger: AgentFixtures.logger)
        let start = (events.map(\.seen.atMilliseconds).min() ?? 0) - 10_000
        await monitor.update(devices: [card], at: start)
        await monitor.record(samples: [card.id: DeviceSample()], vendors: [], at: start)
        func device() async -> Int? { await monitor.healths(at: start + 10_000)[card.id]?.score }
        func host() async -> Int? { await monitor.nodeHealth(at: start + 10_000).score }
        func tell(_ event: HostEvent) async throws {
            _ = await monitor.record(try #require(HostFault(event)))
        }
        let before = await device()
        try await tell(try of(.pcieError, .warning))
        try await tell(try of(.pcieError, .error))
        let afterNonFatal = try #require(await device())
        #expect(afterNonFatal < before ?? 101 && afterNonFatal > 0)
        let whole = await host() ?? 101
        try await tell(try of(.machineCheck, .warning))
        let afterCorrected = try #require(await host())
        #expect(afterCorrected < whole)
        // The memory record: x86 hands it on as an uncorrected machine check.
        let memory = try of(.machineCheck, .error)
        #expect(memory.codes.contains { $0.lowercased().hasSuffix("9f") }, "\(memory.codes)")
        try await tell(memory)
        let afterMemory = try #require(await host())
        #expect(afterMemory < afterCorrected)
        _ = try of(.firmwareRecord, .error)
        #expect(await device() == afterNonFatal, "the host's faults are not the device's")
        try await tell(try of(.pcieError, .fatal))
        #expect(await device() == 0)
    }
}
