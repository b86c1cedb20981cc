import CHCSProbe
import Glibc
import HCSModel
import HCSSystem
import HCSTestSupport
import Synchronization
import Testing

@testable import HCSProbe

/// What the running kernel does with our programs. `make test-bpf` runs these as root.
@Suite(
    .serialized,
    .enabled(
        if: ThisKernel.takesPrograms,
        "skipped, because eBPF needs kernel BTF and root, or CAP_BPF and CAP_PERFMON, and no lockdown or seccomp filter that forbids it"
    ))
struct KernelTests {
    @Test(arguments: ThisKernel.programs)
    func `each program loads, and attaches where the kernel has its tracepoint`(program: ThisKernel.Program) throws {
        do {
            let object = try program.load { _ in }
            try object.attach(to: program.tracepoint)
            print("attached: \(program.tracepoint)")
            #expect(object.drops == 0)
        } catch {
            // Nothing but the tracepoint's absence excuses a program.
            try #require(error.code == .noTracepoint, "\(program.tracepoint): \(error)")
            print("skipped, because \(error)")
        }
    }

    /// What has no cause that a test may set off: the program is run with arguments of our own. Code of the kernel stands
    /// for its text: what is read is the kernel's memory, as in earnest.
    @Test func `a program that the kernel runs with a tracepoint's arguments tells its event`() throws {
        let text = ThisKernel.readableAddress
        try testRun(PCIeErrors.self, [text, 1 << 12, 1]) { (event: hcs_pcie_event) in
            #expect(event.status == 1 << 12 && event.severity == 1)
            #expect(PCIeErrors.text(event.device).isEmpty == (text == 0))
        }
        try testRun(MemoryErrors.self, [1, 0, text, 3, 2, 0, 0, 0, 0x1000, 0, 0, 0]) {
            (event: hcs_memory_error_event) in
            #expect(event.type == 1 && event.count == 3 && event.controller == 2 && event.address == 0x1000)
            #expect(MemoryErrors.text(event.label).isEmpty == (text == 0) && MemoryErrors.text(event.text).isEmpty)
        }
        try testRun(FirmwareRecords.self, [text, 0, 0, 2, 0, 80]) { (event: hcs_firmware_record_event) in
            #expect(event.severity == 2 && event.length == 80 && FirmwareRecords.text(event.fru).isEmpty)
            #expect((event.section.0 == 0) == (text == 0))
        }
    }

    private func testRun<Source: EventSource, Event: BitwiseCopyable>(
        _ source: Source.Type, _ arguments: [UInt64], check: (Event) -> Void
    ) throws {
        var seen: [Event] = []
        let program = ThisKernel.Program(source)
        let object = try program.load { raw in
            if let event = source.read(raw, as: Event.self) { seen.append(event) }
        }
        try #require(object.testRun(arguments) == 0)
        object.consume()
        check(try #require(seen.first))
        print("test run: \(program.tracepoint)")
    }

    @Test func `what does not fit into the ring buffer is counted`() throws {
        let object = try ThisKernel.Program(FirmwareRecords.self).load { _ in }
        let runs = 1000
        for _ in 0..<runs { try #require(object.testRun([0, 0, 0, 2, 0, 80]) == 0) }
        let lost = object.newDrops()
        #expect(lost > 0 && lost < runs)
        #expect(object.newDrops() == 0)
        object.consume()
        try #require(object.testRun([0, 0, 0, 2, 0, 80]) == 0)
        #expect(object.drops == lost)
    }

    @Test(.enabled(if: MemoryCgroup.isThere, "skipped, because no memory cgroup can be made here"))
    func `a process killed at a cgroup's limit is told by the program and by its twin`() async throws {
        let probe = try #require(EventProbe<OutOfMemoryKills>(options: ProbeOptions()))
        let runner = ProbeRunner(probes: [probe])
        try await runner.start()
        try #require(probe.status().state == .attached, "\(probe.status())")
        let collector = HostCollector(runner)
        var twin = OutOfMemoryKills(options: ProbeOptions(useBPF: false))
        #expect(twin.look().isReading)

        let cgroup = try MemoryCgroup(limit: 16 << 20)
        let pid = try await cgroup.runOutOfMemory()
        #expect(await eventually { collector.events.contains { $0.pid == pid } })
        let event = try #require(collector.events.first { $0.pid == pid })
        #expect(event.kind == .outOfMemoryKill && event.seen.via == .bpf)
        #expect(event.processName == "tail")

        var looks: [HostEvent] = []
        #expect(
            await eventually {
                looks += twin.look().hostEvents
                return !looks.isEmpty
            })
        #expect(looks.contains { $0.kind == .outOfMemoryKill && $0.message.contains(cgroup.name) })
        await runner.stop()
    }
}

/// A memory cgroup of a test's own, v1 or v2 as the machine has.
final class MemoryCgroup: Sendable {
    let name = "hcs-test-\(getpid())"
    private let path: String

