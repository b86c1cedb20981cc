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
        try testRun(ThermalTrips.self, [0, 1, 3]) { (event: hcs_thermal_event) in
            #expect(event.trip == 3 && event.temperature == 0)
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

    @Test func `a long call into a library is told with its function and time, a short one is not`() async throws {
        let maps = try SmallFile.text("/proc/self/maps", limit: 16 << 20)
        let library = try #require(
            maps.split(separator: "\n").first { $0.hasSuffix("/libc.so.6") }?.split(separator: " ").last.map(
                String.init))
        let probe = try #require(
            EventProbe<VendorCalls>(
                options: ProbeOptions(
                    vendorCalls: VendorCallOptions(
                        libraries: [library], functions: ["no_such_function", "usleep"], thresholdSeconds: 0.1))))
        let runner = ProbeRunner(probes: [probe])
        try await runner.start()
        try #require(probe.status().state == .attached, "\(probe.status())")
        let collector = HostCollector(runner)
        let thread = try WorkerThread(name: "long-call") {
            for microseconds: UInt32 in [1, 200_000, 1] { usleep(microseconds) }
        }
        #expect(await eventually { !collector.events.isEmpty })
        thread.join()
        await runner.stop()
        let event = try #require(collector.events.first)
        #expect(event.kind == .vendorCall && event.codes == ["usleep"] && event.processName == "long-call")
        #expect((event.amount ?? 0) >= 0.2)
        if Procfs(root: .real).isInitialPIDNamespace { #expect(event.pid == getpid()) }
        print("attached: uprobe, uretprobe")
    }

    @Test func `a library without the functions leaves the probe unavailable, with the reason`() async throws {
        for library in ["/proc/self/exe", "/nonexistent.so", "/etc/passwd"] {
            let probe = try #require(
                EventProbe<VendorCalls>(options: ProbeOptions(vendorCalls: VendorCallOptions(libraries: [library]))))
            let runner = ProbeRunner(probes: [probe])
            try await runner.start()
            #expect(probe.status().state == .unavailable && probe.status().detail.count > 40, "\(probe.status())")
            await runner.stop()
        }
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

/// The probes that concern processes: a child of the test holds /dev/full, which stands for an accelerator's node.
@Suite(
    .serialized,
    .enabled(
        if: ThisKernel.takesPrograms && Procfs(root: .real).isInitialPIDNamespace,
        "skipped, because eBPF needs kernel BTF, root or CAP_BPF and CAP_PERFMON, and the host's pid namespace"))
struct HolderKernelTests {
    let options = ProbeOptions(deviceNodes: ["/dev/full"], stuckAfterSeconds: 1)
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    /// A shell that holds the node and waits for a line in a FIFO, then ends with 7.
    private func holder() throws -> Child {
        let fifo = directory.file("fifo")
        try #require(mkfifo(fifo, 0o600) == 0 || errno == EEXIST)
        return try Child(["/bin/sh", "-c", "exec 9</dev/full; read line <\(fifo); exit 7"])
    }

