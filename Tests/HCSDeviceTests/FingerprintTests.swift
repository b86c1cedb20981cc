import CHCSMeasure
import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// The processors, for real.
@Suite(.timeLimit(.minutes(5))) struct CPUMeasurementTests {
    private static let units = (0...8).compactMap { hcs_measure_unit($0).map { String(cString: $0) } }

    @Test(arguments: units)
    func `every vector unit of this processor computes the right product`(unit: String) {
        var found = hcs_measure_cpu()
        #expect(hcs_measure_run(unit, 60, 1 << 30, &found) == 0)
        #expect(found.fp32_tflops > 0 && found.fp64_tflops > 0 && found.threads >= 1)
        #expect(withUnsafeBytes(of: found.unit) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } == unit)
    }

    @Test func `units are there, best first, and another one is an error`() {
        #expect(!Self.units.isEmpty && Set(Self.units).count == Self.units.count)
        var found = hcs_measure_cpu()
        #expect(hcs_measure_run("mmx", 60, 1 << 30, &found) == -ENOENT)
    }

    @Test func `without room beyond the caches there is no bandwidth, and the reason is said`() async throws {
        let figures = try await Measurer(executable: try workerExecutable()).measureCPU(
            .init(milliseconds: 60, memory: 1 << 16))
        #expect(figures.bandwidthGBps == nil && figures.notes.first?.hasPrefix("memory bandwidth: too little") == true)
        #expect(Set(figures.tflops.keys) == [.fp32, .fp64])
    }

    @Test func `the measuring process tells vector unit, threads and all three figures`() async throws {
        let figures = try await Measurer(executable: try workerExecutable()).measureCPU(
            .init(milliseconds: 300, memory: 4 << 30))
        let threads = try #require(figures.method.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        #expect(figures.method.hasPrefix(Self.units[0]) && threads >= 1, "\(figures.method)")
        #expect(figures.bandwidthGBps.map { $0 > 0 } == true || !figures.notes.isEmpty)
        #expect(figures.tflops.values.allSatisfy { $0 > 0 && $0 < 10_000 })
    }
}

