import ArgumentParser
import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@testable import hcs

@Suite("What the command line says of places and devices", .serialized)
struct TopologyCommandTests {
    private func device(
        _ uuid: String, _ vendor: Vendor, _ index: UInt32, _ address: String, simulated: Bool = false,
        links: [DeviceLink] = []
    ) -> Device {
        Device(
            id: DeviceID(uuid), vendor: vendor, model: "Card", index: index, memory: .gibibytes(64),
            pci: PCIAddress(address), details: DeviceDetails(links: links), simulated: simulated)
    }

    private func place(_ device: Device, _ path: String?, _ numa: Int, _ cpus: String?) -> DevicePlace {
        DevicePlace(
            device: device.id,
            slot: PCISlot(address: device.pci, numaNode: numa, path: path.flatMap { PCIPath($0) }),
            cpus: cpus.flatMap { CPUSet($0) })
    }

    private var node: NodeView {
        let nodes = [0, 1].map {
            HostFacts.NUMANode(
                id: $0, memory: .gibibytes(128), cpuCount: 16, cpus: CPUSet("\($0 * 16)-\($0 * 16 + 15)"),
                distances: [$0: 10, 1 - $0: 21])
        }
        let host = HostFacts(
            hostname: "h", kernel: "6", architecture: "x86_64", cpuModel: "c", cpuCount: 32, memory: .gibibytes(256),
            numaNodes: nodes, acceleratorFunctions: [])
        let port = "pci0000:00/0000:00:01.0/0000:01:00.0"
        let card = Adapter(
            kind: .network, names: ["ens1"], rdma: [.init(name: "mlx5_0", linkLayer: "Ethernet")],
            slot: PCISlot(
                address: PCIAddress("0000:05:00.0"), numaNode: 0, path: PCIPath("\(port)/0000:02:02.0")))
        let disk = Adapter(
            kind: .disk, names: ["nvme0"],
            slot: PCISlot(address: PCIAddress("0000:81:00.0"), numaNode: 1, path: PCIPath("pci0000:80/0000:80:02.0")))
        let devices = self.devices.map(\.device)
        return NodeView(
            name: "host-a", state: .ready, lastReportAgeMilliseconds: 0, agentVersion: "0", bootID: "b", host: host,
            deviceCount: 4, simulatedDeviceCount: 1, vendors: [], probes: [],
            topology: Topology(
                devices: [
                    place(devices[0], "\(port)/0000:02:00.0", 0, "0-15"),
                    place(devices[1], "\(port)/0000:02:01.0", 0, "0-15"),
                    place(devices[2], "pci0000:80/0000:80:01.0", 1, "16-31"), place(devices[3], nil, 1, nil),
                ], adapters: [card, disk]))
    }

    private var devices: [DeviceView] {
        let lanes = (0..<4).map {
            DeviceLink(kind: .nvlink, lane: $0, up: true, peer: .device, peerAddress: PCIAddress("0000:04:00.0"))
        }
        return [
            device("GPU-a", .nvidia, 0, "0000:03:00.0", links: lanes), device("GPU-b", .nvidia, 1, "0000:04:00.0"),
            device("NPU-c", .ascend, 0, "0000:82:00.0"),
            device("MLU-d", .cambricon, 0, "ffff:10:00.0", simulated: true),
        ].map {
            DeviceView(
                node: "host-a", device: $0, sample: nil, health: DeviceHealth(score: 100, reasons: []), blocked: nil,
                ledger: DeviceLedger(total: $0.memory, granted: .zero, driverUsed: nil, free: $0.memory, workloads: []))
        }
    }

