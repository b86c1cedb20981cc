import Foundation
import HCSAPI
import HCSAgent
import HCSCatalog
import HCSDevice
import HCSHealth
import HCSModel
import Testing

/// Whatever a vendor worker answers goes through all of the agent: wire, plausibility, catalogue, health, topology, metrics
/// and report. Nothing of it may trap, and nothing that comes out may be what cannot be true.
@Suite struct HostileReplyTests {
    private static func honest() -> (inventory: JSONValue, samples: JSONValue) {
        var whole = DeviceInventory(
            id: DeviceID("GPU-a"), name: "NVIDIA H100 80GB HBM3", index: 0, memory: .gibibytes(80),
            pci: PCIAddress("0000:3b:00.0"), numaNode: 0, driverVersion: "550", cores: 16896, maximumClockMHz: 1980)
        whole.details = DeviceDetails(
            serial: "S", firmware: "F", architecture: "sm_90", runtimeVersion: "12.4",
            links: [
                DeviceLink(
                    kind: .nvlink, lane: 0, up: true, peer: .device, peerAddress: PCIAddress("0000:3c:00.0"),
                    version: 4, bandwidthGBps: 25)
            ])
        var part = whole
        part.id = DeviceID("MIG-b")
        part.details.partition = DevicePartition(card: DeviceID("GPU-b"), profile: "1g.10gb", slices: 1, cardSlices: 7)
        let sample = RawSample(
            id: whole.id, memoryUsed: 1 << 30, health: .good, faultCodes: [1],
            signals: [.temperature: 40, .power: 100, .utilization: 3, .energy: 1e9, .clock: 1980],
            processes: [.init(pid: 1, memory: .mebibytes(5))], events: [DeviceEvent(kind: .xid, code: 79)])
        var other = sample
        other.id = part.id
        return (
            VendorInventory(devices: [whole, part], skipped: ["none"], cutUp: [DeviceID("GPU-b")]).json,
            .object(["samples": .array([sample.json, other.json])])
        )
    }

    private static let nasty: [JSONValue] = [
        .null, .bool(true), .unsigned(0), .unsigned(1), .unsigned(.max), .unsigned(1 << 63), .unsigned((1 << 63) - 1),
        .unsigned(UInt64(UInt32.max)), .unsigned(UInt64(UInt32.max) + 1), .unsigned(1 << 42), .negative(-1),
        .negative(.min), .number(1e308), .number(-1e308), .number(1e-308), .number(0.5), .number(.nan),
        .number(.infinity),
        .number(9.3e18), .number(1.9e19), "", "\u{0}", "\u{1b}[2J", "\n", "../..", "GPU-a", "MIG-b", "GPU-b",
        "0000:3b:00.0",
        "ffffffff:ff:1f.7", "lost", "xid", .string(String(repeating: "é", count: 10_000)),
        .string(String(repeating: "GPU-a", count: 50)), .array([]), .object([:]),
        .array(Array(repeating: .unsigned(.max), count: 3000)), .array(Array(repeating: "GPU-a", count: 3000)),
    ]

    /// One value somewhere in it replaced, an entry repeated, or a field under another's name.
    private static func spoil(_ value: JSONValue, _ random: inout some RandomNumberGenerator) -> JSONValue {
        if Int.random(in: 0..<6, using: &random) == 0 { return nasty.randomElement(using: &random) ?? .null }
        switch value {
        case .array(var values) where !values.isEmpty:
            let position = Int.random(in: 0..<values.count, using: &random)
            if Int.random(in: 0..<5, using: &random) == 0 {
                values += Array(repeating: values[position], count: 200)
            } else {
                values[position] = spoil(values[position], &random)
            }
            return .array(values)
        case .object(var fields) where !fields.isEmpty:
            guard let key = fields.keys.sorted().randomElement(using: &random), let old = fields[key] else {
                return value
            }
            if Int.random(in: 0..<8, using: &random) == 0,
                let other = fields.keys.sorted().randomElement(using: &random)
            {
                fields[other] = old
            } else {
                fields[key] = spoil(old, &random)
            }
            return .object(fields)
        default: return nasty.randomElement(using: &random) ?? .null
        }
    }

    /// What came out of the inventory and the samples.
    private struct Outcome {
        var devices: [Device] = []
        var samples: [DeviceID: DeviceSample] = [:]
    }

