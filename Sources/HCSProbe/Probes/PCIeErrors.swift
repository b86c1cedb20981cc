internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// PCIe errors of accelerators and of the ports above them: the tracepoint ras:aer_event, or the counters that sysfs has
/// of each function (Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats; readable by everyone).
struct PCIeErrors: EventSource {
    static let name = "pcie-errors"
    static let tracepoint: String? = "ras:aer_event"
    static let program: StaticString? = EmbeddedPrograms.pcieError
    static let interval: Int32 = 5000

    /// Listing the bus reads two files of each of its functions: neither a storm of another device's errors nor each look
    /// may do it all the time.
    private static let listEvery: UInt64 = 10_000_000_000
    /// Functions whose counters the last look read.
    private var readable: Set<PCIAddress> = []

    private let root: HostRoot
    private var paths: AcceleratorPaths
    private var listedAt: UInt64
    private var counters = CounterWatch<Counter>()

    private struct Counter: Hashable {
        var address: PCIAddress
        var severity: AERStatus.Severity
        var error: String
    }

    init(options: ProbeOptions) {
        root = options.root
        // Before the first error: a card that falls off the bus is not listed any more.
        paths = AcceleratorPaths(root: root)
        listedAt = MonotonicClock.nowNanoseconds()
    }

    // MARK: Program

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_pcie_event.self), let severity = AERStatus.Severity(event.severity),
            let address = PCIAddress(Self.text(event.device))
        else { return nil }
        let below = accelerators(at: address)
        guard !below.isEmpty else { return nil }
        return Self.event(
            .program(atNanoseconds: event.ktime_ns), address, severity, count: 1,
            names: AERStatus.names(of: event.status, severity), accelerators: below)
    }

    private mutating func accelerators(at address: PCIAddress) -> [PCIAddress] {
        let now = MonotonicClock.nowNanoseconds()
        if paths.accelerators[address] == nil, now - min(listedAt, now) >= Self.listEvery {
            listedAt = now
            paths.add(AcceleratorPaths(root: root))
        }
        return paths.accelerators(at: address)
    }

    private static func event(
        _ seen: Sighting, _ address: PCIAddress, _ severity: AERStatus.Severity, count: UInt64, names: [String],
        accelerators: [PCIAddress]
    ) -> ProbeEvent {
        let what = names.isEmpty ? "" : ": \(names.joined(separator: ", "))"
        return .host(
            HostEvent(
                .pcieError, seen: seen, severity: severity.severity, count: count, pci: address,
                accelerators: accelerators, codes: names,
                message: "\(severity.words) PCIe error at \(address)\(what)"))
    }

    // MARK: Files

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let now = MonotonicClock.nowNanoseconds()
        if readable.isEmpty || now - min(listedAt, now) >= Self.listEvery { list(at: now) }
        var events: [ProbeEvent] = []
        var read: Set<PCIAddress> = []
        for address in paths.accelerators.keys.sorted(by: { $0.description < $1.description }) {
            for severity in AERStatus.Severity.allCases {
                guard let values = counterFile(of: address, severity) else { continue }
                read.insert(address)
                let (total, names) = grown(values, at: address, severity)
                guard total > 0 else { continue }
                events.append(
                    Self.event(
                        seen, address, severity, count: total, names: names,
                        accelerators: paths.accelerators(at: address)))
            }
        }
        // Some have gone.
        if !readable.isSubset(of: read) { list(at: now) }
        readable = read
        counters.keep { paths.accelerators[$0.address] != nil }
        guard !read.isEmpty else {
            let why =
                paths.accelerators.isEmpty
                ? "no accelerator on the PCI bus" : "no PCIe error counters in sysfs (kernel without CONFIG_PCIEAER)"
            return FileLook(coverage: .nothing(why))
        }
        return FileLook(
            events: events,
            coverage: .reads("PCIe error counters of \(read.count) function\(read.count == 1 ? "" : "s")"))
    }

    private mutating func list(at now: UInt64) {
        listedAt = now
        paths = AcceleratorPaths(root: root)
    }

    private mutating func grown(
        _ values: [(name: String, count: UInt64)], at address: PCIAddress, _ severity: AERStatus.Severity
    ) -> (total: UInt64, names: [String]) {
        var total: UInt64 = 0
        var names: [String] = []
        for (name, count) in values {
            let growth = counters.growth(of: Counter(address: address, severity: severity, error: name), to: count)
            guard growth > 0 else { continue }
            total = total.saturatingAdd(growth)
            names.append(name)
        }
        return (total, names)
    }

    private func counterFile(of address: PCIAddress, _ severity: AERStatus.Severity) -> [(name: String, count: UInt64)]?
    {
        (try? SmallFile.text(root.path("/sys/bus/pci/devices/\(address)/\(severity.counterFile)"), limit: 64 << 10))
            .map(Self.parse)
    }

    /// Lines `BadTLP 3`; the sum at the end (`TOTAL_ERR_COR`) and whatever is not of this form are left out.
    static func parse(_ text: String) -> [(name: String, count: UInt64)] {
        text.split(separator: "\n").prefix(64).compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, !words[0].hasPrefix("TOTAL_"), words[0].utf8.count <= 32,
                let count = UInt64(words[1])
            else { return nil }
            return (PrintableText.of(words[0].utf8), count)
        }
    }
}