    private static let hierarchy = CgroupReport.read().hierarchies.first {
        $0.writable && $0.controllers.contains("memory")
    }
    static var isThere: Bool { hierarchy != nil && getuid() == 0 }

    init(limit: Int) throws {
        let hierarchy = try #require(Self.hierarchy)
        path = "\(hierarchy.mountPoint)/\(name)"
        if hierarchy.version == .v2 {
            try? KernelFile.text("+memory", to: "\(hierarchy.mountPoint)/cgroup.subtree_control")
        }
        try #require(mkdir(path, 0o755) == 0 || errno == EEXIST)
        let file = hierarchy.version == .v2 ? "memory.max" : "memory.limit_in_bytes"
        try KernelFile.text("\(limit)", to: "\(path)/\(file)")
        // Without this a v1 cgroup of a machine with swap would fill the swap first.
        try? KernelFile.text("0", to: "\(path)/memory.swap.max")
    }

    deinit { rmdir(path) }

    /// A program that fills its memory until it is killed; its pid.
    func runOutOfMemory() async throws -> Int32 {
        let child = try Child(["/bin/sh", "-c", "echo $$ > \(path)/cgroup.procs && exec tail /dev/zero"])
        #expect(await eventually { child.hasEnded })
        return child.pid
    }
}

/// Writes a file of the kernel's.
enum KernelFile {
    static func text(_ text: String, to path: String) throws {
        let file = try Descriptor.open(path, O_WRONLY)
        try file.writeAll(Array(text.utf8), to: path)
    }
}

/// A program that a test starts, killed and waited for when the last reference goes.
final class Child: Sendable {
    let pid: Int32
    private let ended = Mutex(false)

    init(_ words: [String]) throws {
        var started: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for word in arguments { free(word) } }
        try #require(posix_spawn(&started, words[0], nil, nil, &arguments, environ) == 0)
        pid = started
    }

    var hasEnded: Bool {
        ended.withLock { ended in
            if !ended { ended = waitpid(pid, nil, WNOHANG) == pid }
            return ended
        }
    }

    func signal(_ number: Int32) { kill(pid, number) }

    deinit {
        if !hasEnded {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }
}

/// Reads a runner's stream into an array that a test can poll.
final class HostCollector: Sendable {
    private let seen = Mutex<[HostEvent]>([])

    init(_ runner: ProbeRunner) {
        Task { [weak self] in
            for await case .host(let event) in runner.events { self?.seen.withLock { $0.append(event) } }
        }
    }

    var events: [HostEvent] { seen.withLock { $0 } }
}

/// What may be tried here.
enum ThisKernel {
    static let report = ProbeDoctor.report(options: ProbeOptions(kernelLogPath: nil, watchesHost: false))
    static let takesPrograms = report.btf.isAvailable && report.bpf.isAvailable

    /// The program of a source.
    struct Program: Sendable, CustomTestStringConvertible {
        let name: String
        let tracepoint: String
        private let hexadecimal: StaticString
        var testDescription: String { tracepoint }

        init<Source: EventSource>(_ source: Source.Type) {
            name = Source.name
            guard let tracepoint = Source.tracepoint, let program = Source.program else {
                preconditionFailure("\(Source.name) has no program")
            }
            self.tracepoint = tracepoint
            hexadecimal = program
        }

        func load(_ handler: @escaping BPFObject.Handler) throws(ProbeError) -> BPFObject {
            try BPFObject(hexadecimal: hexadecimal, tracepoint: tracepoint, root: .real, handler: handler)
        }
    }

    static let programs: [Program] = [
        Program(PCIeErrors.self), Program(MachineChecks.self), Program(MemoryErrors.self),
        Program(FirmwareRecords.self), Program(OutOfMemoryKills.self),
    ]

    /// Of code of the kernel's whose first byte is not 0; 0 where its symbols are hidden.
    static let readableAddress: UInt64 = {
        guard let text = try? SmallFile.text("/proc/kallsyms", limit: 64 << 20),
            let line = text.split(separator: "\n").first(where: {
                $0.hasSuffix(" T do_exit") || $0.hasSuffix(" T schedule")
            })
        else { return 0 }
        return UInt64(line.prefix { $0 != " " }, radix: 16) ?? 0
    }()
}
