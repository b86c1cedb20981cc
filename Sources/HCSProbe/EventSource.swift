internal import HCSModel

/// The two forms of a probe: what its eBPF program says, and what files say where it cannot run. `EventProbe` runs it, on
/// one thread. Both forms read hostile input: a file may hold anything, vanish or be larger than a number can tell.
protocol EventSource: SendableMetatype {
    /// Stable, for status and metrics: `pcie-errors`.
    static var name: String { get }
    /// The tracepoint as the kernel calls it: `ras:aer_event`. nil: there is only `look`, which may use an iterator.
    static var tracepoint: String? { get }
    /// Of `EmbeddedPrograms`; nil where `tracepoint` is.
    static var program: StaticString? { get }
    /// Between two readings of the files, in milliseconds.
    static var interval: Int32 { get }

    init(options: ProbeOptions)

    /// Attaches the program, by default to `tracepoint`.
    func attach(_ object: BPFObject) throws(ProbeError)

    /// Called once the program is attached, and then every `refreshInterval` milliseconds (-1: never again): for what the
    /// program filters by, and what it keeps for whoever looks.
    mutating func refresh(_ object: BPFObject) -> [ProbeEvent]
    static var refreshInterval: Int32 { get }

    /// What an event of the program means; nil when it concerns no device of ours or is no such event.
    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent?

    /// What happened since the last look. Of counters the first one only learns.
    mutating func look() -> FileLook
}

/// What one reading of the files gave.
struct FileLook: Hashable, Sendable {
    enum Coverage: Hashable, Sendable {
        /// What an eBPF iterator walks over: `open files of all processes`.
        case iterates(String)
        /// What is read: `PCIe error counters of 4 functions`.
        case reads(String)
        /// Why there is nothing to read.
        case nothing(String)
    }

    var events: [ProbeEvent]
    var coverage: Coverage
    /// Of a source without a tracepoint: why there is no iterator either.
    var reason: String?

    init(events: [ProbeEvent] = [], coverage: Coverage, reason: String? = nil) {
        self.events = events
        self.coverage = coverage
        self.reason = reason
    }
}

extension EventSource {
    static var refreshInterval: Int32 { -1 }
    mutating func refresh(_ object: BPFObject) -> [ProbeEvent] { [] }

    func attach(_ object: BPFObject) throws(ProbeError) {
        if let tracepoint = Self.tracepoint { try object.attach(to: tracepoint) }
    }

    /// An event as its C type; nil when there are too few bytes.
    static func read<Event: BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, as type: Event.Type) -> Event? {
        bytes.count >= MemoryLayout<Event>.size ? bytes.loadUnaligned(as: type) : nil
    }

    /// A C string within an event, printable.
    static func text<Bytes>(_ tuple: Bytes) -> String {
        withUnsafeBytes(of: tuple) { PrintableText.of($0.prefix { $0 != 0 }) }
    }
}
