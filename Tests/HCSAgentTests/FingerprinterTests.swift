import Foundation
import Glibc
import HCSAPI
import HCSAgent
import HCSCatalog
import HCSDevice
import HCSModel
import HCSSystem
import HCSTestSupport
import Synchronization
import Testing

/// A worker of shell: one NVIDIA device with 80 GiB, and a measurement that writes a line into `measured` first.
private struct ScriptedWorker {
    let directory: TemporaryDirectory

    /// - Parameters:
    ///   - sample: the device's sample, without its identity.
    ///   - measurement: shell that answers on descriptor 3.
    init(
        sample: String = #""signals":{"utilization":0},"memoryUsed":0"#,
        measurement: String =
            #"printf '{"id":1,"ok":{"method":"shell","tflops":{"fp16":700},"bandwidthGBps":3000}}\n' >&3"#
    ) throws {
        directory = try TemporaryDirectory()
        let script = """
            #!/bin/sh
            answer() { printf '{"id":%s,"ok":%s}\\n' "$1" "$2" >&3; }
            case "$*" in
            *--measure*) echo $$ >> \(directory.path)/measured; \(measurement); exit ;;
            *nvidia*) ;;
            *) read number what <&3; printf '{"id":%s,"error":{"code":"libraryMissing","message":"none"}}\\n' $number >&3; exit ;;
            esac
            while read number what <&3; do case $what in
            symbols) answer $number '{"library":"x","present":1,"missing":[]}' ;;
            inventory) answer $number '{"devices":[{"id":"GPU-aaaa-1","name":"NVIDIA H100 80GB HBM3","index":0,"memory":85899345920,"driver":"550.1","maximumClockMHz":1980},{"id":"GPU-aaaa-2","name":"NVIDIA H100 80GB HBM3","index":1,"memory":85899345920,"driver":"550.1"}],"skipped":[]}' ;;
            sample) answer $number '{"samples":[{"id":"GPU-aaaa-1",\(sample)},{"id":"GPU-aaaa-2","processes":[[77,1000]]}]}' ;;
            *) answer $number true ;;
            esac; done

            """
        _ = try directory.writeProgram(script, to: "hcs-vendor-worker")
    }

    var configuration: AgentConfiguration {
        get throws {
            var flags = AgentConfiguration.Flags()
            flags.stateDirectory = directory.file("state")
            flags.configDirectory = directory.file("etc")
            flags.runtimeDirectory = directory.file("run")
            flags.worker = directory.file("hcs-vendor-worker")
            return try AgentConfiguration(
                flags: flags, environment: [:], uid: geteuid(), hostname: "box", executable: "/opt/hcs/bin/hcs-agent",
                fileExists: { _ in false })
        }
    }

    var store: MeasurementStore { MeasurementStore(directory: directory.file("state/fingerprints")) }
    var measurements: Int {
        (try? String(contentsOfFile: directory.file("measured"), encoding: .utf8).split(separator: "\n").count) ?? 0
    }
}

/// An agent of this machine would be asked as well, and would answer.
private let hasRootAgent = access("/run/hcs/agent.sock", F_OK) == 0

