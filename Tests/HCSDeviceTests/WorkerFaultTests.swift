import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSSystem
import HCSTestSupport
import NativeArtifacts
import Testing

/// What a vendor's library can do to its worker, and what the agent's side makes of it.
@Suite(.timeLimit(.minutes(5))) struct WorkerFaultTests {
    @Test func `a host without a library has an absent vendor, with a plain reason`() async throws {
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: host.directory.path)], executable: try workerExecutable(),
            timing: .patient)
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .absent)
        #expect(status.reason == "libnvidia-ml.so.1: not found in \(host.directory.path)")
        #expect(status.missedDeadlines == 0 && status.restarts == 0)
        // It is not looked for again at the next pass.
        #expect(await manager.sample().workers.first?.restarts == 0)
        await manager.stop()
    }

    @Test func `a simulated source never falls back to a library of the host`() async throws {
        // A library that the loader would find by its name, were it asked.
        let real = try await MadeLibrary.nvml()
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: host.directory.path)], executable: try workerExecutable(),
            timing: .patient, hostEnvironment: ["LD_LIBRARY_PATH": real.directory.path])
        #expect(await manager.inventory().isEmpty)
        await manager.stop()
    }

    @Test func `a real source finds its library by the loader, and gets no simulated state`() async throws {
        let host = try TestHost()
        let made = try await MadeLibrary.nvml()
        let manager = DeviceManager(
            sources: [.real(.nvidia), .real(.ascend)], executable: try workerExecutable(), timing: .patient,
            hostEnvironment: ["LD_LIBRARY_PATH": made.directory.path, "HCS_SIM_STATE": host.host.path],
            numaNode: { _, _ in 3 })
        let devices = await manager.inventory()
        #expect(devices.map(\.id.uuid) == ["GPU-made"])
        #expect(devices.allSatisfy { !$0.simulated })
        await manager.stop()

        let simulated = DeviceManager(
            sources: [.real(.nvidia)], executable: try workerExecutable(), timing: .patient,
            hostEnvironment: ["LD_LIBRARY_PATH": NativeArtifacts.simulatedLibraries, "HCS_SIM_STATE": host.host.path])
        let status = try #require(await simulated.sample().workers.first)
        #expect(status.state == .absent && !status.simulated, "without its state a simulated library has no driver")
        await simulated.stop()
    }

    @Test func `a library that lacks required functions is named with them`() async throws {
        let made = try await MadeLibrary("libnvidia-ml.so.1", "int nvmlInit_v2(void) { return 0; }\n")
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: made.directory.path)], executable: try workerExecutable(),
            timing: .patient)
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .absent)
        #expect(
            status.reason?.hasSuffix(
                "lacks nvmlDeviceGetCount_v2, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetUUID") == true,
            "\(status.reason ?? "")")
        await manager.stop()
    }

    @Test func `a file that is no library is a reason of its own, not an absence`() async throws {
        let host = try TestHost()
        try host.directory.write(String(repeating: "not an ELF file\n", count: 100), to: "libdcmi.so")
        let manager = DeviceManager(
            sources: [host.source(.ascend, libraries: host.directory.path)], executable: try workerExecutable(),
            timing: .patient)
        let status = try #require(await manager.sample().workers.first)
        #expect(
            status.state == .absent && status.reason?.contains("invalid ELF header") == true, "\(status.reason ?? "")")
        await manager.stop()
    }

    @Test func `missing functions cost their own values only`() async throws {
        let made = try await MadeLibrary.nvml()
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: made.directory.path)], executable: try workerExecutable(),
            timing: .patient)
        let device = try #require(await manager.inventory().first)
        #expect(device.id == DeviceID("GPU-made") && device.memory == .gibibytes(16) && device.model == "NVIDIA GPU")
        #expect(device.pci == nil && device.driverVersion == nil && device.fingerprint == .unknown)
        #expect(await manager.sample().samples[device.id] == DeviceSample(memoryUsed: .mebibytes(1)))
        let report = try #require(await manager.symbols().first?.report)
        #expect(report.missing.contains("nvmlDeviceGetTemperature") && report.present == 5)
        #expect(report.missing.contains("nvmlDeviceGetRemappedRows"), "every function we call is in the table")
        await manager.stop()
    }

    @Test func `an implausible temperature is dropped and counted, and so is power beyond any card`() async throws {
        let made = try await MadeLibrary.nvml(
            "int nvmlDeviceGetTemperature(void *h, unsigned s, unsigned *t) { *t = 4000000000u; return 0; }\n")
        let host = try TestHost()
        try host.host.set("hygon:0", .power, to: 9999)
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: made.directory.path), host.source(.hygon)],
            executable: try workerExecutable(), timing: .patient)
        _ = await manager.sample()
        let sweep = await manager.sample()
        #expect(sweep.samples[DeviceID("GPU-made")] == DeviceSample(memoryUsed: .mebibytes(1)))
        #expect(sweep.workers.map(\.droppedValues) == [2, 2])
        let hygon = try #require(host.host.devices.first { $0.vendor == .hygon })
        #expect(sweep.samples[hygon.id]?.powerWatts == nil && sweep.samples[hygon.id]?.temperatureCelsius == 47)
        await manager.stop()
    }

    @Test func `calls that fail again and again get a new worker`() async throws {
        let made = try await MadeLibrary(
            "libnvidia-ml.so.1",
            MadeLibrary.minimalNVML.replacing("*n = 1; return 0;", with: "return 999;")
                + "const char *nvmlErrorString(int r) { return \"\\033[31mmismatch\"; }\n")
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: made.directory.path)], executable: try workerExecutable(),
            timing: .patient)
        let first = try #require(await manager.sample().workers.first)
        #expect(first.state == .running && first.reason == "nvmlDeviceGetCount_v2: ?[31mmismatch (999)")
        #expect(await eventually { await manager.sample().workers.first?.restarts ?? 0 > 0 })
        await manager.stop()
    }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct WorkerDeadlineTests {
    @Test func `a library that hangs misses its deadline, the others are served, and it comes back when it can`()
        async throws
    {
        let host = try TestHost()
        let manager = try host.manager(timing: .hasty)
        #expect(await eventually { await manager.inventory().count == 5 })
        host.host.setLibraryFaults([.hangs], of: .ascend)

        let start = ContinuousClock.now
        let sweep = await manager.sample()
        let took = ContinuousClock.now - start
        #expect(took < .seconds(15), "one deadline of 1.5 s, on a busy machine: \(took)")
        let hung = try #require(sweep.workers.first { $0.vendor == .ascend })
        #expect(hung.state == .hung && hung.missedDeadlines == 1, "\(hung)")
        #expect(hung.reason == "'sample' was not answered within 1.5 seconds")
        #expect(sweep.workers.filter { $0.vendor != .ascend }.allSatisfy { $0.state == .running })
        let ascend = try #require(host.host.devices.first { $0.vendor == .ascend }?.id)
        #expect(sweep.samples.count == 4 && sweep.samples[ascend] == nil, "nothing is known of it, so nothing is said")
        #expect(await manager.devices.count == 5)

        // A new worker is tried, hangs too, and counts on.
        #expect(
            await eventually {
                let worker = await manager.sample().workers.first { $0.vendor == .ascend }
                return worker?.missedDeadlines ?? 0 >= 2 && worker?.restarts ?? 0 >= 1
            })
        host.host.setLibraryFaults([], of: .ascend)
        #expect(await eventually { await manager.sample().samples[ascend] != nil })
        let back = try #require(await manager.statuses.first { $0.vendor == .ascend })
        #expect(back.state == .running && back.missedDeadlines == 0 && back.reason == nil)
        await manager.stop()
    }

    @Test func `hung workers are ended and reaped: none is left over`() async throws {
        let host = try TestHost()
        host.host.setLibraryFaults([.hangs], of: .nvidia)
        let manager = try host.manager([.nvidia], timing: .hasty)
        #expect(
            await eventually { await manager.sample().workers.first?.missedDeadlines ?? 0 >= 2 })
        await manager.stop()
        #expect(try await eventually { try workers(of: host.host.path).isEmpty })
        #expect(await manager.statuses.first?.stuck == 0)
    }

    @Test(.enabled(if: Freezer.isAvailable, "needs a writable cgroup v1 freezer: it keeps SIGKILL waiting"))
    func `a worker that no signal ends is left behind, counted, and none is started beside it`() async throws {
        let host = try TestHost()
        let manager = try host.manager([.ascend, .hygon], timing: .hasty)
        #expect(await eventually { await manager.sample().samples.count == 2 })
        let pid = try #require(try workers(of: host.host.path).first { try name(of: $0) == "hcs-ascend" })
        let freezer = try Freezer()
        try freezer.freeze(pid)
        #expect(await eventually { await manager.sample().workers.first?.stuck == 1 })
        for _ in 0..<5 {
            let sweep = await manager.sample()
            let status = try #require(sweep.workers.first)
            #expect(status.state == .hung && status.stuck == 1, "\(status)")
            #expect(status.reason == "'sample' was not answered within 1.5 seconds")
            #expect(sweep.workers.last?.state == .running && sweep.samples.count == 1, "the other vendor is served")
            #expect(try workers(of: host.host.path).count { try name(of: $0) == "hcs-ascend" } == 1)
        }
        try freezer.thaw()
        #expect(await eventually { await manager.sample().samples.count == 2 })
        let back = try #require(await manager.statuses.first)
        #expect(back.state == .running && back.stuck == 0 && back.restarts == 1, "\(back)")
        await manager.stop()
    }

    @Test func `a library that crashes is reported with its signal, and started again later`() async throws {
        let host = try TestHost()
        let manager = try host.manager([.cambricon, .hygon])
        #expect(await manager.inventory().count == 2)
        host.host.setLibraryFaults([.crashes], of: .cambricon)
        let sweep = await manager.sample()
        let status = try #require(sweep.workers.first)
        #expect(status.state == .crashed && status.reason == "the worker ended during 'sample': killed by signal 11")
        #expect(sweep.workers.last?.state == .running && sweep.samples.count == 1)
        host.host.setLibraryFaults([], of: .cambricon)
        #expect(await eventually { await manager.sample().samples.count == 2 })
        #expect(await manager.statuses.first?.restarts == 1)
        await manager.stop()
    }

    @Test func `a device that a new worker does not find is reported lost, and known for what it was`() async throws {
        let host = try TestHost()
        let manager = try host.manager([.nvidia])
        let before = await manager.inventory()
        try host.host.addFault(.lost, to: "nvidia:1")
        host.host.setLibraryFaults([.crashes], of: .nvidia)
        #expect(await manager.sample().workers.first?.state == .crashed)
        host.host.setLibraryFaults([], of: .nvidia)
        var sweep = DeviceSweep()
        _ = await eventually {
            sweep = await manager.sample()
            return !sweep.samples.isEmpty
        }
        #expect(sweep.samples[before[1].id] == DeviceSample(vendorHealth: .lost))
        #expect(sweep.samples[before[0].id]?.temperatureCelsius == 41)
        #expect(sweep.workers.first?.skippedDevices == ["device 1: GPU is lost"])
        #expect(await manager.devices == before)
        await manager.stop()
    }

    @Test func `a slow init delays nobody, and its devices come when it is done`() async throws {
        let made = try await MadeLibrary(
            "libnvidia-ml.so.1",
            "#include <unistd.h>\n"
                + MadeLibrary.minimalNVML.replacing("nvmlInit_v2(void) {", with: "nvmlInit_v2(void) { sleep(8);"))
        let host = try TestHost()
        let manager = DeviceManager(
            sources: [host.source(.nvidia, libraries: made.directory.path), host.source(.hygon)],
            executable: try workerExecutable(), timing: .hasty)
        let sweep = await manager.sample()
        #expect(sweep.workers.map(\.state) == [.starting, .running], "it does not wait for the slow one")
        #expect(await manager.settledInventory().count == 2, "this waits, for whoever has the time")
        #expect(await manager.statuses.first?.missedDeadlines == 0)
        await manager.stop()
    }

    @Test func `a worker whose agent is gone leaves by itself, and SIGTERM ends it between calls`() async throws {
        let host = try TestHost()
        do {
            let worker = VendorWorker(
                source: host.source(.nvidia), executable: try workerExecutable(), timing: .patient)
            let manager = try host.manager([.hygon])
            _ = await manager.sample()
            _ = worker
            let pid = try #require(try workers(of: host.host.path).first)
            let name = try String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
            #expect(name == "hcs-hygon\n")
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            #expect(status.contains("NoNewPrivs:\t1"))
            #expect(status.contains("Seccomp:\t2"))
            for set in ["Inh", "Prm", "Eff", "Bnd", "Amb"] {
                #expect(status.contains("Cap\(set):\t0000000000000000\n"), "ROCm SMI needs no capability")
            }
            let limits = try String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
            #expect(limits.split(separator: "\n").contains { $0.hasPrefix("Max core file size") && $0.contains(" 0 ") })
            kill(pid, SIGTERM)
            let state = await eventually { await manager.sample().workers.first?.state == .crashed }
            #expect(state, "an end nobody asked for is a crash")
            #expect(await eventually { await manager.sample().workers.first?.state == .running })
            // Dropped without stop: as when the agent is killed.
        }
        #expect(try await eventually { try workers(of: host.host.path).isEmpty })
    }
}

