import Foundation
import Glibc
import HCSAgent
import HCSHealth
import HCSModel
import HCSProbe
import HCSSystem
import HCSTestSupport
import Logging
import Synchronization
import Testing

@Suite struct HealthMonitorTests {
    private let card = DeviceID("GPU-a")

    private func monitor(
        _ path: String, boot: String = "b", logger: Logger = AgentFixtures.logger
    ) async throws -> HealthMonitor {
        let monitor = HealthMonitor(
            policy: try Agent.healthPolicy(at: "/nonexistent/policy"), bootID: boot, path: path, logger: logger)
        await monitor.update(devices: [AgentFixtures.device()], at: 0)
        return monitor
    }

    private func fault(_ code: UInt32, at now: Int64 = 0) -> Fault {
        Fault(
            family: "xid", code: code, vendor: .nvidia, pci: nil, message: "m", sequence: nil, atMilliseconds: now,
            simulated: false)
    }

    @Test func `an operator's word is on the disk with who and why, and takes the latch off for good`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        #expect(await one.record([fault(79)]) == [.counted([card])])
        let clearing = try await one.setHealthy(card, reason: "reseated, burned in", actor: "alice", at: 5)
        #expect(clearing.latches == ["Xid 79: m"])
        let next = try await monitor(path)
        #expect(await next.clearings() == [clearing])
        #expect(await next.healths(at: 10)[card]?.score == nil, "no sample yet, and no latch either")
        #expect(await next.history(of: card).map(\.kind) == [.latched, .person])
        let text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
        #expect(text.contains("alice") && text.contains("reseated, burned in"))
    }

    @Test func `what the scheduler asks again is not carried out again, over a restart too`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        _ = await one.record([fault(79)])
        let order = Clearance(
            id: AgentFixtures.id(7), node: "n", device: card, reason: "reseated", by: "ada", atMilliseconds: 1)
        let told = await one.apply(order, at: 5)
        #expect(told == ClearanceOutcome(id: order.id, applied: true, message: "taken off: Xid 79: m"))
        #expect(await one.clearings().map(\.actor) == ["ada"])
        let next = try await monitor(path)
        _ = await next.record([fault(95, at: 10)])
        #expect(await next.apply(order, at: 20) == told)
        #expect(await next.healths(at: 30)[card]?.score == 0, "what latched meanwhile stays")
        #expect(await next.clearings().count == 1)
        var unknown = order
        unknown.id = AgentFixtures.id(8)
        unknown.device = DeviceID("GPU-b")
        let refused = await next.apply(unknown, at: 20)
        #expect(!refused.applied && refused.message.contains("no device GPU-b"))
    }

    @Test func `a call that can be interrupted is information, one that cannot lowers the score`() {
        func fault(_ severity: HostEvent.Severity) -> HostFault? {
            HostFault(
                HostEvent(
                    .stuckCall, seen: Sighting(monotonicNanoseconds: 0, atMilliseconds: 0, via: .bpf),
                    severity: severity, pid: 7, amount: 500, message: ""))
        }
        #expect(fault(.info) == nil)
        #expect(fault(.warning)?.kind == .stuckCall && fault(.error)?.seconds == 500)
    }

    /// Xid 31 of three processes.
    private func storm() -> [Fault] {
        [101, 102, 103].map { pid in
            Fault(
                family: "xid", code: 31, vendor: .nvidia, pci: nil, message: "",
                record: "NVRM: Xid (PCI:0000:3b:00): 31, pid=\(pid), name=python", sequence: nil, atMilliseconds: 0,
                simulated: false)
        }
    }

    @Test func `the faults of a program with several processes are one job's, those of several programs the device's`()
        async throws
    {
        let directory = try TemporaryDirectory()
        func counts(_ name: String, _ jobs: [Int32: WorkloadID]) async throws -> Bool {
            let monitor = try await monitor(directory.file(name))
            _ = await monitor.record(ProcessJobs.name(storm(), by: jobs))
            return await monitor.history(of: card).contains { $0.code == "nvidia/xid/31" }
        }
        let (one, two) = (AgentFixtures.id(1), AgentFixtures.id(2))
        #expect(try await !counts("a", [101: one, 102: one, 103: one]))
        #expect(try await counts("b", [101: one, 102: one, 103: two]))
        #expect(try await counts("c", [:]), "by their pids, where nothing else is known")
    }

    @Test func `what cannot be written was not taken off`() async throws {
        let directory = try TemporaryDirectory()
        let one = try await monitor(directory.file("missing/health.json"))
        _ = await one.record([fault(79)])
        await #expect(throws: (any Error).self) {
            try await one.setHealthy(card, reason: "x", actor: "alice", at: 5)
        }
        #expect(await one.healths(at: 10)[card]?.score == 0)
        #expect(await one.clearings().isEmpty)
    }

    @Test func `no reason and an unknown device are refused`() async throws {
        let directory = try TemporaryDirectory()
        let one = try await monitor(directory.file("health.json"))
        _ = await one.record([fault(79)])
        for (id, reason) in [(card, " "), (card, String(repeating: "x", count: 501)), (DeviceID("GPU-b"), "x")] {
            await #expect(throws: HealthError.self) {
                try await one.setHealthy(id, reason: reason, actor: "alice", at: 5)
            }
        }
        #expect(await one.healths(at: 10)[card]?.score == 0)
    }

    @Test func `a latch is written at once, baselines now and then, and a reboot is seen in the next start`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        await one.save(at: 1_000_000)
        let empty = try Data(contentsOf: URL(fileURLWithPath: path))
        for tick in Int64(1)...5 {
            await one.record(
                samples: [card: DeviceSample(temperatureCelsius: 50, utilizationPercent: 90)], vendors: [],
                at: tick * 10_000)
            _ = await one.healths(at: tick * 10_000)
            await one.save(at: 1_000_000 + tick * 10_000)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == empty)
        _ = await one.record([fault(48, at: 60_000)])
        await one.save(at: 1_060_000)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) != empty)

        let rebooted = try await monitor(path, boot: "c")
        for tick in Int64(0)...70 {
            await rebooted.record(
                samples: [card: DeviceSample(vendorHealth: .good)], vendors: [], at: 100_000 + tick * 10_000)
            let score = await rebooted.healths(at: 100_000 + tick * 10_000)[card]?.score
            #expect(score == 0 || tick > 55, "not before 10 quiet minutes")
        }
        #expect(await rebooted.healths(at: 800_000)[card]?.score == 100)
    }

    @Test(arguments: ["larger than is read", "a directory", "no JSON", "a pipe"])
    func `a state that cannot be read is set aside, never written over`(what: String) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        switch what {
        case "a directory": try #require(mkdir(path, 0o700) == 0)
        case "a pipe": try #require(mkfifo(path, 0o600) == 0)
        case "no JSON": try directory.write("{\"version\":2,", to: "health.json")
        default:
            try directory.write("", to: "health.json")
            try #require(truncate(path, 33 << 20) == 0)
        }
        let one = try await monitor(path)
        _ = await one.record([fault(79)])
        await one.save(at: 1)
        var before = stat()
        #expect(lstat(path + ".damaged", &before) == 0)
        let next = try await monitor(path)
        await next.record(samples: [card: DeviceSample()], vendors: [], at: 10)
        #expect(await next.healths(at: 10)[card]?.score == 0)
    }

    private func inode(_ path: String) -> UInt {
        var status = stat()
        return stat(path, &status) == 0 ? UInt(status.st_ino) : 0
    }

    @Test func `where the state is damaged the one before it is taken, with an error in the log`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        _ = await one.record([fault(79)])
        await one.save(at: 1)
        let first = inode(path)
        #expect(inode(path + ".previous") == 0, "there was none before the first")
        _ = await one.record([fault(48, at: 1_000_000)])
        await one.save(at: 2)
        #expect(inode(path + ".previous") == first && inode(path) != first, "the same file, no copy of it")
        _ = await one.record([fault(64, at: 2_000_000)])
        await one.save(at: 3)

        try directory.write("{\"version\":2,", to: "health.json")
        let lines = KeptLines()
        let next = try await monitor(path, logger: lines.logger)
        #expect(await next.history(of: card).map(\.code) == ["nvidia/xid/79", "nvidia/xid/48"])
        #expect(await next.healths(at: 10)[card]?.score == 0)
        #expect(lines.texts.count == 1 && lines.texts[0].hasPrefix("error \(path) is damaged"))
        #expect(lines.texts[0].contains("\(path).previous is taken in its place"))
        #expect(try SmallFile.text(path + ".damaged") == "{\"version\":2,")
        let again = try await monitor(path)
        #expect(await again.history(of: card).count == 2, "also when nothing was written since")
        #expect(try SmallFile.names(in: directory.path) == ["health.json", "health.json.damaged"])
    }

    @Test func `where both are damaged, or the file was removed, health begins anew`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        for (at, code): (Int64, UInt32) in [(1, 79), (2_000_000, 48)] {
            _ = await one.record([fault(code, at: at)])
            await one.save(at: at)
        }
        unlink(path)
        #expect(await (try await monitor(path)).history(of: card).isEmpty)
        try directory.write("[]", to: "health.json")
        try directory.write("{", to: "health.json.previous")
        let lines = KeptLines()
        #expect(await (try await monitor(path, logger: lines.logger)).history(of: card).isEmpty)
        #expect(lines.texts.count == 1 && lines.texts[0].contains("latched faults in it are lost"))
    }

    @Test func `a write that fails leaves the one before the last as it is`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("health.json")
        let one = try await monitor(path)
        for (at, code): (Int64, UInt32) in [(1, 79), (2_000_000, 48), (3_000_000, 64)] {
            _ = await one.record([fault(code, at: at)])
            await one.save(at: at)
        }
        // What a write that failed after its link leaves, and an agent that was killed in the middle.
        unlink(path + ".previous")
        try #require(link(path, path + ".previous") == 0)
        try directory.write("x", to: "health.json.previous.tmp")
        _ = await one.record([fault(95, at: 4_000_000)])
        await one.save(at: 4_000_000)
        #expect(inode(path + ".previous") != 0 && inode(path + ".previous") != inode(path))
        #expect(inode(path + ".previous.tmp") == 0)
    }

    @Test func `a clock that is set makes no device unknown`() async throws {
        let directory = try TemporaryDirectory()
        let clocks = Mutex(HealthMonitor.Clocks(now: 0, uptime: 0))
        let one = HealthMonitor(
            policy: try Agent.healthPolicy(at: "/nonexistent/policy"), bootID: "b", path: directory.file("health.json"),
            logger: AgentFixtures.logger, clocks: { clocks.withLock { $0 } })
        func pass(_ seconds: Int64, step: Int64 = 0) async -> DeviceHealth? {
            let now = clocks.withLock { clocks in
                clocks.uptime += seconds * 1000
                clocks.now += seconds * 1000 + step
                return clocks.now
            }
            await one.update(devices: [AgentFixtures.device()], at: now)
            await one.record(samples: [card: DeviceSample()], vendors: [], at: now)
            return await one.healths(at: now)[card]
        }
        for _ in 0..<60 { _ = await pass(10) }
        #expect(await pass(10, step: 1_700_000_000_000)?.score == 100)
        #expect(await pass(10, step: -3_600_000)?.score == 100)
        #expect(await pass(400)?.score == nil, "a gap is a gap")
    }

    @Test func `lines about the host count as the kernel wrote them, those of user space only where trusted`() throws {
        func event(_ text: String, facility: UInt8 = 0, simulated: Bool = false) -> KernelLogEvent {
            KernelLogEvent(
                record: KernelLogRecord(
                    sequence: 9, monotonicMicroseconds: 1, facility: UInt32(facility), level: 3, text: text),
                seenMonotonicNanoseconds: 0, atMilliseconds: 5, via: .polling, isHistory: false, simulated: simulated)
        }
        let line = "BUG: kernel NULL pointer dereference, address: 0000000000000008"
        let fault = try #require(HostFault(event(line), trustUserKmsg: false))
        #expect(fault.kind == .kernelOops && fault.sequence == 9 && fault.source == "kernel-log" && !fault.simulated)
        #expect(HostFault(event(line, facility: 1), trustUserKmsg: false) == nil)
        #expect(HostFault(event(line, facility: 1), trustUserKmsg: true) != nil)
        #expect(HostFault(event(line, simulated: true), trustUserKmsg: false)?.simulated == true)
        #expect(HostFault(event("usb 1-1: new device"), trustUserKmsg: true) == nil)
    }

    @Test func `a call that may still wait for its work is no fault, and an end is one of all devices`() throws {
        func event(_ kind: HostEvent.Kind, _ severity: HostEvent.Severity) -> HostEvent {
            HostEvent(
                kind, seen: Sighting(monotonicNanoseconds: 0, atMilliseconds: 0, via: .bpf), severity: severity,
                accelerators: [PCIAddress("0000:3b:00.0")].compactMap(\.self), pid: 7, message: "")
        }
        #expect(HostFault(event(.stuckCall, .info)) == nil)
        var worker = event(.holderFound, .info)
        #expect(HostFault(worker)?.kind == .holderFound)
        worker.processName = "hcs-vendor-work"
        #expect(HostFault(worker) == nil, "our own worker has every device open")
        #expect(HostFault(event(.stuckCall, .warning))?.devices.count == 1)
        #expect(HostFault(event(.holderGone, .info))?.devices.count == 1)
        #expect(HostFault(event(.holderExit, .info))?.devices == [])
    }

    @Test func `what probes see lowers the devices behind a port, and the node`() async throws {
        let directory = try TemporaryDirectory()
        let one = try await monitor(directory.file("health.json"))
        var device = AgentFixtures.device()
        device.pci = PCIAddress("0000:3b:00.0")
        await one.update(devices: [device], at: 0)
        await one.record(samples: [card: DeviceSample()], vendors: [], at: 1000)
        let seen = Sighting(monotonicNanoseconds: 0, atMilliseconds: 1000, via: .bpf)
        func event(_ kind: HostEvent.Kind, _ severity: HostEvent.Severity) -> HostEvent {
            HostEvent(
                kind, seen: seen, severity: severity, pci: kind == .pcieError ? PCIAddress("0000:3a:00.0") : nil,
                accelerators: kind == .pcieError ? [device.pci].compactMap(\.self) : [], message: "seen")
        }
        let faults = HostEvent.Kind.allCases.map { ($0, HostFault(event($0, .fatal))) }
        #expect(
            faults.filter { $0.1 == nil }.map(\.0) == [.holderSignal, .pressure, .vendorCall],
            "all else is somebody's health")
        let corrected = try #require(HostFault(event(.machineCheck, .warning)))
        #expect(
            corrected.severity == .corrected && corrected.devices.isEmpty && corrected.source == "machine-check (bpf)")
        #expect(await one.record(try #require(HostFault(event(.pcieError, .error)))) == .counted([card]))
        #expect(await one.healths(at: 1000)[card]?.score == 70)
        #expect(await one.record(try #require(HostFault(event(.pcieError, .fatal)))) == .counted([card]))
        #expect(await one.healths(at: 1000)[card]?.score == 0)
        #expect(await one.record(try #require(HostFault(event(.memoryError, .fatal)))) == .counted([]))
        #expect(await one.nodeHealth(at: 1000).score == 0)
    }
}
