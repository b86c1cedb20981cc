/// What one pass over a device measured. A value the library did not give, or that was not plausible, is absent.
package struct DeviceSample: Hashable, Sendable, Codable {
    /// What the vendor's own health call says.
    package enum VendorHealth: String, Codable, Hashable, Sendable, CaseIterable { case good, warning, critical, lost }

    /// Device memory in use by everybody, as the driver counts it (without what the driver keeps for itself, where it tells).
    package var memoryUsed: ByteCount?
    package var vendorHealth: VendorHealth?
    /// Error codes that the vendor's own health call names now.
    package var faultCodes: [UInt64]
    package var signals: SignalReadings
    /// Memory by process, as the driver counts it; host pids.
    package var processes: [ProcessMemory]
    /// What the library told of since the sample before, at most `eventLimit`. The kernel log tells most of it as well.
    package var events: [DeviceEvent]

    package static let eventLimit = 16

    package struct ProcessMemory: Hashable, Sendable, Codable {
        package var pid: Int32
        package var memory: ByteCount
        package init(pid: Int32, memory: ByteCount) {
            self.pid = pid
            self.memory = memory
        }
    }

    package init(
        memoryUsed: ByteCount? = nil, temperatureCelsius: Double? = nil, powerWatts: Double? = nil,
        utilizationPercent: Double? = nil, vendorHealth: VendorHealth? = nil, faultCodes: [UInt64] = [],
        signals: SignalReadings = SignalReadings(), processes: [ProcessMemory] = [], events: [DeviceEvent] = []
    ) {
        self.memoryUsed = memoryUsed
        self.vendorHealth = vendorHealth
        self.faultCodes = faultCodes
        self.signals = signals
        self.processes = processes
        self.events = events
        if let temperatureCelsius { self.signals[.temperature] = temperatureCelsius }
        if let powerWatts { self.signals[.power] = powerWatts }
        if let utilizationPercent { self.signals[.utilization] = utilizationPercent }
    }

    /// A report of an agent without signals or events is a report without them.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        memoryUsed = try container.decodeIfPresent(ByteCount.self, forKey: .memoryUsed)
        vendorHealth = try container.decodeIfPresent(VendorHealth.self, forKey: .vendorHealth)
        faultCodes = try container.decodeIfPresent([UInt64].self, forKey: .faultCodes) ?? []
        signals = try container.decodeIfPresent(SignalReadings.self, forKey: .signals) ?? SignalReadings()
        processes = try container.decode([ProcessMemory].self, forKey: .processes)
        events = Array(
            (try container.decodeIfPresent([DeviceEvent].self, forKey: .events) ?? []).prefix(Self.eventLimit))
    }

    package var temperatureCelsius: Double? { signals[.temperature] }
    package var powerWatts: Double? { signals[.power] }
    package var utilizationPercent: Double? { signals[.utilization] }
}

/// Something that happened to a device, as its library told it.
package struct DeviceEvent: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable { case xid }

    package var kind: Kind
    package var code: UInt32
    /// So many of that kind and code.
    package var count: UInt32

    package init(kind: Kind, code: UInt32, count: UInt32 = 1) {
        self.kind = kind
        self.code = code
        self.count = count
    }
}