/// The flow of a measurement on a simulated driver: what it costs, what it refuses, how it ends.
@Suite(.timeLimit(.minutes(5))) struct CUDAMeasurementTests {
    private static let uuid = "GPU-0a1b2c3d-0000-1111-2222-333344445555"
    private static let bounds = Measurer.Bounds(milliseconds: 24, memory: 1 << 20, limit: .seconds(120))

    private func measure(
        _ faults: String = "", device: String = uuid, bounds: Measurer.Bounds = bounds,
        isWanted: @Sendable () -> Bool = { false }
    ) async throws -> MeasuredFigures {
        let made = try await SimulatedCUDA(faults)
        return try await Measurer(executable: try workerExecutable()).measure(
            DeviceID(device),
            of: VendorSource(
                vendor: .nvidia, kind: .simulated(libraryDirectory: made.directory, stateFile: "/does/not/exist")),
            bounds, isWanted: isWanted)
    }

    private func message(_ faults: String, device: String = uuid, bounds: Measurer.Bounds = bounds) async
        -> (DeviceError.Code?, String)
    {
        do {
            return (nil, "\(try await measure(faults, device: device, bounds: bounds))")
        } catch {
            let known = error as? DeviceError
            return (known?.code, known?.description ?? "\(error)")
        }
    }

    @Test func `every precision that the card can do is measured, and its memory`() async throws {
        let figures = try await measure()
        #expect(Set(figures.tflops.keys) == [.fp64, .fp32, .tf32, .fp16, .bf16, .int8], "\(figures)")
        #expect(figures.tflops.values.allSatisfy { $0 > 0 } && figures.bandwidthGBps.map { $0 > 0 } == true)
        #expect(figures.method == "cuBLAS 12.3.4" && figures.notes.isEmpty)
    }

    @Test(
        arguments: [
            (30, [.fp32, .fp64]), (61, [.fp32, .fp16, .int8, .fp64]), (75, [.fp32, .fp16, .int8, .fp64]),
        ] as [(Int, Set<Precision>)])
    func `an older card is asked for what it has`(capability: Int, expected: Set<Precision>) async throws {
        let figures = try await measure("#define CAPABILITY \(capability)")
        #expect(Set(figures.tflops.keys) == expected && figures.notes.isEmpty)
    }

    @Test func `a precision that fails costs itself and a note in plain words`() async throws {
        let figures = try await measure("#define GEMM if (at == 3) return 15; if (ct == 14) return 8;")
        #expect(Set(figures.tflops.keys) == [.fp64, .fp32, .tf32, .fp16] && figures.bandwidthGBps != nil)
        #expect(
            figures.notes == [
                "bf16: cublasGemmEx: the device's generation lacks it (CUBLAS_STATUS_ARCH_MISMATCH)",
                "int8: cublasGemmEx: not supported by this device and cuBLAS (CUBLAS_STATUS_NOT_SUPPORTED)",
            ])
    }

    @Test func `a product that is wrong gives no figure`() async throws {
        let figures = try await measure("#define GEMM if (ct == 2) { memset(c, 0, 2 * (size_t)m * n); return 0; }")
        #expect(figures.tflops[.fp16] == nil && figures.tflops[.bf16] != nil)
        #expect(figures.notes == ["fp16: the product is wrong: the device's results cannot be trusted"])
    }

    @Test(arguments: [
        ("#define INIT return 100", "cuInit: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE) (100)"),
        ("#define INIT return 802", "cuInit: CUresult 802 (802)"),
        ("#define NO_ERROR_TEXT\n#define INIT return 3", "cuInit: CUresult 3 (3)"),
        ("#define DEVICES 0", "does not show device GPU-0a1b2c3d"),
        ("#define OTHER_DEVICE", "the CUDA driver shows another device than GPU-0a1b2c3d"),
        ("#define NO_SYNCHRONIZE", "libcuda.so.1 lacks cuStreamSynchronize"),
        ("#define CREATE_FAILS 1", "cuBLAS did not start on this device (CUBLAS_STATUS_NOT_INITIALIZED) (1)"),
        ("#define ALLOC_FAILS", "cuMemAlloc_v2 of 256Ki: out of memory (CUDA_ERROR_OUT_OF_MEMORY) (2)"),
        ("#define VERSION 11080", "libcublas.so.11: not found"),
        ("#define FREE 4096", "too little free device memory"),
        ("#define ELAPSED 0", "cuEventElapsedTime gave 0.0 ms"),
        ("#define ELAPSED NAN", "cuEventElapsedTime gave nan ms"),
        ("#define GEMM raise(11)\n#include <signal.h>", "ended without an answer: killed by signal 11"),
        ("#define GEMM _exit(3)", "ended without an answer: exit 3"),
    ])
    func `what goes wrong is an error that says what`(faults: String, words: String) async {
        let (code, text) = await message(faults)
        #expect(code != nil && text.contains(words), "\(text)")
    }

    @Test(arguments: [
        (13, "the device failed while computing (CUBLAS_STATUS_EXECUTION_FAILED)"), (77, "cuBLAS status 77"),
    ])
    func `a device that computes nothing still has its memory measured`(status: Int, words: String) async throws {
        let figures = try await measure("#define GEMM return \(status)")
        #expect(figures.tflops.isEmpty && figures.bandwidthGBps != nil && figures.notes.count == 6)
        #expect(figures.notes.allSatisfy { $0.hasSuffix(": cublasGemmEx: \(words)") }, "\(figures.notes)")
    }

    @Test func `a MIG instance is found by its own identity`() async throws {
        #expect(try await measure(device: "MIG-0a1b2c3d-0000-1111-2222-333344445555").tflops.count == 6)
    }

    @Test func `a hanging driver is ended at the limit`() async {
        var bounds = Self.bounds
        bounds.limit = .seconds(3)
        let (code, text) = await message("#define GEMM for (;;) pause();", bounds: bounds)
        #expect(code == .deadlineMissed && text == "the measurement did not end within 3.0 seconds", "\(text)")
    }

    @Test func `a device that is wanted meanwhile is given free, its process gone`() async throws {
        let directory = try TemporaryDirectory()
        let file = directory.file("pid")
        let faults = """
            #define GEMM do { FILE *f = fopen("\(file)", "w"); fprintf(f, "%d", getpid()); fclose(f); for (;;) pause(); } while (0);
            """
        do {
            _ = try await measure(faults, isWanted: { FileManager.default.contents(atPath: file)?.isEmpty == false })
            Issue.record("it was not stopped")
        } catch let error as DeviceError {
            #expect(error.code == .notRunning && error.message == "stopped: the device is wanted")
        }
        let pid = try #require(Int32(try String(contentsOfFile: file, encoding: .utf8)))
        #expect(await eventually { kill(pid, 0) != 0 && errno == ESRCH })
    }

    @Test(arguments: [Vendor.ascend, .hygon, .cambricon])
    func `the other vendors say that they cannot be tested here`(vendor: Vendor) async throws {
        let error = await #expect(throws: DeviceError.self) {
            try await Measurer(executable: try workerExecutable()).measure(DeviceID("X"), of: .real(vendor))
        }
        #expect(error?.message.hasPrefix("not testable here") == true)
    }

    @Test func `a host without CUDA says so`() async throws {
        let empty = try TemporaryDirectory()
        let error = await #expect(throws: DeviceError.self) {
            try await Measurer(executable: try workerExecutable()).measure(
                DeviceID(Self.uuid),
                of: VendorSource(vendor: .nvidia, kind: .simulated(libraryDirectory: empty.path, stateFile: "/x")))
        }
        #expect(error?.code == .libraryMissing && error?.message.hasPrefix("libcuda.so.1: not found in") == true)
    }

    @Test(arguments: [
        ("exit 0", "without an answer"), ("echo garbage >&3", "JSON"), ("head -c 100000 /dev/zero >&3", "too long"),
        ("printf '{\"id\":1,\"ok\":{}}\\n' >&3", "it is no measurement"),
        ("printf '{\"id\":1,\"ok\":5}\\n' >&3", "it is no measurement"),
    ])
    func `nonsense from the measuring process is an error`(script: String, words: String) async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.writeProgram("#!/bin/sh\n\(script)\n", to: "worker.sh")
        let error = await #expect(throws: DeviceError.self) { try await Measurer(executable: path).measureCPU() }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func `figures that cannot be true are dropped with a note`() throws {
        let line = #"{"method":"x","notes":["\u001b[2J"],"bandwidthGBps":-1,"tflops":{"fp16":1e300,"fp32":2,"fp4":9}}"#
        let figures = try MeasuredFigures(json: try JSONValue(parsing: Array(line.utf8)))
        #expect(figures.tflops == [.fp32: 2] && figures.bandwidthGBps == nil)
        #expect(figures.notes.count == 3 && figures.notes[0] == "?[2J")
    }

    @Test(arguments: [
        ["--measure"], ["--measure", "amd"], ["--measure", "nvidia"], ["--measure", "cpu", "--what"],
        ["--measure", "nvidia", "--device", "../x"], ["--measure", "cpu", "--milliseconds", "0"],
    ])
    func `arguments of a measurement that are not understood are refused`(arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: try workerExecutable())
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 64)
    }
}

