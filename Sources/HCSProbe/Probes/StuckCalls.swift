internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Threads of processes that hold a device and do not come back from a system call: an iterator over the tasks, or
/// /proc/PID/task.
final class StuckCalls: EventSource {
    static let name = "stuck-calls"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 5000

    private let options: ProbeOptions
    private let iterator: TaskIterator?
    private let reason: String?
    private var watch: StuckCallWatch

    init(options: ProbeOptions) {
        self.options = options
        watch = StuckCallWatch(after: options.stuckAfterSeconds, interruptible: false)
        do throws(ProbeError) {
            (iterator, reason) = (try TaskIterator(options: options), nil)
        } catch {
            (iterator, reason) = (nil, error.message)
        }
    }

    func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    func look() -> FileLook {
        let holders = options.holders.holders
        var reason = self.reason
        var coverage = FileLook.Coverage.reads("/proc/PID/task of processes that hold a device")
        var looks: [StuckCallWatch.Look] = []
        if let iterator {
            do throws(ProbeError) {
                looks = try iterator.look(options.holders)
                coverage = .iterates("the tasks of processes that hold a device")
            } catch { reason = error.message }
        }
        if case .reads = coverage { looks = TaskFiles(root: options.root).look(holders) }
        let findings = watch.judge(looks, at: MonotonicClock.nowNanoseconds(), holders: holders)
        var seen = Sighting.polling()
        if iterator != nil { seen.via = .bpf }
        return FileLook(
            events: findings.map { Self.event($0, holders[$0.look.pid], seen: seen, root: options.root) },
            coverage: coverage, reason: reason)
    }

    static func event(
        _ finding: StuckCallWatch.Finding, _ holder: DeviceHolder?, seen: Sighting, root: HostRoot
    ) -> ProbeEvent {
        let look = finding.look
        let call = look.call.map { "system call \($0)" } ?? "a system call"
        let place = finding.path.map { " on \($0)" } ?? ""
        let channel = TaskFiles(root: root).waitChannel(pid: look.pid, thread: look.thread)
        let manner = look.state == .uninterruptible ? ", not to be interrupted" : ""
        let whose = holder?.words ?? "\(look.name) (pid \(look.pid))"
        return .host(
            HostEvent(
                .stuckCall, seen: seen, severity: finding.severity,
                accelerators: holder?.accelerators(of: finding.path.map { [$0] }) ?? [],
                devicePaths: finding.path.map { [$0] } ?? holder?.paths ?? [], pid: look.pid, processName: look.name,
                amount: finding.seconds, codes: channel.map { [$0] } ?? [],
                message:
                    "thread \(look.thread) of \(whose), is in \(call)\(place) for \(Int(min(finding.seconds, 1e9))) s\(manner)"
            ))
    }
}

/// The threads as the iterator task finds them.
private final class TaskIterator {
    private let inbox = Inbox()
    private let object: BPFObject
    private var filter = HolderFilter()

    private final class Inbox {
        var tasks: [hcs_task_look] = []
    }

    init(options: ProbeOptions) throws(ProbeError) {
        guard options.useBPF else { throw ProbeError(.noProgram, "eBPF switched off") }
        guard Procfs(root: options.root).isInitialPIDNamespace else {
            throw ProbeError(.noProgram, "the kernel's pids are not those of this pid namespace")
        }
        object = try BPFObject(
            hexadecimal: EmbeddedPrograms.stuckCall, tracepoint: "iter/task", root: options.root,
            handler: { [inbox] bytes in
                if let task = StuckCalls.read(bytes, as: hcs_task_look.self) { inbox.tasks.append(task) }
            })
        try object.attach(to: "iter/task")
    }

    func look(_ table: HolderTable) throws(ProbeError) -> [StuckCallWatch.Look] {
        filter.apply(table, to: object)
        inbox.tasks.removeAll(keepingCapacity: true)
        // Without holders the walk would find nothing.
        guard !table.holders.isEmpty else { return [] }
        try object.iterate(hcs_task_look.self)
        return inbox.tasks.compactMap(Self.look)
    }