    @Test("the matrix has all makers' devices and network cards, their places below it, and a legend")
    func matrix() throws {
        let text = TopologyCommand.text(TopologyCommand.report([node], devices), .plain)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(
            Array(lines.prefix(8)) == [
                "host-a", "",
                "       GPU0  GPU1  NPU0  MLU0*  NIC0  CPU AFFINITY  NUMA  KIND",
                "GPU0   X     NV4   SYS   ?      PIX   0-15             0  real",
                "GPU1   NV4   X     SYS   ?      PIX   0-15             0  real",
                "NPU0   SYS   SYS   X     ?      SYS   16-31            1  real",
                "MLU0*  ?     ?     ?     X      ?     -                1  simulated",
                "NIC0   PIX   PIX   SYS   ?      X                      0",
            ])
        #expect(
            lines.contains("NIC0   0000:05:00.0  mlx5_0 (RoCE), ens1  same switch: GPU0 GPU1"), "\(text)")
        #expect(lines.contains("NVME0  0000:81:00.0  nvme0                same host bridge: NPU0"))
        #expect(lines.contains("NUMA 1: 128Gi, 16 CPUs (16-31), distance 21 to 0, 10 to 1"))
        #expect(text.hasSuffix(TopologyCommand.legend))
        for line in TopologyCommand.legend.split(separator: "\n") { #expect(line.count <= 80) }
    }

    @Test("a host without devices and one whose agent is older say so")
    func empty() {
        var older = node
        older.topology = nil
        let text = TopologyCommand.text(TopologyCommand.report([older], devices), .plain)
        #expect(text.contains("host-a: its agent does not tell where they sit"))
        #expect(text.contains("GPU0   X     NV4   ?"), "\(text)")
        #expect(TopologyCommand.text(TopologyCommand.report([node], []), .plain).contains("host-a: no devices."))
        #expect(TopologyCommand.text(TopologyCommand.report([], []), .plain).contains("No node has reported"))
    }

    @Test("JSON has every pair once with its common ancestor and connection")
    func json() throws {
        let report = TopologyCommand.report([node], devices)
        let decoded = try HCSJSON.decode(TopologyCommand.Report.self, from: HCSJSON.encode(report))
        #expect(decoded == report)
        let pair = try #require(decoded.items[0].topology.pairs.first)
        #expect(pair.a == "GPU0" && pair.b == "GPU1" && pair.pci == .pix)
        #expect(pair.commonAncestor == "0000:01:00.0" && pair.connection?.lanes == 4)
    }

    // MARK: One device

    private var full: DeviceView {
        var view = devices[0]
        view.device.numaNode = 0
        view.device.driverVersion = "550.1"
        view.device.details.serial = "S\u{1B}[31m"
        view.device.details.partition = DevicePartition(
            card: DeviceID("GPU-card"), profile: "1g.10gb", slices: 1, cardSlices: 7)
        view.device.fingerprint = Fingerprint(
            tflops: [.fp16: 989.5, .int8: 1979], confidence: .datasheet, source: "the maker's data sheet")
        var signals: SignalReadings = [.temperature: 45.25, .pcieReceive: 12_500_000, .eccMode: 1, .energy: 3e20]
        signals[.clock, "compute"] = 1200
        signals[.clock, "memory"] = 1600
        signals[.memoryReserved] = 1_073_741_824
        signals[.recoveryAction] = 4
        signals[.eccUncorrectedVolatile] = 3
        signals[.eccUncorrectedVolatile, "dram"] = 3
        for lane in 0..<24 { signals[.linkErrors, "\(lane)/crc"] = Double(lane) }
        view.sample = DeviceSample(
            memoryUsed: .gibibytes(3), vendorHealth: .warning, faultCodes: [7, 9], signals: signals,
            processes: [.init(pid: 7, memory: .gibibytes(1)), .init(pid: 5, memory: .gibibytes(2))])
        view.health = DeviceHealth(
            score: 70,
            reasons: [
                HealthReason(
                    factor: "temperature", penalty: 0.3,
                    detail: String(repeating: "it has been too hot for some time ", count: 6), source: "vendor-library",
                    sinceMilliseconds: 0)
            ])
        view.ledger = DeviceLedger(
            total: .gibibytes(64), granted: .gibibytes(8), driverUsed: .gibibytes(3), free: .gibibytes(56),
            workloads: ["a", "b"])
        return view
    }

