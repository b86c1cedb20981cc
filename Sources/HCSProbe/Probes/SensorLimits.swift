internal import HCSModel
internal import HCSSystem

/// Temperature sensors of accelerators that pass a limit of their driver's (Documentation/hwmon/sysfs-interface.rst). The
/// kernel has no tracepoint for them.
struct SensorLimits: EventSource {
    static let name = "sensor-limits"
    static let tracepoint: String? = nil
    static let program: StaticString? = nil
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var limits = LimitWatch<String>()

    init(options: ProbeOptions) { root = options.root }

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

    private static let chipLimit = 1024
    private static let sensorLimit = 64
    /// Where the driver names no way back, in degrees.
    private static let usualBack = 3.0

    private static let kinds: [(name: String, severity: HostEvent.Severity)] = [
        ("max", .warning), ("crit", .error), ("emergency", .fatal),
    ]

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        // Looked for only where there is a sensor that could be theirs: that is a walk over all of the bus.
        var known: [PCIAddress: Set<PCIAddress>]?
        func isAccelerator(_ address: PCIAddress) -> Bool {
            let accelerators = known ?? AcceleratorPaths(root: root).accelerators
            known = accelerators
            return accelerators[address] != nil
        }
        let directory = root.path("/sys/class/hwmon")
        var events: [ProbeEvent] = []
        var chips = 0
        for chip in DirectoryWalk.names(in: directory, limit: Self.chipLimit).sorted() {
            guard let link = try? SmallFile.link("\(directory)/\(chip)/device"),
                let address = link.split(separator: "/").last.flatMap({ PCIAddress($0) }), isAccelerator(address)
            else { continue }
            chips += 1
            for number in 1...Self.sensorLimit {
                let sensor = "\(directory)/\(chip)/temp\(number)"
                guard let celsius = temperature("\(sensor)_input") else { continue }
                for kind in Self.kinds where passes("\(sensor)_\(kind.name)", celsius) {
                    let label = (try? SmallFile.read("\(sensor)_label", limit: 4096)) ?? []
                    let name = PrintableText.of(label.prefix { $0 != 0x0a }, limit: 32)
                    events.append(
                        .host(
                            HostEvent(
                                .thermalTrip, seen: seen, severity: kind.severity, pci: address,
                                accelerators: [address], amount: celsius, codes: [kind.name],
                                message:
                                    "sensor \(name.isEmpty ? "temp\(number)" : name) of \(address) passed its limit \(kind.name) at \(Int(celsius)) degrees Celsius"
                            )))
                }
            }
        }
        guard chips > 0 else { return FileLook(coverage: .nothing("no sensors of an accelerator in \(directory)")) }
        return FileLook(events: events, coverage: .reads("the sensors of \(chips) accelerator\(chips == 1 ? "" : "s")"))
    }

    private mutating func passes(_ file: String, _ celsius: Double) -> Bool {
        guard let limit = temperature(file), limit > 0 else { return false }
        let back = temperature("\(file)_hyst").map { limit - $0 } ?? Self.usualBack
        return limits.passes(file, celsius, limit: limit, back: max(back, 1))
    }

    private func temperature(_ file: String) -> Double? {
        SmallNumber.read(file, as: Int64.self).flatMap(ThermalTrips.celsius)
    }
}
