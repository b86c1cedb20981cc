import Glibc
import HCSModel
import HCSSystem
import HCSTestSupport
import Synchronization
import Testing

@testable import HCSProbe

/// Reads a runner's stream into an array that a test can poll.
private final class Collector: Sendable {
    private let seen = Mutex<[KernelLogEvent]>([])
    private let task: Mutex<Task<Void, Never>?> = Mutex(nil)

    init(_ runner: ProbeRunner) {
        let reading = Task { [weak self] in
            await runner.read { events in
                for case .kernelLog(let event) in events { self?.seen.withLock { $0.append(event) } }
            }
        }
        task.withLock { $0 = reading }
    }

    var events: [KernelLogEvent] { seen.withLock { $0 } }
    func event(containing text: String) -> KernelLogEvent? { events.first { $0.record.text.contains(text) } }
    /// The stream has ended.
    func finished() async { await task.withLock { $0 }?.value }
}

private enum Host {
    static let report = ProbeDoctor.report()
    static let canReadLog = report.kernelLog.isAvailable
    static let canUseBPF = report.btf.isAvailable && report.bpf.isAvailable && canReadLog
    /// Something fake goes into the real log only where no vendor's driver could be confused with it (conventions).
    static let mayWriteLog =
        access("/dev/kmsg", W_OK) == 0
        && !["nvidia", "amdgpu", "hydcu", "drv_devmng_host", "cambricon_drv"].contains {
            access("/sys/module/\($0)", F_OK) == 0
        }
        && !PCIBus().hasDomain(0xdead)
}

private func marker() -> String {
    var generator = SystemRandomNumberGenerator()
    return String(generator.next(), radix: 16)
}

@Suite struct ProbeRunnerTests {
    @Test(
        .enabled(
            if: Host.canUseBPF && Host.mayWriteLog,
            "skipped, because it needs BTF, bpf(2), a writable /dev/kmsg and no vendor driver"))
    func `a record written to the kernel log arrives through eBPF, once, with its sequence number`() async throws {
        let runner = ProbeRunner(options: ProbeOptions())
        try await runner.start()
        #expect(runner.statuses().first?.state == .attached, "\(runner.statuses())")
        let collector = Collector(runner)
        let mark = marker()
        let before = MonotonicClock.nowNanoseconds()
        try KernelLog.write("NVRM: Xid (PCI:dead:3b:00): 79, \(mark) [hcs simulated]")
        #expect(await eventually { collector.event(containing: mark) != nil })
        let event = try #require(collector.event(containing: mark))
        #expect(event.via == .bpf)
        #expect(event.record.sequence != nil && event.record.fromUserSpace && event.simulated && !event.isHistory)
        #expect(event.seenMonotonicNanoseconds >= before)
        #expect(abs(event.atMilliseconds - RealtimeClock.nowMilliseconds()) < 60_000)
        let fault = try #require(FaultParser.fault(in: event, trustUserKmsg: true))
        #expect(fault.pci == PCIAddress("dead:3b:00.0") && fault.code == 79 && fault.simulated)
        // A line without the words of a fault is left to the reader of the log.
        try KernelLog.write("hydcu dead:3b:00.0: nothing of note \(mark)-2 [hcs simulated]")
        #expect(await eventually { collector.event(containing: "\(mark)-2") != nil })
        #expect(collector.event(containing: "\(mark)-2")?.via == .polling)
        await runner.stop()
        await collector.finished()
        #expect(collector.events.filter { $0.record.text.contains("79, \(mark)") }.count == 1)
        #expect((runner.statuses().first?.events ?? 0) >= 2)
    }

