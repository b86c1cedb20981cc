internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// System calls on vendors' devices that take long, each timed from its entry: raw tracepoints that every system call of the
/// host runs through, so only where it was asked for. By polling, what the threads of holders are in.
struct DeviceCalls: EventSource {
    static let name = "device-calls"
    static let tracepoint: String? = "raw_syscalls:sys_enter"
    static let program: StaticString? = EmbeddedPrograms.deviceCall
    static let interval: Int32 = 5000
    static let refreshInterval: Int32 = 1000

    private let root: HostRoot
    private let table: HolderTable
    private let after: Double
    private var generation: UInt64?
    private var marked: Set<UInt64> = []
    private var told = DeviceCallWatch()
    private var twin: StuckCallWatch

    init(options: ProbeOptions) {
        root = options.root
        table = options.holders
        after = options.stuckAfterSeconds
        twin = StuckCallWatch(after: options.stuckAfterSeconds, interruptible: true)
    }

    // MARK: Program

    func attach(_ object: BPFObject) throws(ProbeError) {
        guard Procfs(root: root).isInitialPIDNamespace else {
            throw ProbeError(.noProgram, "the kernel's pids are not those of this pid namespace")
        }
        guard object.set(UInt64(min(max(after, 0), 86_400) * 1e9), in: "threshold_ns") else {
            throw ProbeError(.rejected, "could not set the threshold of the calls' program")
        }
        try object.attach(to: "raw_syscalls:sys_enter")
    }

    mutating func refresh(_ object: BPFObject) -> [ProbeEvent] {
        filter(object)
        guard !marked.isEmpty else { return [] }
        let calls = object.values(of: "calls", as: hcs_device_call.self, limit: Int(HCS_CALL_LIMIT))
        let now = MonotonicClock.nowNanoseconds()
        return told.due(
            calls.map { .init(thread: $0.thread, enteredNanoseconds: $0.entered_ns) }, at: now, after: after
        )
        .compactMap { event(calls[$0.index], $0.seconds) }
    }

    /// Keeps the program's map `files` as the holders are.
    private mutating func filter(_ object: BPFObject) {
        let current = table.generation
        guard current != generation else { return }
        generation = current
        var wanted: Set<UInt64> = []
        for (pid, holder) in table.holders {
            for descriptor in holder.files.keys where wanted.count < Int(HCS_FILE_LIMIT) {
                wanted.insert(UInt64(UInt32(bitPattern: pid)) << 32 | UInt64(UInt32(bitPattern: descriptor)))
            }
        }
        for key in marked.subtracting(wanted) { _ = object.mark(key, in: "files", false) }
        for key in wanted.subtracting(marked) { _ = object.mark(key, in: "files", true) }
        marked = wanted
    }

    /// One that lasts.
    private func event(_ call: hcs_device_call, _ seconds: Double) -> ProbeEvent? {
        guard let look = look(call) else { return nil }
        let holder = table[look.pid]
        let finding = StuckCallWatch.Finding(
            look: look, seconds: seconds, severity: StuckCallWatch.severity(look.state, seconds, after: after),
            path: holder?.files[Int32(bitPattern: call.fd)])
        var seen = Sighting.polling()
        seen.via = .bpf
        return StuckCalls.event(finding, holder, seen: seen, root: root)
    }

    /// One that ended.
    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let call = Self.read(bytes, as: hcs_device_call.self), call.left_ns >= call.entered_ns,
            let look = look(call)
        else { return nil }
        let holder = table[look.pid]
        let path = holder?.files[Int32(bitPattern: call.fd)]
        let seconds = Double(call.left_ns - call.entered_ns) / 1e9
        let whose = holder?.words ?? "\(look.name) (pid \(look.pid))"
        return .host(
            HostEvent(
                .stuckCall, seen: .program(atNanoseconds: call.left_ns), severity: .info,
                accelerators: holder?.accelerators(of: path.map { [$0] }) ?? [],
                devicePaths: path.map { [$0] } ?? holder?.paths ?? [],
                pid: look.pid, processName: look.name, amount: seconds,
                message:
                    "thread \(look.thread) of \(whose), came back from system call \(call.call) after \(Int(seconds)) s"
            ))
    }

    private func look(_ call: hcs_device_call) -> StuckCallWatch.Look? {
        guard let pid = Int32(exactly: call.pid), let thread = Int32(exactly: call.thread), pid > 0, thread > 0,
            let number = Int32(exactly: call.call)
        else { return nil }
        return StuckCallWatch.Look(
            pid: pid, thread: thread, state: TaskFiles(root: root).look(pid: pid, thread: thread)?.state ?? .sleeping,
            call: number, firstArgument: UInt64(call.fd), secondArgument: 0, switches: 0, name: Self.text(call.name))
    }

    // MARK: Files

    mutating func look() -> FileLook {
        let holders = table.holders
        let looks = TaskFiles(root: root).look(holders)
        let findings = twin.judge(looks, at: MonotonicClock.nowNanoseconds(), holders: holders)
        return FileLook(
            events: findings.filter { $0.path != nil }.map {
                StuckCalls.event($0, holders[$0.look.pid], seen: .polling(), root: root)
            }, coverage: .reads("/proc/PID/task of processes that hold a device"))
    }
}

/// Which calls are to be told of: when they have lasted long enough, and each time that has doubled.
struct DeviceCallWatch {
    struct Call: Hashable {
        var thread: UInt32
        var enteredNanoseconds: UInt64
    }

    /// In seconds.
    private var tellAt: [Call: Double] = [:]

    mutating func due(_ calls: [Call], at now: UInt64, after: Double) -> [(index: Int, seconds: Double)] {
        var next: [Call: Double] = [:]
        var due: [(index: Int, seconds: Double)] = []
        for (index, call) in calls.enumerated() where next[call] == nil {
            let seconds = Double(now - min(call.enteredNanoseconds, now)) / 1e9
            var at = tellAt[call] ?? after
            if seconds >= at {
                at = max(seconds * 2, after)
                due.append((index, seconds))
            }
            next[call] = at
        }
        tellAt = next
        return due
    }
}