/// What is kept of a measurement, and for how long it holds.
@Suite struct MeasurementStoreTests {
    private let directory: TemporaryDirectory
    private let store: MeasurementStore

    init() throws {
        directory = try TemporaryDirectory()
        store = MeasurementStore(directory: directory.file("fingerprints"))
    }

    private static let device = DeviceInventory(
        id: DeviceID("GPU-1:2"), name: "Card", index: 0, memory: .gibibytes(80), driverVersion: "550.54.15",
        maximumClockMHz: 1980)

    private func measured(simulated: Bool = false, fp16: Double = 700) -> MeasuredFingerprint {
        MeasuredFingerprint(
            tflops: [.fp16: fp16], bandwidthGBps: 3000, method: "cuBLAS 12.3.4", driverVersion: "550.54.15",
            maximumClockMHz: 1980, atMilliseconds: 1_700_000_000_000, notes: ["int8: no"], simulated: simulated)
    }

    @Test func `a measurement is found again`() throws {
        #expect(store.current(of: Self.device, simulated: false) == nil)
        try store.save(measured(), of: Self.device.id.uuid)
        #expect(store.current(of: Self.device, simulated: false) == measured())
        try store.save(measured(fp16: 1), of: Self.device.id.uuid)
        #expect(store.current(of: Self.device, simulated: false) == measured(fp16: 1))
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.directory) == ["GPU-1:2.json"])
    }

    @Test func `another driver, another clock and another device make it void`() throws {
        try store.save(measured(), of: Self.device.id.uuid)
        var other = Self.device
        other.driverVersion = "580.1"
        #expect(
            store.current(of: other, simulated: false) == nil && store.last(of: other.id.uuid, simulated: false) != nil)
        other = Self.device
        other.maximumClockMHz = 1400
        #expect(store.current(of: other, simulated: false) == nil)
        other = Self.device
        other.id = DeviceID("GPU-2")
        #expect(store.current(of: other, simulated: false) == nil)
    }

    @Test func `a simulated device's figures are never a real one's`() throws {
        try store.save(measured(simulated: true), of: Self.device.id.uuid)
        #expect(store.current(of: Self.device, simulated: false) == nil)
        #expect(store.current(of: Self.device, simulated: true) == measured(simulated: true))
        // Nor by renaming a file.
        try FileManager.default.moveItem(
            atPath: "\(store.directory)/simulated-GPU-1:2.json", toPath: "\(store.directory)/GPU-1:2.json")
        #expect(store.current(of: Self.device, simulated: false) == nil)
    }

    @Test(arguments: [
        "", "{", "[]", "null", #"{"id":"GPU-1:2"}"#, #"{"id":"GPU-9","measured":{}}"#,
        #"{"id":"GPU-1:2","measured":{"at":-1,"figures":{"method":"x","tflops":{}},"simulated":false}}"#,
        #"{"id":"GPU-1:2","measured":{"at":1,"figures":{"method":"","tflops":{}},"simulated":false}}"#,
        #"{"id":"GPU-1:2","measured":{"at":1,"figures":5,"simulated":false}}"#,
        #"{"id":"GPU-1:2","measured":{"at":1,"figures":{"method":"x","tflops":{}},"simulated":"no"}}"#,
        String(repeating: "[", count: 60_000), String(repeating: " ", count: 70_000),
    ])
    func `a file that is not understood counts as none and is replaced`(text: String) throws {
        try directory.write(text, to: "fingerprints/GPU-1:2.json")
        #expect(store.last(of: "GPU-1:2", simulated: false) == nil)
        try store.save(measured(), of: "GPU-1:2")
        #expect(store.last(of: "GPU-1:2", simulated: false) == measured())
    }

    @Test func `figures in a file that cannot be true do not come back`() throws {
        try directory.write(
            #"{"id":"GPU-1:2","measured":{"at":1,"figures":{"method":"x","tflops":{"fp16":1e99,"fp32":"much"}},"simulated":false}}"#,
            to: "fingerprints/GPU-1:2.json")
        let found = try #require(store.last(of: "GPU-1:2", simulated: false))
        #expect(found.tflops.isEmpty && found.isEmpty)
    }

    @Test(arguments: ["../x", "", ".", "a/b", "a b"])
    func `what is no identity is neither read nor written`(id: String) throws {
        #expect(throws: (any Error).self) { try store.save(measured(), of: id) }
        #expect(store.last(of: id, simulated: false) == nil)
        #expect(!FileManager.default.fileExists(atPath: store.directory))
    }

    @Test func `the number of files is bounded, and those that are there can still be replaced`() throws {
        for number in 0..<MeasurementStore.maximumFiles { try directory.write("x", to: "fingerprints/D\(number).json") }
        #expect(throws: (any Error).self) { try store.save(measured(), of: "GPU-new") }
        try store.save(measured(), of: "D5")
        #expect(store.last(of: "D5", simulated: false) != nil)
    }

    @Test func `the manager shows it on the device, and only while the driver is the same`() async throws {
        let host = try TestHost()
        func devices() async throws -> [Device] {
            let manager = DeviceManager(
                sources: [host.source(.nvidia)], executable: try workerExecutable(), timing: .patient,
                measured: { [store] in store.current(of: $0, simulated: $1.isSimulated) })
            let devices = await manager.settledInventory()
            await manager.stop()
            return devices
        }
        let first = try #require(try await devices().first)
        #expect(first.fingerprint.measured == nil && first.fingerprint.tflops[.fp16] == 989)
        var own = measured(simulated: true)
        own.driverVersion = first.driverVersion
        own.maximumClockMHz = 1980
        try store.save(own, of: first.id.uuid)
        let device = try #require(try await devices().first { $0.id == first.id })
        #expect(device.fingerprint.measured == own && device.fingerprint.measured?.simulated == true)
        #expect(device.fingerprint.measuredComputeShare == 700.0 / 989)
        own.driverVersion = "1.0"
        try store.save(own, of: first.id.uuid)
        #expect(try await devices().first { $0.id == first.id }?.fingerprint.measured == nil)
    }
}

