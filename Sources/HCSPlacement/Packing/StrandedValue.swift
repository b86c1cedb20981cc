/// Expected stranded devices: what a node would leave idle if typical work arrived at it alone, in random order, and all
/// that fits were taken. The mean is over a fixed deck of sequences, the same for every node.
struct StrandedValue {
    private struct Kind {
        var cpu: Int32
        var devices: UInt8
        var share: UInt16
        var models: UInt64

        func fits(_ state: PackingState) -> Bool {
            guard state.cpu >= cpu else { return false }
            guard devices > 0 else { return true }
            return models &>> UInt64(state.model) & 1 == 1 && state.free[Int(devices) - 1] >= share
        }
    }

    private var kinds: [Kind] = []
    /// By sequence and position the index of a kind.
    private var deck: [UInt16] = []
    /// By kind and sequence the positions at which it comes, a bit each.
    private var positions: [SIMD2<UInt64>] = []
    /// Below these nothing with devices fits.
    private var leastCPU = Int32.max
    private var leastShare = UInt16.max

    static let sequences = 32
    static let length = 100
    /// What a piece of work without devices weighs in the deck beside one with devices of the same popularity.
    static let weightWithoutDevices = 0.5

    init(mix: WorkloadMix) {
        let typical = mix.typical().prefix(Int(UInt16.max))
        guard !typical.isEmpty else { return }
        let weights = typical.map { entry in
            Double(entry.count) * (entry.shape.devices > 0 ? 1 : Self.weightWithoutDevices)
        }
        var generator = SplitMix64(state: 99)
        deck = Self.systematicSample(weights, count: Self.sequences * Self.length, using: &generator)
        deck.shuffle(using: &generator)
        for shape in typical.map(\.shape) {
            kinds.append(Kind(cpu: shape.cpu, devices: shape.devices, share: shape.share, models: shape.models))
            guard shape.devices > 0 else { continue }
            leastCPU = min(leastCPU, shape.cpu)
            leastShare = min(leastShare, shape.share)
        }
        positions = Array(repeating: .zero, count: kinds.count * Self.sequences)
        for (i, kind) in deck.enumerated() {
            let (sequence, position) = i.quotientAndRemainder(dividingBy: Self.length)
            positions[Int(kind) * Self.sequences + sequence][position / 64] |= 1 << UInt64(position % 64)
        }
    }

    /// `count` indices, each as often as its weight says, up to rounding.
    private static func systematicSample(
        _ weights: [Double], count: Int, using generator: inout SplitMix64
    ) -> [UInt16] {
        let sum = weights.reduce(0, +)
        let start = Double.random(in: 0..<1, using: &generator)
        var deck: [UInt16] = []
        var reached = 0.0
        for (i, weight) in weights.enumerated() {
            reached += weight / sum
            while deck.count < count, (Double(deck.count) + start) / Double(count) < reached { deck.append(UInt16(i)) }
        }
        while deck.count < count { deck.append(UInt16(weights.count - 1)) }
        return deck
    }

    /// Thousandths left idle, summed over the sequences.
    func idle(_ state: PackingState) -> Int32 {
        let start = Int32(state.freeMilli)
        guard start > 0 else { return 0 }
        return withUnsafeTemporaryAllocation(of: SIMD2<UInt64>.self, capacity: Self.sequences) { ahead in
            ahead.initialize(repeating: .zero)
            var anyWithDevices = false
            positions.withUnsafeBufferPointer { positions in
                // What does not fit now will not fit later.
                for (k, kind) in kinds.enumerated() where kind.fits(state) {
                    if kind.devices > 0 { anyWithDevices = true }
                    for s in 0..<Self.sequences { ahead[s] |= positions[k * Self.sequences + s] }
                }
            }
            guard anyWithDevices else { return start * Int32(Self.sequences) }
            return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: PackingNode.deviceLimit) { free in
                var sum: Int32 = 0
                for s in 0..<Self.sequences {
                    for i in 0..<PackingNode.deviceLimit { free[i] = state.free[i] }
                    sum += start - taken(ahead[s], from: s * Self.length, free, state)
                }
                return sum
            }
        }
    }

    /// What one sequence takes; `free` stays sorted, largest first.
    @inline(__always)
    private func taken(
        _ ahead: SIMD2<UInt64>, from base: Int, _ free: UnsafeMutableBufferPointer<UInt16>, _ state: PackingState
    ) -> Int32 {
        let count = Int(state.count)
        var cpu = state.cpu
        var sum: Int32 = 0
        for word in 0..<2 {
            var bits = ahead[word]
            while bits != 0 {
                let kind = kinds[Int(deck[base + word * 64 + bits.trailingZeroBitCount])]
                bits &= bits &- 1
                guard kind.cpu <= cpu else { continue }
                guard kind.devices > 0 else {
                    cpu -= kind.cpu
                    if cpu < leastCPU { return sum }
                    continue
                }
                guard free[Int(kind.devices) - 1] >= kind.share else { continue }
                Self.take(kind, free, count)
                cpu -= kind.cpu
                sum += Int32(kind.devices) * Int32(kind.share)
                if cpu < leastCPU || free[0] < leastShare { return sum }
            }
        }
        return sum
    }

    /// From the tightest devices.
    @inline(__always)
    private static func take(_ kind: Kind, _ free: UnsafeMutableBufferPointer<UInt16>, _ count: Int) {
        var end = Int(kind.devices)
        while end < count, free[end] >= kind.share { end += 1 }
        for i in stride(from: end - 1, through: end - Int(kind.devices), by: -1) {
            let value = free[i] - kind.share
            var j = i
            while j + 1 < count, free[j + 1] > value {
                free[j] = free[j + 1]
                j += 1
            }
            free[j] = value
        }
    }
}