    @Test("show tells all of a device within 80 columns")
    func show() {
        let text = DeviceDescription(full).text(.plain)
        let lines = text.split(separator: "\n").map(String.init)
        for expected in [
            "  id                        GPU-a", "  vendor                    NVIDIA",
            "  serial                    S?[31m",
            "  partition                 1g.10gb, 1 of 7 slices of GPU-card", "  driver                    550.1",
            "  fp16                      989.5 TFLOPS", "  int8                      1979 TOPS",
            "  used, by the driver       3Gi", "  workloads                 a, b",
            "  score                     70 degraded",
            "  the vendor's word         warning", "  fault codes               7, 9",
            "  temperature               45.3 °C",
            "  clock                     compute 1200 MHz, memory 1600 MHz", "  pcie receive              12.5 MB/s",
            "  ecc mode                  on", "  memory reserved           1Gi",
            "  recovery action           drain and reset", "  ecc uncorrected volatile  3 in all, dram 3",
            "  nvlink                    4 lanes (0-3) up, to 0000:04:00.0", "  pid 5                     2Gi",
        ] { #expect(lines.contains(expected), "'\(expected)' is not in\n\(text)") }
        #expect(
            lines.firstIndex(of: "  pid 5                     2Gi").map { lines[$0 + 1] }
                == "  pid 7                     1Gi"
        )
        #expect(ListDevicesCommand.table([full], .plain).contains("  Card 1g.10gb  "), "which part of its card")
        #expect(text.contains("-30 %: it has been too hot"))
        #expect(
            lines.allSatisfy {
                $0.utf8.first != 0x20 || $0.hasPrefix(String(repeating: " ", count: 28)) || $0.prefix(28).last == " "
            }, "one column of values")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
        let below = String(repeating: " ", count: 28)
        #expect(
            lines.contains { $0.hasPrefix(below) && !$0.hasPrefix(below + " ") && $0.contains("too hot") },
            "a long sentence goes on below itself")
    }

    @Test("every signal of the model stands under a heading with its unit")
    func everySignal() {
        var view = full
        var signals = SignalReadings()
        for signal in Signal.allCases { signals[signal] = signal.traits.plausible.upperBound }
        view.sample?.signals = signals
        let text = DeviceDescription(view).text(.plain)
        for signal in Signal.allCases {
            let words = signal.rawValue.map { $0.isUppercase ? " \($0.lowercased())" : String($0) }.joined()
            #expect(text.contains("\n  \(words) "), "\(signal)")
        }
    }

    @Test("a device that tells nothing is shown with what there is")
    func showLittle() {
        let bare = DeviceReport(
            device: device("X", .hygon, 0, ""), sample: nil, health: DeviceHealth(score: nil, reasons: []))
        let text = DeviceDescription(bare, node: "h").text(.plain)
        #expect(text.contains("  score                     unknown"))
        #expect(text.contains("  leased by this agent      0") && !text.contains("granted"))
    }

    @Test("a device is found by its UUID or by a beginning that no other has")
    func find() throws {
        let known = devices.map(DeviceDescription.init)
        #expect(try ShowDeviceCommand.find("gpu-A", among: known).device.id == DeviceID("GPU-a"))
        #expect(try ShowDeviceCommand.find("NPU", among: known).device.id == DeviceID("NPU-c"))
        #expect { try ShowDeviceCommand.find("GPU-", among: known) } throws: {
            ($0 as? CommandFailure)?.code == .usage
        }
        for id in ["", "GPU-x"] {
            #expect { try ShowDeviceCommand.find(id, among: known) } throws: {
                ($0 as? CommandFailure)?.code == .noSuchThing
            }
        }
    }

    @Test("devices lists as before, and options before the verb reach the verb's own verb")
    func parsing() throws {
        #expect(try HCSCommand.parseAsRoot(["devices", "-o", "json"]) is ListDevicesCommand)
        #expect(try HCSCommand.parseAsRoot(["devices"]) is ListDevicesCommand)
        let show = try HCSCommand.parseAsRoot(
            GlobalOptions.moved(["--scheduler", "http://a:1", "devices", "show", "X"]))
        #expect((show as? ShowDeviceCommand)?.source.connection.scheduler == "http://a:1")
        #expect(GlobalOptions.moved(["-o", "json", "devices"]) == ["devices", "-o", "json"])
    }

    // MARK: The programs

    @Test("a simulated host's topology and devices are told by the scheduler, and by the agent where there is none")
    func programs() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        var nodes: [NodeView] = []
        let told = await eventually(every: .milliseconds(50)) {
            nodes = (try? await cluster.withScheduler { try await $0.nodes().items }) ?? []
            return nodes.first?.topology?.devices.count == SimulatedHostTests.deviceCount
                && nodes.first?.host.modelCache != nil
        }
        #expect(told, "\(nodes)")
        #expect(nodes.first?.topology?.devices.allSatisfy { $0.slot.path == nil && $0.cpus == nil } == true)
        let byScheduler = try await cluster.run("hcs", ["topology", "host-a", "-o", "json"])
        let report = try HCSJSON.decode(TopologyCommand.Report.self, from: Data(byScheduler.output.utf8))
        let names = report.items.first?.topology.members.filter { $0.device != nil }.map(\.name)
        #expect(names == ["GPU0*", "GPU1*", "NPU0*", "NPU1*", "DCU0*", "MLU0*"])
        let missing = try await cluster.run("hcs", ["topology", "host-b"])
        #expect(missing.code == 66 && missing.error.contains("host-b"))

        let id = try #require(report.items.first?.topology.members.first?.device?.uuid)
        let shown = try await cluster.run("hcs", ["devices", "show", String(id.prefix(12)), "--output", "json"])
        #expect(try HCSJSON.decode(DeviceDescription.self, from: Data(shown.output.utf8)).device.id.uuid == id)

        let state = try TemporaryDirectory()
        try state.write("http://127.0.0.1:1", to: "address")
        func alone(_ arguments: [String], _ runtime: String) async throws -> (
            code: Int32, output: String, error: String
        ) {
            try await Programs.run(
                "hcs", arguments, environment: ["HCS_STATE_DIR": state.path, "HCS_RUNTIME_DIR": runtime])
        }
        let run = cluster.directory.file("run")
        let byAgent = try await alone(["topology", "-o", "json"], run)
        #expect(byAgent.code == 0 && byAgent.error.contains("agent of this host"), "\(byAgent.error)")
        let local = try HCSJSON.decode(TopologyCommand.Report.self, from: Data(byAgent.output.utf8))
        #expect(local.items.map(\.node) == ["host-a"])
        #expect(local.items.first?.topology.members == report.items.first?.topology.members)
        let shownLocally = try await alone(["devices", "show", id, "--local"], run)
        #expect(shownLocally.code == 0 && shownLocally.error.isEmpty && shownLocally.output.contains(id))
        let nobody = try await alone(["topology"], state.path)
        #expect(nobody.code == 69 && nobody.error.contains("no agent of this host"), "\(nobody.error)")
        let named = try await alone(["topology", "--scheduler", "http://127.0.0.1:1"], run)
        #expect(named.code == 69, "who names a scheduler wants its answer")
    }

    @Test("doctor tells the host's facts")
    func doctor() async throws {
        let result = try await Programs.run("hcs", ["doctor"])
        for name in ["cpu", "memory", "huge pages", "iommu", "vendor software", "containers", "model cache"] {
            #expect(result.output.contains("  info     \(name) "), "\(result.output)")
        }
        let json = try await Programs.run("hcs", ["doctor", "--output", "json", "--model-cache", "/"])
        struct Report: Decodable { var facts: HostFacts }
        let facts = try HCSJSON.decode(Report.self, from: Data(json.output.utf8)).facts
        #expect(facts.modelCache?.path == "/" && facts.modelCache?.size != nil)
        #expect(facts.cpuCount > 0)
    }
}
