/// What a policy makes of a state: values of states, each reckoned once, and from them the rank of a state for a shape.
struct PackingValues {
    private let fragment: FragmentValue?
    private let stranded: StrandedValue?
    private var prices: SupplyPrices?
    /// By state number; `unknown` until asked for.
    private var values: [Int64] = []
    private var worths: [Int64] = []

    private static let unknown = Int64.min
    /// Thousandths of a device below which two decreases count as equal.
    private static let quantum: Int64 = 20

    init(policy: PackingPolicy, mix: WorkloadMix) {
        fragment = policy == .fragmentation ? FragmentValue(mix: mix) : nil
        stranded = policy == .stranded ? StrandedValue(mix: mix) : nil
        prices = policy == .stranded ? SupplyPrices(mix: mix) : nil
    }

    var hasPrices: Bool { prices.map { !$0.isEmpty } ?? false }
    var byteCount: Int { (values.capacity + worths.capacity) * MemoryLayout<Int64>.size }

    mutating func forgetStates() {
        values.removeAll(keepingCapacity: true)
        worths.removeAll(keepingCapacity: true)
    }

    mutating func updatePrices(_ states: [Int32], of table: PackingStateTable) {
        guard hasPrices else { return }
        prices?.update(states, of: table)
        worths.removeAll(keepingCapacity: true)
    }

    /// Of the devices that a share fits on, the one with the highest score is taken, the tightest among equals.
    mutating func rank(of number: Int32, for shape: PackingShape, in table: inout PackingStateTable) -> Rank {
        let state = table.states[Int(number)]
        guard state.fits(shape) else { return .refused }
        guard shape.devices == 1 else {
            return Rank(score: score(from: number, to: state.placing(shape, at: 0), shape, &table), position: 0)
        }
        var best = Rank.refused
        var position = state.fitting(shape.share) - 1
        while position >= 0 {
            let score = score(from: number, to: state.placing(shape, at: position), shape, &table)
            if !best.fits || score > best.score { best = Rank(score: score, position: position) }
            let value = state.free[position]
            repeat { position -= 1 } while position >= 0 && state.free[position] == value
        }
        return best
    }

    mutating func score(
        from before: Int32, to after: PackingState, _ shape: PackingShape, _ table: inout PackingStateTable
    ) -> Int64 {
        if let fragment {
            let after = table.number(of: after)
            let old = Self.lookUp(before, &values) { fragment.usable(table.states[Int(before)]) }
            let new = Self.lookUp(after, &values) { fragment.usable(table.states[Int(after)]) }
            return fragment.level(before: old, after: new, taken: shape.deviceMilli)
        }
        guard let stranded else { return 0 }
        let after = table.number(of: after)
        let old = Self.lookUp(before, &values) { Int64(stranded.idle(table.states[Int(before)])) }
        let new = Self.lookUp(after, &values) { Int64(stranded.idle(table.states[Int(after)])) }
        var gain = (old - new) << 16
        if let prices, hasPrices {
            let worth = Self.lookUp(before, &worths) { prices.worth(table.states[Int(before)]) }
            gain -= worth - Self.lookUp(after, &worths) { prices.worth(table.states[Int(after)]) }
        }
        let unit = Self.quantum * Int64(StrandedValue.sequences) << 16
        let score = gain >= 0 ? gain / unit : -((unit - 1 - gain) / unit)
        return min(max(score, RankKey.scores.lowerBound), RankKey.scores.upperBound)
    }

    private static func lookUp(_ number: Int32, _ values: inout [Int64], _ make: () -> Int64) -> Int64 {
        let i = Int(number)
        if i >= values.count { values += repeatElement(unknown, count: i + 1 - values.count) }
        if values[i] == unknown { values[i] = make() }
        return values[i]
    }
}

/// A state's score for a shape, and which device (in the state's order) a single share goes to.
struct Rank {
    private var bits: Int64

    static let refused = Rank(bits: .min)

    private init(bits: Int64) { self.bits = bits }
    init(score: Int64, position: Int) { bits = score << 8 | Int64(position) }

    var fits: Bool { bits != .min }
    var score: Int64 { bits >> 8 }
    var position: Int { Int(bits & 0xff) }
}

/// Ranks by state and shape. Bounded: emptied when full.
struct RankMemo {
    private var keys: [UInt64]
    private var ranks: [Rank]
    private var count = 0
    private var mask: Int

    private static let empty = UInt64.max
    private static let limit = 1 << 21

    init() {
        keys = Array(repeating: Self.empty, count: 1 << 12)
        ranks = Array(repeating: .refused, count: 1 << 12)
        mask = keys.count - 1
    }

    var byteCount: Int { keys.count * 16 }

    mutating func removeAll() {
        guard count > 0 else { return }
        for i in keys.indices { keys[i] = Self.empty }
        count = 0
    }

    subscript(key: UInt64) -> Rank? {
        get {
            let slot = slot(of: key)
            return keys[slot] == key ? ranks[slot] : nil
        }
        set {
            guard let newValue else { return }
            if count * 2 >= keys.count { grow() }
            let slot = slot(of: key)
            if keys[slot] != key { count += 1 }
            keys[slot] = key
            ranks[slot] = newValue
        }
    }

    private func slot(of key: UInt64) -> Int {
        let h = key &* 0x9E37_79B9_7F4A_7C15
        var slot = Int(truncatingIfNeeded: h ^ (h &>> 32)) & mask
        while keys[slot] != key, keys[slot] != Self.empty { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        guard keys.count < Self.limit else {
            removeAll()
            return
        }
        let old = zip(keys, ranks).filter { $0.0 != Self.empty }
        keys = Array(repeating: Self.empty, count: keys.count * 2)
        ranks = Array(repeating: .refused, count: keys.count)
        mask = keys.count - 1
        for (key, rank) in old {
            let slot = slot(of: key)
            keys[slot] = key
            ranks[slot] = rank
        }
    }
}
