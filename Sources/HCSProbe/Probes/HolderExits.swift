internal import CHCSProbe
internal import HCSSystem

/// The end of processes that hold a device: the tracepoint sched:sched_process_exit, or procfs.
struct HolderExits: EventSource {
    static let name = "holder-exits"
    static let tracepoint: String? = "sched:sched_process_exit"
    static let program: StaticString? = EmbeddedPrograms.holderExit
    static let interval: Int32 = 1000
    static let refreshInterval: Int32 = 1000

    private let root: HostRoot
    private let table: HolderTable
    private var filter = HolderFilter()
    /// Known to live at the last look.
    private var watched: [Int32: DeviceHolder] = [:]

    init(options: ProbeOptions) {
        root = options.root
        table = options.holders
    }

    // MARK: Program

    mutating func refresh(_ object: BPFObject) -> [ProbeEvent] {
        filter.apply(table, to: object)
        return []
    }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_exit_event.self), let pid = Int32(exactly: event.pid),
            let holder = table[pid]
        else { return nil }
        let signal = Int32(event.code & 0x7f)
        return Self.event(
            holder, .program(atNanoseconds: event.ktime_ns), signal: signal == 0 ? nil : signal,
            exitCode: signal == 0 ? Int32(event.code >> 8 & 0xff) : nil)
    }

    private static func event(_ holder: DeviceHolder, _ seen: Sighting, signal: Int32?, exitCode: Int32?) -> ProbeEvent
    {
        let how =
            signal.map { " by \(DeadlySignal.name($0))" } ?? exitCode.map { " with exit code \($0)" } ?? ""
        return .host(
            HostEvent(
                .holderExit, seen: seen, severity: signal.map(DeadlySignal.isCrash) == true ? .warning : .info,
                accelerators: holder.accelerators(), devicePaths: holder.paths, pid: holder.pid,
                processName: holder.name, signal: signal, exitCode: exitCode, message: "\(holder.words), ended\(how)"))
    }

    // MARK: Files

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let procfs = Procfs(root: root)
        var now = table.holders
        var events: [ProbeEvent] = []
        for (pid, holder) in watched.merging(now, uniquingKeysWith: { $1 }).sorted(by: { $0.key < $1.key })
        where !procfs.isAlive(pid: pid, startTime: holder.startTime) {
            if watched[pid] != nil { events.append(Self.event(holder, seen, signal: nil, exitCode: nil)) }
            now[pid] = nil
        }
        watched = now
        return FileLook(events: events, coverage: .reads("/proc/PID/stat of processes that hold a device"))
    }
}

/// Signals that end a process.
enum DeadlySignal {
    /// As bpf/holder_signal.bpf.c has them.
    static let names: [Int32: String] = [
        4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM", 31: "SIGSYS",
    ]

    static func name(_ signal: Int32) -> String { names[signal] ?? "signal \(signal)" }

    /// Of the process's own making, or the driver's: nobody asked it to end.
    static func isCrash(_ signal: Int32) -> Bool { names[signal] != nil && signal != 9 && signal != 15 }
}
