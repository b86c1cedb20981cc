import Foundation
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

@Suite("A simulated host")
struct SimulationHostTests {
    private let directory: TemporaryDirectory
    private let scenario = Scenario(
        name: "test",
        devices: [
            .init(vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80)),
            .init(vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80)),
            .init(vendor: .ascend, model: "910B3", memory: .gibibytes(64)),
            .init(vendor: .hygon, model: "K100_AI", memory: .gibibytes(64)),
            .init(vendor: .cambricon, model: "MLU370-X8", memory: .gibibytes(48)),
        ])

    init() throws { directory = try TemporaryDirectory() }

    private var path: String { directory.file("state") }

    /// Runs a client to its end and returns its lines and exit status.
    private func client(_ name: String, _ steps: [String], _ extra: [String: String] = [:]) throws -> ([String], Int32)
    {
        let (process, output) = try start(name, steps, extra)
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init), process.terminationStatus
        )
    }

    private func start(_ name: String, _ steps: [String], _ extra: [String: String] = [:]) throws -> (Process, Pipe) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "\(NativeArtifacts.clients)/hcs-client-\(name)")
        process.arguments = steps
        process.environment = ["LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries, "HCS_SIM_STATE": path]
            .merging(extra) { $1 }
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        return (process, output)
    }

    @Test func `is the same when it is opened again`() throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        #expect(host.devices.map(\.selector) == ["nvidia:0", "nvidia:1", "ascend:0", "hygon:0", "cambricon:0"])
        try host.set("nvidia:1", .temperature, to: 91)
        try host.addFault(.lost, to: host.devices[2].id.uuid)
        let again = try SimulatedHost.open(path: path)
        #expect(again.devices == host.devices)
        #expect(again.devices[1].temperature == 91)
        #expect(again.devices[2].faults == [.lost])
        try again.removeFault(.lost, from: "ascend:0")
        #expect(host.devices[2].faults.isEmpty)
        #expect(host.revision == 3)
    }

    @Test func `refuses to replace a file, an unknown device and an impossible figure`() throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        let again = #expect(throws: SimulationError.self) {
            _ = try SimulatedHost.create(path: path, scenario: scenario)
        }
        #expect(again?.code == .io)
        let unknown = #expect(throws: SimulationError.self) { try host.set("nvidia:2", .temperature, to: 1) }
        #expect(unknown?.code == .notFound)
        let figure = #expect(throws: SimulationError.self) { try host.set("nvidia:0", .temperature, to: 151) }
        #expect(figure?.code == .invalidValue)
    }

    @Test(arguments: [0, 1, 4096, 33280 + 1024 * 1584])
    func `refuses a file that is no state`(size: Int) throws {
        try directory.write(String(repeating: "x", count: size), to: "state")
        let error = #expect(throws: SimulationError.self) { _ = try SimulatedHost.open(path: path) }
        #expect(error?.code == .badState)
        let (lines, _) = try client("cuda", ["alloc", "1Gi"])
        #expect(lines == ["alloc 1073741824 error 100"])
    }

    @Test(arguments: [("cuda", "2"), ("acl", "207001"), ("hip", "2"), ("cnrt", "100100")])
    func `answers the vendor's own code when a device is full`(name: String, code: String) throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        let (lines, status) = try client(name, ["alloc", "1Gi", "alloc", "100Gi", "expect", code, "free"])
        #expect(status == 0)
        #expect(lines == ["alloc 1073741824 ok", "alloc 107374182400 error \(code)", "expect \(code) ok", "free ok"])
        #expect(host.usage().isEmpty)
    }

    @Test func `never grants more than a device has to processes that ask at once`() throws {
        _ = try SimulatedHost.create(path: path, scenario: scenario)
        let (lines, _) = try client("cuda", ["fork-alloc", "10Gi", "32"])
        #expect(lines == ["fork-alloc 10737418240 32 granted 8"])
    }

    @Test func `shows what a process holds and drops it when the process is killed`() async throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        let (process, output) = try start("cuda", ["device", "1", "alloc", "1000000", "hold", "60"])
        defer { kill(process.processIdentifier, SIGKILL) }
        withExtendedLifetime(output) {}
        let device = host.devices[1].id
        #expect(try await eventually { !(try SimulatedHost.open(path: path)).usage().isEmpty })
        let usage = try #require(host.usage().first)
        #expect(usage.pid == process.processIdentifier)
        #expect(usage.device == device)
        #expect(usage.requested == ByteCount(1_000_000))
        #expect(usage.charged == .mebibytes(2))
        #expect(usage.allocations == 1)
        kill(process.processIdentifier, SIGKILL)
        #expect(try await eventually { try SimulatedHost.open(path: path).usage().isEmpty })
        process.waitUntilExit()
        let (lines, _) = try client("cuda", ["device", "1", "info"])
        #expect(lines.last == "info free 85899345920 total 85899345920")
    }

    @Test func `shows a program only the devices of its visibility variable`() throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        let second = host.devices[1].id.uuid
        let steps = ["device", "0", "device", "1", "alloc", "1Gi"]
        let (byUUID, _) = try client("cuda", steps, ["CUDA_VISIBLE_DEVICES": second])
        #expect(byUUID == ["device 0 ok", "device 1 error 101", "alloc 1073741824 ok"])
        let (stopped, _) = try client("cuda", steps, ["CUDA_VISIBLE_DEVICES": "1,-1,0"])
        #expect(stopped == byUUID)
        for none in ["", "none", "-1", "GPU-"] {
            let (lines, _) = try client("cuda", ["alloc", "1Gi"], ["CUDA_VISIBLE_DEVICES": none])
            #expect(lines == ["alloc 1073741824 error 100"], "CUDA_VISIBLE_DEVICES=\(none)")
        }
    }

    @Test func `has no driver for a vendor whose library is told to fail, and none without a state file`() throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        host.setLibraryFaults([.initFails], of: .hygon)
        #expect(host.libraryFaults(of: .hygon) == [.initFails])
        #expect(try client("hip", ["info"]).0 == ["info error 100"])
        host.setLibraryFaults([], of: .hygon)
        #expect(try client("hip", ["info"]).0 == ["info free 68719476736 total 68719476736"])
        #expect(try client("hip", ["info"], ["HCS_SIM_STATE": "/nonexistent"]).0 == ["info error 100"])
    }

    @Test(arguments: [
        ("cuda", "nvidia:0", "46"), ("acl", "ascend:0", "507010"), ("hip", "hygon:0", "999"),
        ("cnrt", "cambricon:0", "100007"),
    ])
    func `fails runtime calls on a lost device`(name: String, device: String, code: String) throws {
        let host = try SimulatedHost.create(path: path, scenario: scenario)
        try host.addFault(.lost, to: device)
        #expect(try client(name, ["alloc", "1Gi"]).0 == ["alloc 1073741824 error \(code)"])
    }
}