@Suite struct BusyDeviceTests {
    private static let memory = ByteCount.gibibytes(80)

    private static func sample(
        used: ByteCount? = .zero, utilization: Double? = 0, processes: Int32 = 0,
        health: DeviceSample.VendorHealth? = nil
    ) -> DeviceSample {
        DeviceSample(
            memoryUsed: used, utilizationPercent: utilization, vendorHealth: health,
            processes: (0..<processes).map { .init(pid: 40 + $0, memory: .gibibytes(1)) })
    }

    @Test(
        arguments: [
            (sample(), nil), (sample(utilization: 5), nil), (sample(used: nil), nil),
            (sample(utilization: 6), "in use: 6 % utilisation"), (sample(processes: 1), "in use by process 40"),
            (sample(processes: 3), "in use by process 40 and 2 more"),
            (sample(health: .lost), "the device does not answer"),
            (sample(used: .gibibytes(3), utilization: nil), nil),
            (sample(used: .gibibytes(5), utilization: nil), "in use: 5Gi of its memory"),
            (sample(used: nil, utilization: nil), "the library tells neither utilisation nor memory in use"),
        ] as [(DeviceSample, String?)])
    func `only a device that nobody uses is measured`(sample: DeviceSample, reason: String?) {
        #expect(sample.busyReason(memory: Self.memory) == reason)
    }
}

