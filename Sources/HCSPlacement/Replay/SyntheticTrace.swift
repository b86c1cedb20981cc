import HCSModel

/// A made-up trace with the traits of a shared GPU cluster: mostly one-device and shared work, few large pieces, nodes of
/// several kinds, some of them short of CPU. For tests and benchmarks where no real trace is at hand.
package enum SyntheticTrace {
    private static let kinds: [(model: String, devices: Int, cores: Int32, weight: Int)] = [
        ("large", 8, 96, 45), ("small", 2, 104, 32), ("lean", 2, 16, 9), ("old", 4, 32, 6), ("wide", 8, 128, 5),
        ("single", 1, 8, 3),
    ]
    private static let cores: [Int32] = [2, 4, 6, 8, 8, 10, 12, 12, 16, 24]
    private static let shares: [UInt16] = [110, 160, 230, 320, 320, 470, 470, 470, 590, 650, 810, 810, 810]

    package static func make(nodes: Int, pods: Int, seed: UInt64, boundPercent: Int = 0) -> Trace {
        var generator = SplitMix64(state: seed)
        let list = (0..<nodes).map { _ in
            var pick = Int.random(in: 0..<kinds.reduce(0) { $0 + $1.weight }, using: &generator)
            let i = kinds.firstIndex { kind in
                pick -= kind.weight
                return pick < 0
            }
            let kind = kinds[i ?? 0]
            return PackingNode(
                model: UInt8(i ?? 0), cpu: kind.cores * 1000, memory: kind.cores * 4096,
                free: Array(repeating: PackingShape.wholeDevice, count: kind.devices))
        }
        return Trace(
            nodes: list, models: kinds.map(\.model),
            pods: (0..<pods).map { _ in pod(boundPercent: boundPercent, &generator) })
    }

    private static func pod(boundPercent: Int, _ generator: inout SplitMix64) -> PackingShape {
        let cpu = cores[Int.random(in: cores.indices, using: &generator)] * 1000
        let bound = Int.random(in: 0..<100, using: &generator) < boundPercent
        let models = bound ? UInt64(1) << UInt64.random(in: 0..<2, using: &generator) : PackingShape.anyModel
        switch Int.random(in: 0..<1000, using: &generator) {
        case 0..<130: return PackingShape(cpu: cpu, memory: cpu * 2)
        case 130..<510:
            let share = shares[Int.random(in: shares.indices, using: &generator)]
            return PackingShape(cpu: cpu, memory: cpu * 2, devices: 1, share: share, models: models)
        case 510..<990:
            return PackingShape(
                cpu: cpu, memory: cpu * 2, devices: 1, share: PackingShape.wholeDevice, models: models)
        default:
            let count: UInt8 = [2, 4, 8, 8][Int.random(in: 0..<4, using: &generator)]
            return PackingShape(
                cpu: cpu * 2, memory: cpu * 2, devices: count, share: PackingShape.wholeDevice)
        }
    }
}