    @Test(
        .enabled(
            if: Host.canReadLog && Host.mayWriteLog,
            "skipped, because it needs a writable /dev/kmsg and no vendor driver"))
    func `the polling twin gives the same events`() async throws {
        let runner = ProbeRunner(options: ProbeOptions(useBPF: false))
        try await runner.start()
        let status = try #require(runner.statuses().first)
        #expect(status.state == .polling && status.detail.contains("switched off"))
        let collector = Collector(runner)
        let mark = marker()
        try KernelLog.write("NVRM: Xid (PCI:dead:3b:00): 79, \(mark) [hcs simulated]")
        #expect(await eventually { collector.event(containing: mark) != nil })
        #expect(collector.event(containing: mark)?.via == .polling)
        #expect(collector.event(containing: mark)?.record.sequence != nil)
        await runner.stop()
    }

    @Test(
        .enabled(
            if: Host.canReadLog && Host.mayWriteLog,
            "skipped, because it needs a writable /dev/kmsg and no vendor driver"))
    func `what was written before the start is skipped unless it is asked for`() async throws {
        let mark = marker()
        try KernelLog.write("NVRM: Xid (PCI:dead:3b:00): 79, \(mark) [hcs simulated]")
        let now = ProbeRunner(options: ProbeOptions(useBPF: false))
        try await now.start()
        let fresh = Collector(now)
        let all = ProbeRunner(options: ProbeOptions(useBPF: false, start: .beginning))
        try await all.start()
        let history = Collector(all)
        #expect(await eventually { history.event(containing: mark) != nil })
        #expect(history.event(containing: mark)?.isHistory == true)
        let wall = try #require(history.event(containing: mark)?.atMilliseconds)
        #expect(abs(wall - RealtimeClock.nowMilliseconds()) < 60_000)
        try KernelLog.write("NVRM: Xid (later) \(mark)-2 [hcs simulated]")
        #expect(await eventually { fresh.event(containing: "\(mark)-2") != nil })
        #expect(fresh.events.allSatisfy { !$0.isHistory })
        #expect(fresh.event(containing: "79, \(mark)") == nil)
        await now.stop()
        await all.stop()
    }

    @Test func `a kernel log that is not there makes the probe unavailable, with the reason`() async throws {
        let runner = ProbeRunner(options: ProbeOptions(kernelLogPath: "/nonexistent/kmsg", useBPF: false))
        try await runner.start()
        let status = try #require(runner.statuses().first)
        #expect(status.state == .unavailable && status.detail.contains("/nonexistent/kmsg"))
        await runner.stop()
    }

    @Test(.enabled(if: Host.canReadLog, "skipped, because /dev/kmsg cannot be read here"))
    func `without kernel BTF the log is polled and the status says why`() async throws {
        let tree = try TemporaryDirectory()
        let runner = ProbeRunner(options: ProbeOptions(root: HostRoot(tree.path)))
        try await runner.start()
        let status = try #require(runner.statuses().first)
        #expect(status.state == .polling && status.detail.contains("/sys/kernel/btf/vmlinux"))
        await runner.stop()
    }

    @Test func `a missing permission names the capability`() {
        func message(_ mask: UInt64) -> String {
            BPFObject.error(errno: EPERM, log: "", capabilities: Capabilities(mask: mask)).message
        }
        #expect(message(0).contains("CAP_BPF and CAP_PERFMON missing"))
        #expect(message(1 << 39).contains(": CAP_PERFMON missing"))
        #expect(message(1 << 21).contains("seccomp"))
        let rejected = BPFObject.error(
            errno: EACCES, log: "first\nR1 invalid mem access\nend", capabilities: Capabilities(mask: 0))
        #expect(rejected.code == .rejected && rejected.message.contains("R1 invalid mem access / end"))
    }

