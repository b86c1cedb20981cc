internal import CHCSProbe
internal import HCSSystem

/// Machine checks of the processors: the tracepoint mce:mce_record, or the counts of their interrupts in
/// /proc/interrupts (the kernel has no counters of its own for them).
struct MachineChecks: EventSource {
    static let name = "machine-checks"
    static let tracepoint: String? = "mce:mce_record"
    static let program: StaticString? = EmbeddedPrograms.machineCheck
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var counters = CounterWatch<String>()

    init(options: ProbeOptions) { root = options.root }

    // MARK: Program

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_machine_check_event.self) else { return nil }
        let severity = Self.severity(status: event.status)
        let address = event.status & Status.hasAddress != 0 ? ", address 0x\(String(event.address, radix: 16))" : ""
        return .host(
            HostEvent(
                .machineCheck, seen: .program(atNanoseconds: event.ktime_ns), severity: severity,
                codes: ["0x" + String(event.status, radix: 16)],
                message: "machine check of CPU \(event.cpu), bank \(event.bank), \(Self.words(severity))\(address)"))
    }

    /// MCi_STATUS (Intel SDM volume 3B, 15.3.2.2; the deferred bit: AMD APM volume 2, 9.3.2).
    private enum Status {
        static let uncorrected: UInt64 = 1 << 61
        static let hasAddress: UInt64 = 1 << 58
        static let contextCorrupt: UInt64 = 1 << 57
        static let deferred: UInt64 = 1 << 44
    }

    static func severity(status: UInt64) -> HostEvent.Severity {
        if status & Status.uncorrected == 0 { return status & Status.deferred == 0 ? .warning : .error }
        return status & Status.contextCorrupt == 0 ? .error : .fatal
    }

    private static func words(_ severity: HostEvent.Severity) -> String {
        switch severity {
        case .info, .warning: "corrected"
        case .error: "uncorrected"
        case .fatal: "uncorrected, processor context corrupt"
        }
    }

    // MARK: Files

    /// Lines of /proc/interrupts (arch/x86/kernel/irq.c). THR also counts the interrupts of corrected errors, DFR is AMD's.
    private static let lines: [(name: String, severity: HostEvent.Severity, words: String)] = [
        ("MCE", .error, "machine check exception"), ("DFR", .error, "deferred error interrupt"),
        ("THR", .warning, "error threshold interrupt"),
    ]

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let file = root.path("/proc/interrupts")
        guard let text = try? SmallFile.text(file, limit: 16 << 20) else {
            return FileLook(coverage: .nothing("could not read \(file)"))
        }
        let sums = Self.parse(text)
        guard !sums.isEmpty else { return FileLook(coverage: .nothing("no machine check interrupts in \(file)")) }
        var events: [ProbeEvent] = []
        for line in Self.lines {
            guard let sum = sums[line.name] else { continue }
            let growth = counters.growth(of: line.name, to: sum)
            guard growth > 0 else { continue }
            events.append(
                .host(
                    HostEvent(
                        .machineCheck, seen: seen, severity: line.severity, count: growth,
                        message: line.words)))
        }
        return FileLook(events: events, coverage: .reads("machine check interrupts"))
    }

    /// Sums over the processors of the lines we know.
    static func parse(_ text: String) -> [String: UInt64] {
        var sums: [String: UInt64] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "), maxSplits: 1 << 16)
            guard let name = words.first.map({ String(decoding: $0.dropLast(), as: UTF8.self) }),
                lines.contains(where: { $0.name == name })
            else { continue }
            let counts = words.dropFirst().lazy.map { UInt64(String(decoding: $0, as: UTF8.self)) }.prefix { $0 != nil }
            sums[name] = counts.reduce(0) { $0.saturatingAdd($1 ?? 0) }
        }
        return sums
    }
}
