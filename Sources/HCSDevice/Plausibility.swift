package import HCSModel

/// Drops figures that cannot be true. Libraries answer sentinel values (DCMI 0x7ffd), garbage under a firmware fault and
/// last year's units; a wrong figure in a health score does more harm than a missing one. Judged by the agent, since a
/// worker whose memory a vendor library has spoilt cannot judge itself.
package enum Plausibility {
    package static let temperatureCelsius = -50.0...150.0
    package static let powerWatts = 0.0...5000.0
    package static let utilizationPercent = 0.0...100.0
    /// Bytes a device can have: from 1 MiB to 4 TiB (the largest card today has 288 GiB).
    package static let deviceMemory = UInt64(1) << 20...UInt64(1) << 42

    /// The sample without what cannot be true, and how many values that were.
    package static func judge(_ raw: RawSample, memory: ByteCount) -> (sample: DeviceSample, dropped: Int) {
        var dropped = 0
        func within(_ value: Double?, _ range: ClosedRange<Double>) -> Double? {
            guard let value else { return nil }
            if range.contains(value) { return value }
            dropped += 1
            return nil
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
            memoryUsed: used, temperatureCelsius: within(raw.temperatureCelsius, temperatureCelsius),
            powerWatts: within(raw.powerWatts, powerWatts),
            utilizationPercent: within(raw.utilizationPercent, utilizationPercent), vendorHealth: raw.health,
            processes: processes)
        return (sample, dropped)
    }
}