    @Test func `the iterator and procfs find the same holder`() async throws {
        let child = try holder()
        let source = DeviceHolders(options: options)
        var events: [HostEvent] = []
        #expect(
            await eventually {
                events += source.look().hostEvents
                return options.holders[child.pid] != nil
            })
        let look = source.look()
        #expect(look.coverage == .iterates("the open files of all processes"), "\(look)")
        let event = try #require(events.first { $0.pid == child.pid })
        #expect(event.kind == .holderFound && event.devicePaths == ["/dev/full"] && event.seen.via == .bpf)
        let node = try #require(DeviceNodes.list(root: .real, extra: ["/dev/full"]).first { $0.path == "/dev/full" })
        #expect(HolderFiles(root: .real).look([node]).holders[child.pid] == options.holders[child.pid])
        child.signal(SIGKILL)
        #expect(await eventually { child.hasEnded })
        #expect(source.look().hostEvents.contains { $0.kind == .holderGone && $0.pid == child.pid })
        print("attached: iter/task_file")
    }

    private func found(_ child: Child, by source: DeviceHolders) async -> Bool {
        await eventually {
            _ = source.look()
            return options.holders[child.pid] != nil
        }
    }

    @Test func `holders' signals and ends are told, an end with its exit code, and nobody else's`() async throws {
        let crashing = try holder()
        let ending = try holder()
        let other = try Child(["/bin/sh", "-c", "read line <\(directory.file("fifo"))"])
        let source = DeviceHolders(options: options)
        #expect(await found(crashing, by: source))
        #expect(await found(ending, by: source))
        let runner = try await running()
        let collector = HostCollector(runner)
        other.signal(SIGSEGV)
        #expect(await eventually { other.hasEnded })
        crashing.signal(SIGSEGV)
        #expect(await eventually { collector.events.count { $0.pid == crashing.pid } == 2 })
        let crash = collector.events.filter { $0.pid == crashing.pid }
        #expect(Set(crash.map(\.kind)) == [.holderSignal, .holderExit])
        #expect(crash.allSatisfy { $0.signal == SIGSEGV && $0.seen.via == .bpf && $0.devicePaths == ["/dev/full"] })
        try KernelFile.text("line\n", to: directory.file("fifo"))
        #expect(await eventually { collector.events.contains { $0.pid == ending.pid } })
        #expect(collector.events.last { $0.pid == ending.pid }?.exitCode == 7)
        #expect(!collector.events.contains { $0.pid == other.pid })
        await runner.stop()
        print("attached: sched:sched_process_exit, signal:signal_generate")
    }

    @Test func `the programs themselves leave out who holds nothing`() async throws {
        for (program, bytes) in [
            (ThisKernel.Program(HolderExits.self), MemoryLayout<hcs_exit_event>.size),
            (ThisKernel.Program(HolderSignals.self), MemoryLayout<hcs_signal_event>.size),
        ] {
            // The pid follows the time in both.
            var pids: [UInt32] = []
            let object = try program.load { raw in
                #expect(raw.count == bytes)
                pids.append(raw.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            }
            try object.attach(to: program.tracepoint)
            let other = try holder()
            let marked = try holder()
            try #require(object.mark(UInt32(marked.pid), in: "holders", true))
            for child in [other, marked] {
                child.signal(SIGTERM)
                #expect(await eventually { child.hasEnded })
            }
            object.consume()
            #expect(pids == [UInt32(marked.pid)])
        }
    }

    @Test func `a holder that came after the programs is watched too`() async throws {
        let runner = try await running()
        let collector = HostCollector(runner)
        let fifo = directory.file("fifo")
        try #require(mkfifo(fifo, 0o600) == 0)
        let late = try Child(["/bin/sh", "-c", "trap : TERM; exec 9</dev/full; while :; do read line <\(fifo); done"])
        #expect(await found(late, by: DeviceHolders(options: options)))
        #expect(
            await eventually(every: .milliseconds(100)) {
                late.signal(SIGTERM)
                return collector.events.contains { $0.pid == late.pid && $0.signal == SIGTERM }
            })
        await runner.stop()
    }

    private func running() async throws -> ProbeRunner {
        let runner = ProbeRunner(probes: [
            try #require(EventProbe<HolderExits>(options: options)),
            try #require(EventProbe<HolderSignals>(options: options)),
        ])
        try await runner.start()
        for status in runner.statuses() { try #require(status.state == .attached, "\(status)") }
        return runner
    }

    @Test func `a thread that cannot be interrupted is told of by the iterator and by procfs`() async throws {
        let node = try Descriptor.open("/dev/full", O_RDONLY)
        let stuck = try UninterruptibleThread(directory)
        let source = DeviceHolders(options: options)
        _ = source.look()
        try #require(options.holders[getpid()]?.files[node.number] == "/dev/full")
        var twinOptions = options
        twinOptions.useBPF = false
        let iterating = StuckCalls(options: options)
        let reading = StuckCalls(options: twinOptions)
        for (source, via) in [(iterating, Sighting.Source.bpf), (reading, .polling)] {
            var found: HostEvent?
            #expect(
                await eventually {
                    found = source.look().hostEvents.first { $0.pid == getpid() && $0.severity != .info }
                    return found != nil
                })
            #expect(found?.kind == .stuckCall && found?.devicePaths.contains("/dev/full") == true)
            #expect((found?.amount ?? 0) >= 1 && found?.seen.via == via)
        }
        stuck.release()
        print("attached: iter/task")
    }

    @Test func `a call on a device is told of while it lasts and when it ends, and nobody else's is`() async throws {
        // A FIFO stands for the node; a shell that has it open to read and write waits in a read of it.
        let device = directory.file("device")
        let gate = directory.file("gate")
        for path in [device, gate] { try #require(mkfifo(path, 0o600) == 0) }
        let child = try Child(["/bin/sh", "-c", "exec 8<>\(device); read line <\(gate); read line <&8; exit 0"])
        let other = try Child(["/bin/sh", "-c", "exec 8<>\(device); read line <&8"])
        var options = self.options
        options.timesDeviceCalls = true
        options.stuckAfterSeconds = 0.5
        // As `device-holders` would find it in the last read: the shell makes 8 its standard input for that.
        let files: [Int32: String] = [0: device, 8: device]
        options.holders.replace([
            child.pid: DeviceHolder(pid: child.pid, startTime: 0, name: "sh", files: files, addresses: [:])
        ])
        let probe = try #require(EventProbe<DeviceCalls>(options: options))
        let runner = ProbeRunner(probes: [probe])
        try await runner.start()
        try #require(probe.status().state == .attached, "\(probe.status())")
        let collector = HostCollector(runner)
        func told(_ words: String) -> Bool { collector.events.contains { $0.message.contains(words) } }
        try KernelFile.text("go\n", to: gate)
        #expect(await eventually { told("is in system call") })
        other.signal(SIGKILL)
        #expect(await eventually { other.hasEnded })
        try KernelFile.text("line\n", to: device)
        #expect(await eventually { told("came back from system call") })
        for event in collector.events {
            #expect(event.kind == .stuckCall && event.pid == child.pid && event.devicePaths == [device])
            #expect(event.seen.via == .bpf && event.severity == .info && (event.amount ?? 0) >= 0.5)
        }
        #expect(await eventually { child.hasEnded })
        await runner.stop()
        print("attached: raw_syscalls:sys_enter, raw_syscalls:sys_exit")
    }
}

