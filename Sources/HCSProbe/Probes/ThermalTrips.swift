internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Thermal zones that pass a trip point: the tracepoint thermal:thermal_zone_trip, or the zones in sysfs
/// (Documentation/driver-api/thermal/sysfs-api.rst).
struct ThermalTrips: EventSource {
    static let name = "thermal-trips"
    static let tracepoint: String? = "thermal:thermal_zone_trip"
    static let program: StaticString? = EmbeddedPrograms.thermalTrip
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var limits = LimitWatch<Trip>()

    private struct Trip: Hashable {
        var zone: String
        var number: Int
    }

    init(options: ProbeOptions) { root = options.root }

    // MARK: Program

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_thermal_event.self), let kind = Kind(event.trip) else { return nil }
        return Self.event(
            .program(atNanoseconds: event.ktime_ns), kind, zone: "thermal_zone\(event.zone)",
            type: Self.text(event.type), celsius: Self.celsius(Int64(event.temperature)))
    }

    private enum Kind: String {
        case active, passive, hot, critical

        init?(_ code: UInt32) {
            switch code {
            case HCS_TRIP_ACTIVE.rawValue: self = .active
            case HCS_TRIP_PASSIVE.rawValue: self = .passive
            case HCS_TRIP_HOT.rawValue: self = .hot
            case HCS_TRIP_CRITICAL.rawValue: self = .critical
            default: return nil
            }
        }

        var severity: HostEvent.Severity {
            switch self {
            case .active: .info
            case .passive: .warning
            case .hot: .error
            case .critical: .fatal
            }
        }
    }

    private static func event(
        _ seen: Sighting, _ kind: Kind, zone: String, type: String, celsius: Double?
    ) -> ProbeEvent {
        let reading = celsius.map { " at \(Int($0)) degrees Celsius" } ?? ""
        return .host(
            HostEvent(
                .thermalTrip, seen: seen, severity: kind.severity, amount: celsius, codes: [kind.rawValue],
                message: "\(zone) (\(type)) passed its \(kind.rawValue) trip point\(reading)"))
    }

    /// From thousandths; nil for what is no temperature, such as the largest number of a sensor that does not work.
    static func celsius(_ thousandths: Int64) -> Double? {
        (-274_000...1_000_000).contains(thousandths) ? Double(thousandths) / 1000 : nil
    }

    // MARK: Files

    private static let zoneLimit = 1024
    private static let tripLimit = 32

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let directory = root.path("/sys/class/thermal")
        let zones = DirectoryWalk.names(in: directory, limit: 1 << 16)
            .filter { $0.hasPrefix("thermal_zone") }.sorted().prefix(Self.zoneLimit)
        var events: [ProbeEvent] = []
        for zone in zones {
            let path = "\(directory)/\(zone)"
            guard let celsius = SmallNumber.read("\(path)/temp", as: Int64.self).flatMap(Self.celsius) else { continue }
            for number in 0..<Self.tripLimit {
                guard
                    let kind = (try? SmallFile.text("\(path)/trip_point_\(number)_type", limit: 4096))
                        .flatMap({ Kind(rawValue: String($0.prefix { $0 != "\n" })) })
                else { break }
                // A trip at 0 degrees or below is one that is switched off.
                guard let limit = temperature("\(path)/trip_point_\(number)_temp"), limit > 0 else { continue }
                let back = temperature("\(path)/trip_point_\(number)_hyst") ?? 0
                guard limits.passes(Trip(zone: zone, number: number), celsius, limit: limit, back: max(back, 1)) else {
                    continue
                }
                let type = (try? SmallFile.read("\(path)/type", limit: 4096)) ?? []
                events.append(
                    Self.event(
                        seen, kind, zone: PrintableText.of(zone.utf8, limit: 32),
                        type: PrintableText.of(type.prefix { $0 != 0x0a }, limit: 20), celsius: celsius))
            }
        }
        limits.keep { zones.contains($0.zone) }
        guard !zones.isEmpty else { return FileLook(coverage: .nothing("no thermal zone in \(directory)")) }
        return FileLook(
            events: events, coverage: .reads("\(zones.count) thermal zone\(zones.count == 1 ? "" : "s")"))
    }

    private func temperature(_ file: String) -> Double? {
        SmallNumber.read(file, as: Int64.self).flatMap(Self.celsius)
    }
}
