package import HCSModel

/// Drops figures that cannot be true. Libraries answer sentinel values (DCMI 0x7ffd), garbage under a firmware fault and
/// last year's units; a wrong figure in a health score does more harm than a missing one. Judged by the agent, since a
/// worker whose memory a vendor library has spoilt cannot judge itself.
package enum Plausibility {
    /// Bytes a device can have: from 1 MiB to 4 TiB (the largest card today has 288 GiB).
    package static let deviceMemory = UInt64(1) << 20...UInt64(1) << 42

    /// The sample without what cannot be true, and how many values that were.
    package static func judge(_ raw: RawSample, memory: ByteCount) -> (sample: DeviceSample, dropped: Int) {
        var dropped = 0
        var signals = SignalReadings()
        for (key, value) in raw.signals.values {
            if key.signal.traits.plausible.contains(value) { signals[key] = value } else { dropped += 1 }
        }
        // A driver may count its own reserve as used, or round up: a tenth more than all is still believed.
        let ceiling = memory.adding(ByteCount(memory.bytes / 10))
        var used = raw.memoryUsed.map { ByteCount($0) }
        if let value = used, value > ceiling {
            used = nil
            dropped += 1
        }
        let processes = raw.processes.filter { $0.memory <= ceiling }
        dropped += raw.processes.count - processes.count
        let sample = DeviceSample(
            memoryUsed: used, vendorHealth: raw.health, faultCodes: raw.faultCodes, signals: signals,
            processes: processes, events: raw.events)
        return (sample, dropped)
    }
}
