internal import HCSSystem

/// How long all tasks stood still for want of memory or I/O (PSI, Documentation/accounting/psi.rst). What waits for a
/// processor is not told: a host at work has that.
struct Pressure: EventSource {
    static let name = "pressure"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var limits = LimitWatch<String>()

    init(options: ProbeOptions) { root = options.root }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    /// Percent of the last ten seconds.
    private static let resources: [(name: String, limit: Double)] = [("memory", 10), ("io", 50)]

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        var events: [ProbeEvent] = []
        var read: [String] = []
        for resource in Self.resources {
            guard let text = try? SmallFile.text(root.path("/proc/pressure/\(resource.name)"), limit: 4096),
                let share = Self.fullShare(text)
            else { continue }
            read.append("/proc/pressure/\(resource.name)")
            // Told again only after it has fallen to half.
            guard limits.passes(resource.name, share, limit: resource.limit, back: resource.limit / 2) else { continue }
            events.append(
                .host(
                    HostEvent(
                        .pressure, seen: seen, severity: .warning, amount: share, codes: [resource.name],
                        message: "all tasks stood still for want of \(resource.name) \(Int(share)) % of ten seconds")))
        }
        guard !read.isEmpty else {
            return FileLook(coverage: .nothing("no /proc/pressure (kernel without CONFIG_PSI, or booted with psi=0)"))
        }
        return FileLook(events: events, coverage: .reads(read.joined(separator: ", ")))
    }

    /// Of the line `full avg10=0.12 avg60=...`: 0 to 100.
    static func fullShare(_ text: String) -> Double? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("full ") }),
            let word = line.split(separator: " ").first(where: { $0.hasPrefix("avg10=") }),
            let share = Double(word.dropFirst(6)), (0...100).contains(share)
        else { return nil }
        return share
    }
}
