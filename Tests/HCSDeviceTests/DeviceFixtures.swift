import CHCSSimulation
import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSSystem
import HCSTestSupport
import NativeArtifacts
import Testing

/// The worker that was built with these tests, beside the test program.
func workerExecutable() throws -> String {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(filePath: program).deletingLastPathComponent().appending(path: "hcs-vendor-worker").path
}

/// A simulated host of one card of each vendor, two of NVIDIA, in a directory of its own.
struct TestHost: ~Copyable {
    static let scenario = Scenario(
        name: "device-tests",
        devices: [
            .init(
                vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80), numa: 0, temperature: 41,
                power: 120, utilization: 7),
            .init(vendor: .nvidia, model: "NVIDIA Not Made Yet", memory: .gibibytes(48)),
            .init(vendor: .ascend, model: "910B3", memory: .gibibytes(64), temperature: 52, power: 92, utilization: 30),
            .init(vendor: .hygon, model: "K100_AI", memory: .gibibytes(64), numa: 1, temperature: 47, power: 310),
            .init(vendor: .cambricon, model: "MLU370-X8", memory: .gibibytes(48), numa: 0, temperature: 39, power: 75),
        ])

    let directory: TemporaryDirectory
    let host: SimulatedHost

    init(_ scenario: Scenario = scenario) throws {
        let directory = try TemporaryDirectory()
        let host = try SimulatedHost.create(path: directory.file("state"), scenario: scenario)
        self.directory = directory
        self.host = host
    }

    func source(_ vendor: Vendor, libraries: String = NativeArtifacts.simulatedLibraries) -> VendorSource {
        VendorSource(vendor: vendor, kind: .simulated(libraryDirectory: libraries, stateFile: host.path))
    }

    func manager(
        _ vendors: [Vendor] = Vendor.allCases, timing: WorkerTiming = .patient, sweepsPerInventory: Int = 1000
    ) throws -> DeviceManager {
        DeviceManager(
            sources: vendors.map { source($0) }, executable: try workerExecutable(), timing: timing,
            sweepsPerInventory: sweepsPerInventory)
    }
}

extension TestHost {
    /// Changes the host's state, which its libraries read at every call.
    func change(_ body: (UnsafeMutablePointer<hcs_sim_host>) throws -> Void) throws {
        let file = open(host.path, O_RDWR)
        defer { close(file) }
        let size = MemoryLayout<hcs_sim_host>.size
        let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        defer { munmap(address, size) }
        try body(try #require(address != MAP_FAILED ? address : nil).assumingMemoryBound(to: hcs_sim_host.self))
    }

    func change(device: Int, _ body: (UnsafeMutablePointer<hcs_sim_device>) -> Void) throws {
        try change { host in
            withUnsafeMutablePointer(to: &host.pointee.devices) { devices in
                devices.withMemoryRebound(to: hcs_sim_device.self, capacity: device + 1) { body($0 + device) }
            }
        }
    }

    /// Cuts a device into parts of so much memory and so many sevenths of its units each.
    func cut(device: UInt32, into parts: [(ByteCount, UInt32)]) throws {
        try change { host in
            for (number, part) in parts.enumerated() {
                let uuid = [UInt8](repeating: UInt8(number + 1), count: 16)
                try #require(hcs_sim_add_mig(host, device, uuid, part.0.bytes, part.1) != nil)
            }
        }
    }
}

extension WorkerTiming {
    /// For tests that are not about time: no deadline is missed because the machine is busy.
    static let patient = WorkerTiming(call: .seconds(30), firstBackOff: .milliseconds(10))
    /// For tests in which something hangs on purpose.
    static let hasty = WorkerTiming(
        call: .milliseconds(1500), grace: .milliseconds(50), firstBackOff: .milliseconds(10),
        maximumBackOff: .milliseconds(50), absentRetry: .milliseconds(50))
}

/// A vendor library made for one test, in C.
struct MadeLibrary {
    let directory: TemporaryDirectory

    /// Compiles `source` into a library of that name.
    init(_ name: String, _ source: String) async throws {
        directory = try TemporaryDirectory()
        let file = try directory.write(source, to: "made.c")
        let compiler = try ProcessSpawner(
            path: "/usr/bin/env",
            arguments: ["cc", "-shared", "-fPIC", "-o", directory.file(name), file],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"]
        ).spawn()
        let status = try #require(await Self.end(of: compiler))
        try #require(status.isSuccess, "cc: \(status)")
    }

    private static func end(of child: ChildProcess) async -> HCSModel.ExitStatus? {
        var status: HCSModel.ExitStatus?
        _ = await eventually {
            status = try? child.poll()
            return status != nil
        }
        return status
    }

    /// An NVML of one GPU that answers the least; `extra` adds functions.
    static func nvml(_ extra: String = "") async throws -> MadeLibrary {
        try await MadeLibrary("libnvidia-ml.so.1", minimalNVML + extra)
    }

    static let minimalNVML = """
        #include <string.h>
        typedef struct { unsigned long long total, free, used; } memory;
        int nvmlInit_v2(void) { return 0; }
        int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)(unsigned long)(i + 1); return 0; }
        int nvmlDeviceGetUUID(void *h, char *s, unsigned n) { strncpy(s, "GPU-made", n); return 0; }
        int nvmlDeviceGetMemoryInfo(void *h, memory *m) { m->total = 1ull << 34; m->used = 1 << 20; m->free = 0; return 0; }

        """
}

/// A process that holds device memory of a simulated host until it is stopped.
final class Client: Sendable {
    private let child: ChildProcess

    init(vendor: Vendor, stateFile: String, bytes: UInt64) throws {
        let name =
            switch vendor {
            case .nvidia: "cuda"
            case .ascend: "acl"
            case .hygon: "hip"
            case .cambricon: "cnrt"
            }
        child = try ProcessSpawner(
            path: "\(NativeArtifacts.clients)/hcs-client-\(name)", arguments: ["alloc", "\(bytes)", "hold", "600"],
            environment: ["LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries, "HCS_SIM_STATE": stateFile]
        ).spawn()
    }

    var pid: Int32 { child.pid }

    func stop() {
        try? child.signal(SIGKILL)
        _ = try? child.wait(milliseconds: 10_000)
    }

    deinit { stop() }
}