    private func read(_ inventory: JSONValue, _ samples: JSONValue) throws -> Outcome {
        var outcome = Outcome()
        guard let listed = try? VendorInventory(json: try JSONValue(parsing: inventory.utf8)) else { return outcome }
        outcome.devices = listed.devices.map { found in
            Device(
                id: found.id, vendor: .nvidia, model: found.name, index: found.index, memory: found.memory,
                pci: found.pci, numaNode: found.numaNode,
                fingerprint: Catalog.builtIn.fingerprint(of: found, vendor: .nvidia),
                driverVersion: found.driverVersion, details: found.details, simulated: false)
        }
        for device in outcome.devices { _ = listed.retires(device.id, partOf: device.details.partition?.card) }
        for entry in (try JSONValue(parsing: samples.utf8))["samples"]?.array ?? [] {
            guard let raw = RawSample(json: entry) else { continue }
            let memory = outcome.devices.first { $0.id == raw.id }?.memory ?? .zero
            outcome.samples[raw.id] = Plausibility.judge(raw, memory: memory).sample
        }
        return outcome
    }

    private func pass(_ outcome: Outcome, seed: UInt64) throws {
        var analyzer = HealthAnalyzer(
            policy: try Agent.healthPolicy(at: "/nonexistent/health-policy.json"), bootID: "b")
        for now in [Int64(0), .max, .min] {
            analyzer.update(devices: outcome.devices, at: now)
            for (id, sample) in outcome.samples { analyzer.record(sample, for: id, at: now) }
            for fault in LibraryEvents.faults(in: outcome.samples, of: outcome.devices, at: now) {
                _ = analyzer.record(fault)
            }
            analyzer.record(missedDeadlines: .max, vendor: .nvidia, simulated: false, at: now)
            _ = analyzer.evaluate(at: now)
        }
        let healths = analyzer.evaluate(at: 5)
        let reports = outcome.devices.map {
            DeviceReport(
                device: $0, sample: outcome.samples[$0.id],
                health: healths[$0.id] ?? DeviceHealth(score: nil, reasons: []), blocked: nil)
        }
        let status = AgentStatus(
            node: "n", agentVersion: "v", scheduler: nil, schedulerReachable: false, devices: reports, workloads: [],
            vendors: [], probes: [])
        #expect(
            MetricsText.render(MetricsSnapshot(status: status)).utf8.allSatisfy {
                $0 == 10 || (0x20...0x7e).contains($0)
            }, "seed \(seed)")
        let matrix = TopologyMatrix(devices: outcome.devices, topology: nil, numaNodes: [])
        #expect(Set(matrix.members.map(\.name)).count == matrix.members.count, "seed \(seed)")
        let sent = try JSONEncoder().encode(status)
        #expect(try JSONDecoder().decode(AgentStatus.self, from: sent).devices == reports, "seed \(seed)")
        for device in outcome.devices {
            let idle = outcome.samples[device.id]?.busyReason(memory: device.memory)
            #expect(idle?.isEmpty != true)
            _ =
                FingerprintReport(
                    host: "h", atMilliseconds: .max, devices: [.init(device)], cpu: .init(model: "c", count: 1)
                ).text
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `no answer of a worker traps the agent or gets through as nonsense`(part: UInt64) throws {
        let (inventory, samples) = Self.honest()
        try pass(try read(inventory, samples), seed: 0)
        #expect(try read(inventory, samples).samples.count == 2)
        for seed in (part * 150)..<(part * 150 + 150) {
            var random = SplitMix64(state: seed)
            var (devices, figures) = (inventory, samples)
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                devices = Self.spoil(devices, &random)
                figures = Self.spoil(figures, &random)
            }
            try pass(try read(devices, samples), seed: seed)
            try pass(try read(inventory, figures), seed: seed)
        }
    }

    @Test func `a reply as long as can be is read, and bounded`() throws {
        let entries = JSONValue.array(Array(repeating: "x", count: 500_000))
        let inventory = try VendorInventory(json: .object(["devices": entries, "skipped": entries, "cutUp": entries]))
        #expect(inventory.devices.isEmpty && inventory.skipped.count == WorkerProtocol.maximumDevices)
        #expect(inventory.cutUp.count == 1)
        let sample = try #require(
            RawSample(
                json: .object([
                    "id": "a", "codes": .array(Array(repeating: .unsigned(.max), count: 500_000)),
                    "processes": .array(Array(repeating: .array([.unsigned(1), .unsigned(.max)]), count: 500_000)),
                    "events": .array(
                        Array(repeating: .array(["xid", .unsigned(1), .unsigned(.max)]), count: 500_000)),
                ])))
        #expect(sample.faultCodes.count == WorkerProtocol.maximumFaultCodes && sample.processes.count == 1)
        #expect(sample.events.count <= DeviceSample.eventLimit)
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: DeviceError.self) { try JSONValue(parsing: Array(deep.utf8)) }
        #expect(throws: DeviceError.self) {
            try JSONValue(parsing: Array("[\(String(repeating: "9", count: 1000))]".utf8))
        }
    }
}
