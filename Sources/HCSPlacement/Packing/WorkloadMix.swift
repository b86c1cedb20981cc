/// How often each shape is asked for, apart from memory. Independent of the order of arrivals.
package struct WorkloadMix: Sendable {
    package struct Entry: Hashable, Sendable {
        package var shape: PackingShape
        package var count: Int
    }

    /// The most frequent first.
    package let entries: [Entry]
    package let total: Int

    package init(_ shapes: some Sequence<PackingShape>) {
        var counts: [PackingShape: Int] = [:]
        for shape in shapes { counts[shape.withoutMemory, default: 0] += 1 }
        entries = counts.map { Entry(shape: $0.key, count: $0.value) }
            .sorted { a, b in a.count != b.count ? a.count > b.count : a.shape < b.shape }
        total = counts.values.reduce(0, +)
    }

    /// The most frequent shapes that cover `percent` of all.
    package func typical(percent: Int = 95) -> ArraySlice<Entry> {
        var covered = 0
        var end = 0
        while end < entries.count, covered * 100 < percent * total {
            covered += entries[end].count
            end += 1
        }
        return entries[..<end]
    }

    /// Devices asked for by an average unit of work.
    var meanDevices: Double {
        guard total > 0 else { return 0 }
        return Double(entries.reduce(0) { $0 + $1.count * $1.shape.deviceMilli }) / 1000 / Double(total)
    }

    /// CPU that is asked for by device, over CPU that `nodes` have by device: above 1, CPU runs out first.
    func pressure(on nodes: [PackingNode]) -> Double {
        let cpu = entries.reduce(0) { $0 + $1.count * Int($1.shape.cpu) }
        let devices = entries.reduce(0) { $0 + $1.count * $1.shape.deviceMilli }
        let freeCPU = nodes.reduce(0) { $0 + Int($1.cpu) }
        let freeDevices = nodes.reduce(0) { $0 + $1.free.reduce(0) { $0 + Int($1) } }
        guard devices > 0, freeCPU > 0 else { return 0 }
        return Double(cpu) / Double(devices) * Double(freeDevices) / Double(freeCPU)
    }
}
