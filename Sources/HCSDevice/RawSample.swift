package import HCSModel

/// One device's figures as its library gave them, before anybody asked whether they can be true.
package struct RawSample: Hashable, Sendable {
    package var id: DeviceID
    package var memoryUsed: UInt64?
    package var temperatureCelsius: Double?
    package var powerWatts: Double?
    package var utilizationPercent: Double?
    package var health: DeviceSample.VendorHealth?
    package var processes: [DeviceSample.ProcessMemory]

    package init(
        id: DeviceID, memoryUsed: UInt64? = nil, temperatureCelsius: Double? = nil, powerWatts: Double? = nil,
        utilizationPercent: Double? = nil, health: DeviceSample.VendorHealth? = nil,
        processes: [DeviceSample.ProcessMemory] = []
    ) {
        self.id = id
        self.memoryUsed = memoryUsed
        self.temperatureCelsius = temperatureCelsius
        self.powerWatts = powerWatts
        self.utilizationPercent = utilizationPercent
        self.health = health
        self.processes = processes
    }

    /// A device that was there and does not answer any more.
    package static func lost(_ id: DeviceID) -> RawSample { RawSample(id: id, health: .lost) }
}

extension RawSample {
    package var json: JSONValue {
        let kept = processes.sorted { $0.memory > $1.memory }.prefix(WorkerProtocol.maximumProcesses)
        return JSONValue(fields: [
            ("id", .string(id.uuid)), ("memoryUsed", memoryUsed.map { JSONValue($0) }),
            ("temperature", temperatureCelsius.map { .number($0) }), ("power", powerWatts.map { .number($0) }),
            ("utilization", utilizationPercent.map { .number($0) }), ("health", health.map { .string($0.rawValue) }),
            ("processes", .array(kept.map { .array([JSONValue($0.pid), JSONValue($0.memory.bytes)]) })),
        ])
    }

    package init?(json: JSONValue) {
        guard let uuid = json["id"]?.string, PrintableText.isIdentity(uuid) else { return nil }
        let processes: [DeviceSample.ProcessMemory] = (json["processes"]?.array ?? [])
            .prefix(WorkerProtocol.maximumProcesses).compactMap { entry in
                guard let pair = entry.array, pair.count == 2, let pid = pair[0].integer(Int32.self), pid > 0,
                    let memory = pair[1].integer(UInt64.self)
                else { return nil }
                return DeviceSample.ProcessMemory(pid: pid, memory: ByteCount(memory))
            }
        self.init(
            id: DeviceID(uuid), memoryUsed: json["memoryUsed"]?.integer(),
            temperatureCelsius: json["temperature"]?.double, powerWatts: json["power"]?.double,
            utilizationPercent: json["utilization"]?.double,
            health: json["health"]?.string.flatMap { DeviceSample.VendorHealth(rawValue: $0) }, processes: processes)
    }
}