    private static func look(_ task: hcs_task_look) -> StuckCallWatch.Look? {
        guard let pid = Int32(exactly: task.pid), let thread = Int32(exactly: task.thread) else { return nil }
        let state: StuckCallWatch.Look.State =
            switch task.state {
            case HCS_TASK_UNINTERRUPTIBLE.rawValue: .uninterruptible
            case HCS_TASK_SLEEPING.rawValue: .sleeping
            default: .other
            }
        return StuckCallWatch.Look(
            pid: pid, thread: thread, state: state, call: task.call < 0 ? nil : task.call,
            firstArgument: task.first, secondArgument: task.second, switches: task.switches,
            name: StuckCalls.text(task.name))
    }
}

/// The threads as /proc/PID/task shows them (proc_pid_stat(5), proc_pid_syscall(5)).
struct TaskFiles {
    let root: HostRoot

    /// Threads that one look reads at most, all processes together.
    private static let limit = 1 << 14

    func look(_ holders: [Int32: DeviceHolder]) -> [StuckCallWatch.Look] {
        var looks: [StuckCallWatch.Look] = []
        for pid in holders.keys.sorted() where looks.count < Self.limit {
            let threads = DirectoryWalk.names(in: root.path("/proc/\(pid)/task"), limit: Self.limit - looks.count)
            looks += threads.compactMap { Int32($0) }.compactMap { look(pid: pid, thread: $0) }
        }
        return looks
    }

    /// nil for a thread that is gone, or that runs.
    func look(pid: Int32, thread: Int32) -> StuckCallWatch.Look? {
        let directory = root.path("/proc/\(pid)/task/\(thread)")
        guard let bytes = try? SmallFile.read("\(directory)/stat", limit: 64 << 10),
            let stat = ProcessStat(parsing: bytes)
        else { return nil }
        let state: StuckCallWatch.Look.State =
            switch stat.state {
            case "D": .uninterruptible
            case "S": .sleeping
            default: .other
            }
        // One that runs is in no call for long.
        guard state != .other else { return nil }
        let call = (try? SmallFile.text("\(directory)/syscall", limit: 4096)).flatMap(Self.parseCall)
        return StuckCallWatch.Look(
            pid: pid, thread: thread, state: state, call: call?.number, firstArgument: call?.first ?? 0,
            secondArgument: call?.second ?? 0,
            switches: Self.switches((try? SmallFile.text("\(directory)/status", limit: 64 << 10)) ?? ""),
            name: PrintableText.of(stat.name.utf8, limit: 16))
    }

    /// `16 0x3 0xc020462a 0x7ffd... stack ip`; nil for `running` and for -1, which is in no call.
    static func parseCall(_ text: String) -> (number: Int32, first: UInt64, second: UInt64)? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count >= 3, let number = Int32(words[0]), number >= 0, let first = hexadecimal(words[1]),
            let second = hexadecimal(words[2])
        else { return nil }
        return (number, first, second)
    }

    private static func hexadecimal(_ word: Substring) -> UInt64? {
        word.hasPrefix("0x") ? UInt64(word.dropFirst(2), radix: 16) : nil
    }

    static func switches(_ status: String) -> UInt64 {
        status.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix("voluntary_ctxt_switches:") || line.hasPrefix("nonvoluntary_ctxt_switches:"),
                let value = line.split(whereSeparator: \.isWhitespace).last.flatMap({ UInt64($0) })
            else { return sum }
            return sum.saturatingAdd(value)
        }
    }

    /// The kernel's function that it waits in; nil where that is hidden.
    func waitChannel(pid: Int32, thread: Int32) -> String? {
        guard let bytes = try? SmallFile.read(root.path("/proc/\(pid)/task/\(thread)/wchan"), limit: 4096) else {
            return nil
        }
        let name = PrintableText.of(bytes, limit: 64)
        return name.isEmpty || name == "0" ? nil : name
    }
}