    @Test func `stopping is prompt, ends the stream and may be repeated`() async throws {
        let directory = try TemporaryDirectory()
        let runner = ProbeRunner(
            options: ProbeOptions(
                kernelLogPath: Host.canReadLog ? "/dev/kmsg" : nil, simulatedLogPath: directory.file("log")))
        try await runner.start()
        let collector = Collector(runner)
        let start = ContinuousClock.now
        await runner.stop()
        await collector.finished()
        await runner.stop()
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test func `a reader that is too slow loses the newest events, and they are counted`() async throws {
        let directory = try TemporaryDirectory()
        let lines = (0..<100).map { "line \($0)\n" }.joined()
        try directory.write(lines, to: "log")
        let runner = ProbeRunner(
            options: ProbeOptions(
                kernelLogPath: nil, start: .beginning, simulatedLogPath: directory.file("log"), bufferLimit: 10))
        try await runner.start()
        let status = try #require(runner.statuses().first)
        #expect(status.events == 100 && status.dropped == 90)
        await runner.stop()
        var texts: [String] = []
        await runner.read { events in
            for case .kernelLog(let event) in events { texts.append(event.record.text) }
        }
        #expect(texts == (0..<10).map { "line \($0)" })
    }

    @Test func `a log full of chatter pushes no fault out of the buffer`() async throws {
        let directory = try TemporaryDirectory()
        let chatter = (0..<5000).map { "usb 1-1: line \($0)\n" }.joined()
        let faults = ["NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", "kernel BUG at mm/slub.c:4523!"]
        try directory.write(chatter + faults.joined(separator: "\n") + "\n", to: "log")
        let runner = ProbeRunner(
            options: ProbeOptions(
                kernelLogPath: nil, start: .beginning, simulatedLogPath: directory.file("log"), faultLinesOnly: true,
                watchesHost: false, bufferLimit: 10))
        try await runner.start()
        let status = try #require(runner.statuses().first)
        #expect(status.events == 5002 && status.dropped == 0)
        await runner.stop()
        var texts: [String] = []
        await runner.read { events in
            for case .kernelLog(let event) in events { texts.append(event.record.text) }
        }
        #expect(texts == faults)
    }

    @Test func `every probe of the registry has a name of its own, says that it is not started and stops at once`()
        async throws
    {
        let directory = try TemporaryDirectory()
        let options = ProbeOptions(
            kernelLogPath: directory.file("no-kmsg"), simulatedLogPath: directory.file("log"),
            timesDeviceCalls: true, vendorCalls: VendorCallOptions(libraries: []))
        let probes = ProbeRegistry.probes(for: options)
        #expect(probes.count == ProbeRegistry.factories.count)
        #expect(Set(probes.map(\.name)).count == probes.count)
        for probe in probes {
            #expect(probe.status().name == probe.name)
            #expect(probe.status().state == .unavailable && probe.status().detail == "not started")
        }
        let runner = ProbeRunner(probes: probes)
        try await runner.start()
        for status in runner.statuses() { #expect(!status.detail.isEmpty && status.detail != "not started") }
        await runner.stop()
        #expect(ProbeRegistry.probes(for: ProbeOptions(kernelLogPath: nil, watchesHost: false)).isEmpty)
    }

    @Test func `the doctor tells all facts in words`() {
        let report = Host.report
        #expect(report.lines.allSatisfy { !$0.isEmpty })
        for probe in ProbeRegistry.probes(for: ProbeOptions()) {
            #expect(
                report.lines.contains { $0.hasPrefix("info    probe \(probe.name): ") && !$0.contains("not started") })
        }
        for probe in ProbeRegistry.optional {
            let line = "info    probe \(probe.name): unavailable, off: hcs-agent \(probe.flag) turns it on"
            #expect(report.lines.contains(line))
        }
        let absent = ProbeDoctor.report(
            options: ProbeOptions(root: HostRoot("/nonexistent"), kernelLogPath: "/nonexistent/kmsg"))
        #expect(!absent.btf.isAvailable && !absent.kernelLog.isAvailable)
        #expect(absent.lines.contains { $0.hasPrefix("missing kernel log: could not open /nonexistent/kmsg") })
    }
}

@Suite struct SimulatedKernelLogTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    func append(_ text: String, to path: String) throws {
        let handle = try #require(fopen(path, "a"))
        fputs(text, handle)
        fclose(handle)
    }