/// A thread of this process in state D: its child shares its memory and waits for a FIFO before it becomes another program,
/// and meanwhile the kernel lets the thread not run (CLONE_VFORK).
final class UninterruptibleThread: Sendable {
    private let fifo: String
    private let thread: WorkerThread

    init(_ directory: TemporaryDirectory) throws {
        let fifo = directory.file("gate")
        try #require(mkfifo(fifo, 0o600) == 0)
        self.fifo = fifo
        thread = try WorkerThread(name: "stuck") {
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0)
            var child: pid_t = 0
            var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/true"), nil]
            if posix_spawn(&child, "/bin/true", &actions, nil, &arguments, environ) == 0 { waitpid(child, nil, 0) }
            free(arguments[0])
            posix_spawn_file_actions_destroy(&actions)
        }
    }

    deinit { release() }

    /// Lets the child through and waits for the thread; nothing the second time.
    func release() {
        let gate = open(fifo, O_RDWR | O_CLOEXEC)
        thread.join()
        close(gate)
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
        // Whoever runs the tests may block or ignore signals; a shell cannot catch what it was started to ignore.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        try #require(posix_spawn(&started, words[0], nil, &attributes, &arguments, environ) == 0)
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
            await runner.read { events in
                for case .host(let event) in events { self?.seen.withLock { $0.append(event) } }
            }
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
        Program(FirmwareRecords.self), Program(OutOfMemoryKills.self), Program(HolderExits.self),
        Program(HolderSignals.self), Program(ThermalTrips.self), Program(DeviceCalls.self),
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