@Suite struct FingerprintWireTests {
    @Test func `a fingerprint survives writing and reading, and an unknown precision is left out`() throws {
        let fingerprint = Fingerprint(
            tflops: [.fp64: 67, .fp16: 989], bandwidthGBps: 3350, tdpWatts: 700, confidence: .datasheet, source: "s",
            measured: MeasuredFingerprint(tflops: [.fp16: 700], method: "m", atMilliseconds: 5, simulated: true))
        let data = try JSONEncoder().encode(fingerprint)
        #expect(try JSONDecoder().decode(Fingerprint.self, from: data) == fingerprint)
        let newer = String(decoding: data, as: UTF8.self).replacing("\"fp64\"", with: "\"fp4\"")
        #expect(try JSONDecoder().decode(Fingerprint.self, from: Data(newer.utf8)).tflops == [.fp16: 989])
        let older = #"{"tflops":{"fp16":1},"confidence":"derived","source":"s"}"#
        #expect(try JSONDecoder().decode(Fingerprint.self, from: Data(older.utf8)).measured == nil)
    }

    @Test func `the measured share is the best precision's, and the memory's stands alone`() {
        var fingerprint = Fingerprint(
            tflops: [.fp32: 10, .fp16: 100], bandwidthGBps: 1000, confidence: .datasheet, source: "s")
        #expect(fingerprint.measuredComputeShare == nil && fingerprint.measuredBandwidthShare == nil)
        fingerprint.measured = MeasuredFingerprint(
            tflops: [.fp32: 9, .fp16: 50, .int8: 5000], bandwidthGBps: 800, method: "m", atMilliseconds: 5,
            simulated: false)
        #expect(fingerprint.measuredComputeShare == 0.9 && fingerprint.measuredBandwidthShare == 0.8)
        #expect(fingerprint.measuredShare(of: .int8) == nil)
    }
}
