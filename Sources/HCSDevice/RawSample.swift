package import HCSModel

/// One device's figures as its library gave them, before anybody asked whether they can be true.
package struct RawSample: Hashable, Sendable {
    package var id: DeviceID
    package var memoryUsed: UInt64?
    package var health: DeviceSample.VendorHealth?
    package var faultCodes: [UInt64]
    /// In the units of `Signal.Traits`.
    package var signals: SignalReadings
    package var processes: [DeviceSample.ProcessMemory]
    package var events: [DeviceEvent]

    package init(
        id: DeviceID, memoryUsed: UInt64? = nil, health: DeviceSample.VendorHealth? = nil, faultCodes: [UInt64] = [],
        signals: SignalReadings = SignalReadings(), processes: [DeviceSample.ProcessMemory] = [],
        events: [DeviceEvent] = []
    ) {
        self.id = id
        self.memoryUsed = memoryUsed
        self.health = health
        self.faultCodes = faultCodes
        self.signals = signals
        self.processes = processes
        self.events = events
    }

    /// A device that was there and does not answer any more.
    package static func lost(_ id: DeviceID) -> RawSample { RawSample(id: id, health: .lost) }
}

extension RawSample {
    package var json: JSONValue {
        let kept = processes.sorted { $0.memory > $1.memory }.prefix(WorkerProtocol.maximumProcesses)
        let figures = signals.sorted.filter(\.value.isFinite).prefix(SignalReadings.limit)
        return JSONValue(fields: [
            ("id", .string(id.uuid)), ("memoryUsed", memoryUsed.map { JSONValue($0) }),
            ("health", health.map { .string($0.rawValue) }),
            ("codes", .array(faultCodes.prefix(WorkerProtocol.maximumFaultCodes).map { JSONValue($0) })),
            ("signals", JSONValue(fields: figures.map { ($0.key.description, .number($0.value)) })),
            ("processes", .array(kept.map { .array([JSONValue($0.pid), JSONValue($0.memory.bytes)]) })),
            ("events", events.isEmpty ? nil : .array(events.prefix(DeviceSample.eventLimit).map(\.json))),
        ])
    }

    package init?(json: JSONValue) {
        guard let uuid = json["id"]?.string, PrintableText.isIdentity(uuid) else { return nil }
        var processes: [DeviceSample.ProcessMemory] = []
        var positions: [Int32: Int] = [:]
        for entry in (json["processes"]?.array ?? []).prefix(WorkerProtocol.maximumProcesses) {
            guard let pair = entry.array, pair.count == 2, let pid = pair[0].integer(Int32.self), pid > 0,
                let memory = pair[1].integer(UInt64.self).map({ ByteCount($0) })
            else { continue }
            // Named twice, a process holds the larger of the two: each entry would count as a sight of its own.
            if let position = positions[pid] {
                processes[position].memory = max(processes[position].memory, memory)
            } else {
                positions[pid] = processes.count
                processes.append(DeviceSample.ProcessMemory(pid: pid, memory: memory))
            }
        }
        var signals = SignalReadings()
        for (name, value) in json["signals"]?.fields.prefix(SignalReadings.limit) ?? [] {
            if let key = SignalKey(name), let value = value.double { signals[key] = value }
        }
        self.init(
            id: DeviceID(uuid), memoryUsed: json["memoryUsed"]?.integer(),
            health: json["health"]?.string.flatMap { DeviceSample.VendorHealth(rawValue: $0) },
            faultCodes: (json["codes"]?.array ?? []).prefix(WorkerProtocol.maximumFaultCodes).compactMap {
                $0.integer(UInt64.self)
            }, signals: signals, processes: processes,
            events: (json["events"]?.array ?? []).prefix(DeviceSample.eventLimit).compactMap { DeviceEvent(json: $0) })
    }
}

extension DeviceEvent {
    fileprivate var json: JSONValue { .array([.string(kind.rawValue), JSONValue(code), JSONValue(count)]) }

    fileprivate init?(json: JSONValue) {
        guard let fields = json.array, fields.count == 3, let kind = fields[0].string.flatMap({ Kind(rawValue: $0) }),
            let code = fields[1].integer(UInt32.self), let count = fields[2].integer(UInt32.self), count > 0
        else { return nil }
        self.init(kind: kind, code: code, count: count)
    }
}
