import HCSModel

/// A trace with another mix, made from a given one: what the variants of the openb trace vary (part of the demand in
/// pieces of devices or in several devices, pods without devices, pods bound to models). For benchmarks and tests: a
/// policy that wins on one mix must not lose on the next.
package struct TraceVariant: Equatable, Sendable {
    package var name: String
    /// Percent of the demand for devices that asks for less than a device.
    package var sharing: Int?
    /// Percent of the demand for devices that asks for several devices.
    package var several: Int?
    /// Percent of the pods that ask for no device.
    package var cpuOnly: Int?
    /// Percent of the pods with devices that are bound to a model: one that could hold the pod, rare ones more often
    /// than they have devices.
    package var bound: Int?
    /// Each model as often as the next: more is asked of the rare ones than they have.
    package var overloadsRareModels = false

    package static let all: [TraceVariant] =
        [TraceVariant(name: "as given")]
        + [20, 30, 40, 50].map { (n: Int) in TraceVariant(name: "multigpu\(n)", several: n) }
        + [40, 60, 80, 100].map { (n: Int) in TraceVariant(name: "gpushare\(n)", sharing: n) }
        + [5, 10, 20, 25, 33].map { (n: Int) in TraceVariant(name: "gpuspec\(n)", bound: n) }
        + [20, 33].map { (n: Int) in TraceVariant(name: "rare\(n)", bound: n, overloadsRareModels: true) }
        + [5, 10, 20, 25].map { (n: Int) in TraceVariant(name: "cpu\(n)", cpuOnly: n) }

    /// As many pods as `trace` has, up to rounding. Kinds that the variant does not name keep their proportions; a kind
    /// that the trace has not stays away.
    package func applied(to trace: Trace, seed: UInt64) -> Trace {
        var generator = SplitMix64(state: seed)
        var result = trace
        result.pods = []
        for (kind, count) in counts(trace.pods) {
            let pool = trace.pods.filter { $0.kind == kind }
            guard !pool.isEmpty else { continue }
            for _ in 0..<count / pool.count { result.pods += pool }
            result.pods += pool.shuffled(using: &generator).prefix(count % pool.count)
        }
        guard let bound else { return result }
        for i in result.pods.indices where result.pods[i].devices > 0 {
            guard Int.random(in: 0..<100, using: &generator) < bound,
                let model = model(for: result.pods[i], trace.nodes, &generator)
            else { continue }
            result.pods[i].models = 1 << UInt64(model)
        }
        return result
    }

    private func model(for pod: PackingShape, _ nodes: [PackingNode], _ generator: inout SplitMix64) -> UInt8? {
        let able = nodes.filter { $0.fits(pod) }.map { ($0.model, $0.free.count) }
        let devices = Dictionary(able, uniquingKeysWith: +).sorted { $0.key < $1.key }
        let weights = devices.map { overloadsRareModels ? 1 : Double($0.value).squareRoot() }
        var pick = Double.random(in: 0..<1, using: &generator) * weights.reduce(0, +)
        for (entry, weight) in zip(devices, weights) {
            pick -= weight
            if pick < 0 { return entry.key }
        }
        return devices.last?.key
    }

    private func counts(_ pods: [PackingShape]) -> [(PodKind, Int)] {
        let withoutDevices = cpuOnly.map { pods.count * $0 / 100 } ?? pods.count { $0.kind == .cpuOnly }
        let kinds = PodKind.allCases.filter { kind in kind != .cpuOnly && pods.contains { $0.kind == kind } }
        let demands = kinds.map { kind in pods.reduce(0) { $0 + ($1.kind == kind ? $1.deviceMilli : 0) } }
        let percents = kinds.map { $0 == .share ? sharing : $0 == .severalDevices ? several : nil }
        let left = 100 - percents.reduce(0) { $0 + ($1 ?? 0) }
        let unnamed = zip(demands, percents).reduce(0) { $0 + ($1.1 == nil ? $1.0 : 0) }
        // Pods for each unit of demand, then scaled to the number of pods with devices.
        let pieces = kinds.indices.map { i in
            let part = percents[i].map(Double.init) ?? Double(left * demands[i]) / Double(max(1, unnamed))
            return part * Double(pods.count { $0.kind == kinds[i] }) / Double(demands[i])
        }
        let all = pieces.reduce(0, +)
        let withDevices = zip(kinds, pieces).map { kind, piece in
            (kind, Int((piece / all * Double(pods.count - withoutDevices)).rounded()))
        }
        return [(.cpuOnly, withoutDevices)] + withDevices
    }
}