private func name(of pid: Int32) throws -> String {
    try String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8).trimmingCharacters(in: .newlines)
}

/// A cgroup of the v1 freezer: what is frozen there takes no signal, SIGKILL neither, until it is thawed. The nearest to a
/// driver call that never returns.
private struct Freezer: ~Copyable {
    private static let root = "/sys/fs/cgroup/freezer"
    private let path: String

    static var isAvailable: Bool { access("\(root)/cgroup.procs", W_OK) == 0 && geteuid() == 0 }

    init() throws {
        path = "\(Self.root)/hcs-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }

    func freeze(_ pid: Int32) throws {
        try write("\(pid)", to: "cgroup.procs")
        try write("FROZEN", to: "freezer.state")
    }

    func thaw() throws { try write("THAWED", to: "freezer.state") }

    private func write(_ text: String, to file: String) throws {
        try text.write(toFile: "\(path)/\(file)", atomically: false, encoding: .utf8)
    }

    deinit {
        try? thaw()
        // Not empty before its last process is reaped.
        for _ in 0..<500 where rmdir(path) != 0 { usleep(10_000) }
    }
}

/// Living processes (zombies have no environment) whose environment names this simulated host.
private func workers(of stateFile: String) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { pid in
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return false }
        return data.split(separator: 0).contains { String(decoding: $0, as: UTF8.self) == "HCS_SIM_STATE=\(stateFile)" }
    }
}
