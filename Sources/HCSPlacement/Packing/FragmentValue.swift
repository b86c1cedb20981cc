import Foundation

/// FGD: how much of a node's free devices the typical work could not use ("Beware of Fragmentation", ATC'23).
struct FragmentValue {
    private struct Kind {
        var cpu: Int32
        var models: UInt64
        var devices: Int
        /// Index into `shares`.
        var share: Int
        var weight: Int64
    }

    private var shares: [UInt16] = []
    private var kinds: [Kind] = []

    /// Weights sum to about this.
    static let scale = 1 << 20
    static let levels = 100
    /// `thresholds[i]`: the least decrease that reaches level i + 1.
    private let thresholds: [Int64]

    init(mix: WorkloadMix) {
        let typical = mix.typical()
        let total = typical.reduce(0) { $0 + $1.count }
        for entry in typical where entry.shape.devices > 0 {
            let shape = entry.shape
            if !shares.contains(shape.share) { shares.append(shape.share) }
            kinds.append(
                Kind(
                    cpu: shape.cpu, models: shape.models, devices: Int(shape.devices),
                    share: shares.firstIndex(of: shape.share) ?? 0,
                    weight: Int64((Double(entry.count) / Double(total) * Double(Self.scale)).rounded())))
        }
        // floor(100 · sigmoid(d / 1000)) ≥ level  ⇔  d ≥ 1000 · ln(level / (100 − level))
        thresholds = (1..<Self.levels).map { level in
            let d = 1000 * log(Double(level) / Double(Self.levels - level))
            return Int64((d * Double(Self.scale)).rounded(.up))
        }
    }

    /// Usable thousandths, weighted. The fragment is what is free less this, so that a decrease of the fragment is
    /// what was taken less the decrease of this.
    func usable(_ state: PackingState) -> Int64 {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * shares.count) { scratch in
            for i in shares.indices {
                var sum: Int32 = 0
                var n = 0
                while n < Int(state.count), state.free[n] >= shares[i] {
                    sum += Int32(state.free[n])
                    n += 1
                }
                scratch[2 * i] = sum
                scratch[2 * i + 1] = Int32(n)
            }
            var value: Int64 = 0
            for kind in kinds {
                guard state.cpu >= kind.cpu, kind.models &>> UInt64(state.model) & 1 == 1,
                    scratch[2 * kind.share + 1] >= kind.devices
                else { continue }
                value += kind.weight * Int64(scratch[2 * kind.share])
            }
            return value
        }
    }

    /// 0 to 99; equal levels are left to best fit.
    func level(before: Int64, after: Int64, taken: Int) -> Int64 {
        let decrease = Int64(taken * Self.scale) - (before - after)
        var low = 0
        var high = thresholds.count
        while low < high {
            let middle = (low + high) / 2
            if thresholds[middle] <= decrease { low = middle + 1 } else { high = middle }
        }
        return Int64(low)
    }
}