@Suite(.timeLimit(.minutes(5))) struct FingerprinterTests {
    @Test func `without --measure it shows and starts no measurement`() async throws {
        let worker = try ScriptedWorker()
        let report = try await Fingerprinter.examine(try worker.configuration, .init())
        #expect(report.devices.map(\.id.uuid) == ["GPU-aaaa-1", "GPU-aaaa-2"] && worker.measurements == 0)
        #expect(report.devices[0].fingerprint.tflops[.fp64] == 67 && report.devices[0].fingerprint.measured == nil)
        #expect(report.text.contains("nvidia:0  NVIDIA H100 80GB HBM3  GPU-aaaa-1\n"))
        #expect(
            report.text.contains("datasheet: NVIDIA datasheet, TDP 700 W") && report.text.contains("measured     never")
        )
    }

    @Test(.disabled(if: hasRootAgent, "skipped, because an agent runs here"))
    func `a measurement is shown with its share, kept, and shown again; a device in use is refused`() async throws {
        let worker = try ScriptedWorker()
        let report = try await Fingerprinter.examine(try worker.configuration, .init(measure: true))
        let first = report.devices[0]
        #expect(first.fingerprint.measured?.tflops == [.fp16: 700] && first.unavailable == nil, "\(first)")
        #expect(first.fingerprint.measured?.driverVersion == "550.1")
        #expect(report.devices[1].unavailable == "in use by process 77" && worker.measurements == 1)
        #expect(report.text.contains("0 s ago, shell, driver 550.1") && report.text.contains("71 %"), "\(report.text)")
        let again = try await Fingerprinter.examine(try worker.configuration, .init(devices: ["nvidia:0"]))
        #expect(again.devices.map(\.fingerprint) == [first.fingerprint] && worker.measurements == 1)
    }

    @Test func `a measurement with another driver is told apart`() async throws {
        let worker = try ScriptedWorker()
        let old = MeasuredFingerprint(
            tflops: [.fp16: 1], method: "m", driverVersion: "535.9", atMilliseconds: 5, simulated: false)
        try worker.store.save(old, of: "GPU-aaaa-1")
        let entry = try #require(
            try await Fingerprinter.examine(try worker.configuration, .init(devices: ["GPU-aaaa-1"])).devices.first)
        #expect(entry.fingerprint.measured == nil && entry.outdated == old)
    }

    @Test(
        .disabled(if: hasRootAgent, "skipped, because an agent runs here"),
        arguments: [
            (#""signals":{"utilization":40}"#, "in use: 40 % utilisation"),
            (#""processes":[[5,1000]]"#, "in use by process 5"), (#""health":"lost""#, "the device does not answer"),
        ])
    func `nothing is measured on a device in use`(sample: String, reason: String) async throws {
        let worker = try ScriptedWorker(sample: sample)
        let report = try await Fingerprinter.examine(
            try worker.configuration, .init(measure: true, devices: ["GPU-aaaa-1"]))
        #expect(report.devices.map(\.unavailable) == [reason] && worker.measurements == 0)
        #expect(report.text.contains("unavailable  \(reason)"))
    }

    @Test func `an agent that does not tell its leases is a refusal`() async throws {
        let worker = try ScriptedWorker()
        try worker.directory.write("", to: "run/agent.sock")
        let error = await #expect(throws: AgentError.self) {
            try await Fingerprinter.examine(try worker.configuration, .init(measure: true))
        }
        #expect(error?.code == .unavailable && error?.message.contains("does not tell what it has leased") == true)
        #expect(worker.measurements == 0)
    }

    /// An agent at the configuration's socket that has these devices and nothing else.
    private func withAgent(
        _ worker: ScriptedWorker, _ devices: [Device], _ body: (AgentConfiguration) async throws -> Void
    ) async throws {
        let configuration = try worker.configuration
        try worker.directory.write("", to: "run/made")
        let state = AgentFixtures.state(simulating: true)
        await state.set(devices: devices)
        await state.set(
            samples: Dictionary(
                uniqueKeysWithValues: devices.map {
                    var sample = DeviceSample()
                    sample.signals[.clockMaximum, "compute"] = 1980
                    return ($0.id, sample)
                }))
        let listening = Mutex(false)
        let server = Task {
            try await LocalAPI.serve(
                socketPath: configuration.socketPath, logger: AgentFixtures.logger, status: { await state.status() },
                logs: { _, _, _ throws(AgentError) in throw AgentError(.unavailable, "none") },
                running: { listening.withLock { $0 = true } })
        }
        defer { server.cancel() }
        #expect(await eventually { listening.withLock { $0 } })
        try await body(configuration)
    }

    @Test func `an agent that runs is asked first, and what it simulates is shown`() async throws {
        let worker = try ScriptedWorker()
        let device = AgentFixtures.device("NPU-1", vendor: .ascend, simulated: true)
        try await withAgent(worker, [device]) { configuration in
            let report = try await Fingerprinter.examine(configuration, .init())
            #expect(report.devices.map(\.id) == [device.id] && report.remark == nil)
            #expect(report.text.hasPrefix("Asked: the agent at \(configuration.socketPath): 1 device, simulated\n\n"))
            #expect(report.text.contains("ascend:0  Card  NPU-1  (simulated)\n"), "\(report.text)")
            #expect(try await Fingerprinter.examine(configuration, .init(devices: ["ascend:0"])).devices.count == 1)
        }
        let alone = try ScriptedWorker()
        let report = try await Fingerprinter.examine(try alone.configuration, .init())
        let socket = try alone.configuration.socketPath
        #expect(report.asked == ["No agent: there is no \(socket)", "Asked: the vendors' libraries: 2 devices"])
        #expect(report.text.hasPrefix("No agent: there is no \(socket)\nAsked: the vendors' libraries: 2 devices\n\n"))
    }

    @Test(.disabled(if: hasRootAgent, "skipped, because an agent runs here"))
    func `beside an agent the libraries' devices are measured, and what only it has is said to be out of reach`()
        async throws
    {
        let worker = try ScriptedWorker()
        let simulated = AgentFixtures.device("NPU-1", vendor: .ascend, simulated: true)
        var real = AgentFixtures.device("GPU-aaaa-1")
        real.driverVersion = "550.1"
        try await withAgent(worker, [simulated, real]) { configuration in
            let report = try await Fingerprinter.examine(configuration, .init(measure: true))
            let found = Dictionary(uniqueKeysWithValues: report.devices.map { ($0.id.uuid, $0) })
            #expect(found.keys.sorted() == ["GPU-aaaa-1", "GPU-aaaa-2", "NPU-1"] && worker.measurements == 1)
            #expect(found["NPU-1"]?.unavailable?.contains("the agent simulates it") == true)
            let measured = try #require(found["GPU-aaaa-1"]?.fingerprint.measured)
            let again = try await Fingerprinter.examine(configuration, .init())
            #expect(
                again.devices.first { $0.id == real.id }?.fingerprint.measured == measured, "before the agent reads it")
        }
    }

    @Test func `an agent that does not answer leaves the libraries, and that is said`() async throws {
        let worker = try ScriptedWorker()
        try worker.directory.write("", to: "run/agent.sock")
        let report = try await Fingerprinter.examine(try worker.configuration, .init())
        #expect(report.devices.count == 2 && report.asked.count == 2)
        #expect(report.text.hasPrefix("No answer from the agent at "), "\(report.text)")
        let cpu = try await Fingerprinter.examine(try worker.configuration, .init(cpu: true))
        #expect(cpu.asked.isEmpty && cpu.text.hasPrefix("Processors  "), "nobody is asked for devices")
    }

    @Test func `an age that makes no sense is none`() {
        var device = AgentFixtures.device()
        for at in [Int64.min, -1, .max] {
            device.fingerprint.measured = MeasuredFingerprint(
                tflops: [.fp16: .infinity], bandwidthGBps: .nan, method: "m", atMilliseconds: at, simulated: false)
            let report = FingerprintReport(
                host: "h", atMilliseconds: 0, devices: [.init(device)], cpu: .init(model: "c", count: 1))
            #expect(report.text.contains("measured     0 s ago, m"), "\(report.text)")
        }
    }

    @Test(arguments: [
        ("nvidia:7", "no device 'nvidia:7'"), ("GPU", "no device 'GPU'"), ("ascend:0", "no device"),
        ("GPU-aaaa", "'GPU-aaaa' is 2 devices: GPU-aaaa-1, GPU-aaaa-2"),
    ])
    func `a device that is not one is a usage error`(name: String, words: String) async throws {
        let worker = try ScriptedWorker()
        let error = await #expect(throws: AgentError.self) {
            try await Fingerprinter.examine(try worker.configuration, .init(measure: true, devices: [name]))
        }
        #expect(error?.code == .usage && error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func `the processors alone are measured where only they are asked for, and kept until the kernel changes`()
        async throws
    {
        let worker = try ScriptedWorker()
        let report = try await Fingerprinter.examine(try worker.configuration, .init(measure: true, cpu: true))
        #expect(report.devices.isEmpty && report.cpu.measured?.tflops == [.fp16: 700] && worker.measurements == 1)
        let shown = try await Fingerprinter.examine(try worker.configuration, .init(cpu: true))
        #expect(shown.cpu == report.cpu && worker.measurements == 1)
        #expect(shown.text.contains("ago, shell, kernel ") && !shown.text.contains("No devices"), "\(shown.text)")
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: worker.store.directory).first)
        var old = try #require(report.cpu.measured)
        old.driverVersion = "2.6.32"
        try worker.store.save(old, of: String(name.dropLast(5)))
        #expect(try await Fingerprinter.examine(try worker.configuration, .init(cpu: true)).cpu.measured == nil)
    }

    @Test func `a measurement that fails says why and leaves what is known`() async throws {
        let worker = try ScriptedWorker(measurement: "exit 5")
        let report = try await Fingerprinter.examine(try worker.configuration, .init(measure: true, cpu: true))
        #expect(
            report.cpu.unavailable?.contains("ended without an answer: exit 5") == true && report.cpu.measured == nil)
        #expect(!FileManager.default.fileExists(atPath: worker.store.directory))
    }

    @Test func `files of the catalogue count, and one that does not is named`() async throws {
        let worker = try ScriptedWorker()
        try worker.directory.write(
            "\(CatalogRow.header)\nnvidia,NVIDIA H100 80GB HBM3,,,,,5,,,,,,derived,ours\n", to: "etc/catalog.d/1.csv")
        try worker.directory.write("nonsense\n", to: "etc/catalog.d/2.csv")
        let report = try await Fingerprinter.examine(try worker.configuration, .init())
        #expect(report.devices.first?.fingerprint.tflops == [.fp16: 5])
        #expect(report.problems.count == 1 && report.problems[0].contains("2.csv line 1: the header is not"))
        let doctor = await Doctor.examine(try worker.configuration)
        let check = try #require(doctor.checks.first { $0.name == "catalogue" })
        #expect(
            check.result == .missing && check.detail.contains("1.csv: 1 card") && check.detail.contains("2.csv line 1"))
    }

    @Test func `simulated figures say so wherever they are shown`() {
        var device = AgentFixtures.device(simulated: true)
        device.fingerprint.measured = MeasuredFingerprint(
            tflops: [.fp16: 1], method: "m", atMilliseconds: 0, notes: ["fp64: no"], simulated: true)
        let text = FingerprintReport(
            host: "h", atMilliseconds: 7_200_000, devices: [.init(device)], cpu: .init(model: "c", count: 1)
        ).text
        #expect(text.contains("GPU-a  (simulated)\n") && text.contains("2 h ago, m, simulated: no real figures"))
        #expect(text.contains("note         fp64: no"))
    }
}

