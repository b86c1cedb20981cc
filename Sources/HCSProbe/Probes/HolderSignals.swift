internal import CHCSProbe
internal import HCSSystem

/// Deadly signals on their way to processes that hold a device: the tracepoint signal:signal_generate, or those that wait in
/// /proc/PID/status because the process cannot take them (state D).
struct HolderSignals: EventSource {
    static let name = "holder-signals"
    static let tracepoint: String? = "signal:signal_generate"
    static let program: StaticString? = EmbeddedPrograms.holderSignal
    static let interval: Int32 = 5000
    static let refreshInterval: Int32 = 1000

    private let root: HostRoot
    private let table: HolderTable
    private var filter = HolderFilter()
    /// Deadly signals that waited at the last look.
    private var waiting: [Int32: UInt64] = [:]

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
        guard let event = Self.read(bytes, as: hcs_signal_event.self), let pid = Int32(exactly: event.pid),
            let signal = Int32(exactly: event.signal), DeadlySignal.names[signal] != nil, let holder = table[pid]
        else { return nil }
        return Self.event(holder, .program(atNanoseconds: event.ktime_ns), signal, "is sent")
    }

    private static func event(_ holder: DeviceHolder, _ seen: Sighting, _ signal: Int32, _ verb: String) -> ProbeEvent {
        .host(
            HostEvent(
                .holderSignal, seen: seen, severity: DeadlySignal.isCrash(signal) ? .warning : .info,
                accelerators: holder.accelerators(), devicePaths: holder.paths, pid: holder.pid,
                processName: holder.name, signal: signal,
                message: "\(holder.words), \(verb) \(DeadlySignal.name(signal))"))
    }

    // MARK: Files

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        var now: [Int32: UInt64] = [:]
        var events: [ProbeEvent] = []
        for (pid, holder) in table.holders.sorted(by: { $0.key < $1.key }) {
            guard let text = try? SmallFile.text(root.path("/proc/\(pid)/status"), limit: 64 << 10) else { continue }
            let mask = Self.pending(text)
            now[pid] = mask
            let new = mask & ~(waiting[pid] ?? 0)
            for signal in DeadlySignal.names.keys.sorted() where new >> UInt64(signal - 1) & 1 == 1 {
                events.append(Self.event(holder, seen, signal, "cannot take"))
            }
        }
        waiting = now
        return FileLook(events: events, coverage: .reads("signals that wait in /proc/PID/status"))
    }

    /// SigPnd (of the thread) and ShdPnd (of the process), in hexadecimal.
    static func pending(_ status: String) -> UInt64 {
        var mask: UInt64 = 0
        for line in status.split(separator: "\n") where line.hasPrefix("SigPnd:") || line.hasPrefix("ShdPnd:") {
            mask |= line.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) } ?? 0
        }
        return mask
    }
}