    @Test func `lines added to the file arrive, simulated and without a sequence number`() async throws {
        let path = try directory.write("old line\n", to: "log")
        let runner = ProbeRunner(options: ProbeOptions(kernelLogPath: nil, simulatedLogPath: path))
        try await runner.start()
        let collector = Collector(runner)
        try append("NVRM: Xid (PCI:0000:3b:00): 79, x\nhalf", to: path)
        #expect(await eventually { collector.events.count == 1 })
        let event = try #require(collector.events.first)
        #expect(event.simulated && event.record.sequence == nil && !event.isHistory && event.via == .polling)
        let fault = try #require(FaultParser.fault(in: event, trustUserKmsg: false))
        #expect(fault.simulated && fault.sequence == nil)
        try append(" line\n\n", to: path)
        #expect(await eventually { collector.events.last?.record.text == "half line" })
        await runner.stop()
    }

    @Test func `the file may come later, be cut and be replaced`() async throws {
        let path = directory.file("log")
        let runner = ProbeRunner(options: ProbeOptions(kernelLogPath: nil, simulatedLogPath: path))
        try await runner.start()
        let collector = Collector(runner)
        try append("first line\n", to: path)
        #expect(await eventually { collector.events.last?.record.text == "first line" })
        truncate(path, 0)
        // The cut must be seen before the file is as long again.
        try append("cut\n", to: path)
        #expect(await eventually { collector.events.last?.record.text == "cut" })
        try directory.write("another\n", to: "new")
        rename(directory.file("new"), path)
        #expect(await eventually { collector.events.last?.record.text == "another" })
        await runner.stop()
    }

    @Test func `a directory that is not there yet is looked at again`() async throws {
        let runner = ProbeRunner(
            options: ProbeOptions(kernelLogPath: nil, simulatedLogPath: directory.file("later/log")))
        try await runner.start()
        let collector = Collector(runner)
        try directory.write("line\n", to: "later/log")
        #expect(await eventually { collector.events.first?.record.text == "line" })
        await runner.stop()
    }

    @Test func `a long line is cut and the next one is whole`() throws {
        let path = try directory.write(String(repeating: "x", count: 100_000) + "\nnext\n", to: "log")
        var tail = FileTail(path: path)
        let lines = tail.readLines()
        #expect(lines.map(\.utf8.count) == [FileTail.lineLimit, 4])
        #expect(tail.readLines().isEmpty)
    }
}

@Suite struct PendingSightingsTests {
    @Test func `a record takes the time of the oldest sighting of its line, once`() {
        var pending = PendingSightings()
        pending.add(text: Array("a line".utf8), nanoseconds: 1)
        pending.add(text: Array("a line".utf8), nanoseconds: 2)
        #expect(pending.take("another") == nil)
        #expect(pending.take("a line, continued") == 1)
        #expect(pending.take("a line") == 2)
        #expect(pending.take("a line") == nil)
    }

    @Test func `a sighting without its record is fresh for a moment only`() {
        var pending = PendingSightings()
        #expect(!pending.isFresh(at: 0))
        pending.add(text: Array("a".utf8), nanoseconds: 1_000_000_000)
        #expect(pending.isFresh(at: 1_010_000_000))
        #expect(!pending.isFresh(at: 1_100_000_000))
        _ = pending.take("a")
        #expect(!pending.isFresh(at: 1_010_000_000))
    }

    @Test func `sightings are bounded in number and in age`() {
        var pending = PendingSightings()
        for index in 0..<(PendingSightings.limit + 10) {
            pending.add(text: Array("\(index).".utf8), nanoseconds: UInt64(index))
        }
        #expect(pending.take("5.") == nil)
        #expect(pending.take("10.") == 10)
        pending.forget(before: PendingSightings.maximumAge + 100)
        #expect(pending.take("99.") == nil)
        #expect(pending.take("100.") == 100)
    }
}