@Suite(.timeLimit(.minutes(5))) struct IdleMeasuringTests {
    private static func status(
        _ change: (inout Device, inout DeviceSample) -> Void = { _, _ in }, blocked: String? = nil,
        workloads: [WorkloadObservation] = [], leases: [LeaseObservation] = [], granted: ByteCount = .zero
    ) -> AgentStatus {
        var device = AgentFixtures.device()
        var sample = DeviceSample(memoryUsed: .zero, utilizationPercent: 0)
        change(&device, &sample)
        return AgentStatus(
            node: "n", agentVersion: "v", scheduler: nil, schedulerReachable: false,
            devices: [
                DeviceReport(
                    device: device, sample: sample, health: DeviceHealth(score: 100, reasons: []), blocked: blocked,
                    localGranted: granted)
            ], workloads: workloads, vendors: [], probes: [], leases: leases)
    }

    private static let lease = LeaseObservation(
        id: AgentFixtures.id(1), name: nil, uid: 0, pid: 1, startTime: 1,
        grant: DeviceGrant(device: DeviceID("GPU-a"), vendor: .nvidia, quota: .gibibytes(1)), startedMilliseconds: 0,
        usage: [], processes: 0)

    @Test func `only an idle NVIDIA device that is nobody's and was never measured is measured`() {
        func idle(_ status: AgentStatus) -> Bool { !IdleMeasuring.idle(status).isEmpty }
        #expect(idle(Self.status()))
        #expect(!idle(Self.status { device, _ in device.vendor = .ascend }))
        #expect(!idle(Self.status { _, sample in sample.signals[.utilization] = 50 }))
        #expect(!idle(Self.status(blocked: "a real device")))
        #expect(!idle(Self.status(granted: .gibibytes(1))))
        #expect(!idle(Self.status(leases: [Self.lease])))
        let device = DeviceUsage(device: DeviceID("GPU-a"), used: .zero, peak: .zero, quota: .zero, denied: 0)
        #expect(
            !idle(
                Self.status(workloads: [.init(id: AgentFixtures.id(2), attempt: 1, phase: .running, usage: [device])])))
        #expect(!idle(Self.status(workloads: [.init(id: AgentFixtures.id(2), attempt: 1, phase: .starting)])))
        #expect(
            idle(Self.status(workloads: [.init(id: AgentFixtures.id(2), attempt: 1, phase: .ended, usage: [device])])))
        #expect(
            !idle(
                Self.status { device, _ in
                    device.fingerprint.measured = MeasuredFingerprint(
                        tflops: [:], method: "failed", atMilliseconds: 0, notes: ["no"], simulated: false)
                }))
    }

    /// Runs the service over a scripted worker's first device, idle, until `body` is done.
    private func run(
        _ worker: ScriptedWorker, _ body: (NodeState, Device) async throws -> Void
    ) async throws {
        let manager = DeviceManager(sources: [.real(.nvidia)], executable: worker.directory.file("hcs-vendor-worker"))
        let device = try #require(await manager.settledInventory().first)
        let state = AgentFixtures.state()
        await state.set(devices: [device])
        await state.set(samples: [device.id: DeviceSample(memoryUsed: .zero, utilizationPercent: 0)])
        let service = IdleMeasuring(
            manager: manager, state: state, store: worker.store,
            measurer: Measurer(executable: worker.directory.file("hcs-vendor-worker")), interval: .milliseconds(20),
            logger: AgentFixtures.logger)
        let task = Task { try await service.run() }
        do { try await body(state, device) } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        _ = await task.result
        await manager.stop()
    }

    @Test func `an idle device is measured once`() async throws {
        let worker = try ScriptedWorker()
        try await run(worker) { _, device in
            #expect(await eventually { worker.store.last(of: device.id.uuid, simulated: false) != nil })
            // Many more looks: nothing is measured again, though the report does not show it yet.
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(worker.store.last(of: "GPU-aaaa-1", simulated: false)?.tflops == [.fp16: 700])
        #expect(worker.measurements == 1)
    }

    @Test func `a failure is kept as a note and not tried again with this driver`() async throws {
        let worker = try ScriptedWorker(
            measurement:
                #"printf '{"id":1,"error":{"code":"libraryMissing","message":"libcublas.so.12: not found"}}\n' >&3"#)
        try await run(worker) { _, device in
            #expect(await eventually { worker.store.last(of: device.id.uuid, simulated: false) != nil })
            try await Task.sleep(for: .milliseconds(300))
        }
        let kept = try #require(worker.store.last(of: "GPU-aaaa-1", simulated: false))
        #expect(kept.isEmpty && kept.notes == ["libcublas.so.12: not found"] && worker.measurements == 1)
    }

    @Test func `a lease ends a measurement at once and nothing is kept`() async throws {
        let worker = try ScriptedWorker(measurement: "exec sleep 600")
        try await run(worker) { state, device in
            #expect(await eventually { worker.measurements == 1 })
            let text = try String(contentsOfFile: worker.directory.file("measured"), encoding: .utf8)
            let pid = try #require(Int32(text.dropLast()))
            #expect(kill(pid, 0) == 0)
            var lease = Self.lease
            lease.grant.device = device.id
            await state.set(leases: [lease])
            #expect(await eventually { kill(pid, 0) != 0 && errno == ESRCH })
        }
        #expect(worker.store.last(of: "GPU-aaaa-1", simulated: false) == nil && worker.measurements == 1)
    }
}
