/// What a policy makes of a state: values of states, each reckoned once, and from them the rank of a state for a shape.
struct PackingValues {
    private let fragment: FragmentValue?
    private let stranded: StrandedValue?
    private var prices: SupplyPrices?
    private var known: KnownValues

    /// Thousandths of a device below which two decreases count as equal.
    private static let quantum: Int64 = 20

    init(policy: PackingPolicy, mix: WorkloadMix, nodes: [PackingNode]) {
        fragment = policy == .fragmentation ? FragmentValue(mix: mix) : nil
        stranded = policy == .stranded ? StrandedValue(mix: mix, pressure: mix.pressure(on: nodes)) : nil
        prices = policy == .stranded ? SupplyPrices(mix: mix) : nil
        if prices?.isEmpty == true { prices = nil }
        known = KnownValues(nodeCount: policy == .bestFit ? 0 : nodes.count)
    }

    var hasPrices: Bool { prices != nil }
    /// Changes with the prices.
    private(set) var priceSerial: UInt32 = 0
    var byteCount: Int { known.byteCount }

    /// A node came.
    mutating func supplied(_ state: PackingState) { prices?.add(state, sign: 1) }

    mutating func moved(from old: PackingState, to new: PackingState) {
        prices?.add(old, sign: -1)
        prices?.add(new, sign: 1)
    }

    /// Sets the prices by what is free now.
    mutating func updatePrices() {
        prices?.update()
        priceSerial &+= 1
    }

    /// Of the devices that a share fits on, the one with the highest score is taken, the tightest among equals.
    mutating func rank(of state: PackingState, for shape: PackingShape) -> Rank {
        guard state.fits(shape) else { return .refused }
        guard fragment != nil || stranded != nil else {
            return Rank(score: 0, position: max(0, state.fitting(shape.share) - 1))
        }
        let before = value(of: state)
        guard shape.devices == 1 else {
            return Rank(score: score(from: before, to: state.placing(shape, at: 0), shape), position: 0)
        }
        var best = Rank.refused
        var position = state.fitting(shape.share) - 1
        while position >= 0 {
            let score = score(from: before, to: state.placing(shape, at: position), shape)
            if !best.fits || score > best.score { best = Rank(score: score, position: position) }
            let value = state.free[position]
            repeat { position -= 1 } while position >= 0 && state.free[position] == value
        }
        return best
    }

    /// What a change of a node is worth, however it came about.
    mutating func score(from before: PackingState, to after: PackingState, _ shape: PackingShape) -> Int64 {
        guard fragment != nil || stranded != nil else { return 0 }
        return score(from: value(of: before), to: after, shape)
    }

    private mutating func score(from before: KnownValues.Value, to after: PackingState, _ shape: PackingShape) -> Int64
    {
        let after = value(of: after)
        if let fragment { return fragment.level(before: before.own, after: after.own, taken: shape.deviceMilli) }
        let gain = (before.own - after.own) << 16 - (before.worth - after.worth)
        let unit = Self.quantum * Int64(StrandedValue.sequences) << 16
        let score = gain >= 0 ? gain / unit : -((unit - 1 - gain) / unit)
        return min(max(score, RankKey.scores.lowerBound), RankKey.scores.upperBound)
    }

    private mutating func value(of state: PackingState) -> KnownValues.Value {
        let place = known.place(of: state)
        var value: KnownValues.Value
        if let found = known.value(at: place, of: state) {
            value = found
            guard hasPrices, value.prices != priceSerial else { return value }
        } else {
            value = KnownValues.Value(own: own(of: state))
        }
        if hasPrices {
            value.worth = prices?.worth(state) ?? 0
            value.prices = priceSerial
        }
        known.set(place, state, value)
        return value
    }

    private func own(of state: PackingState) -> Int64 {
        fragment?.usable(state) ?? stranded.map { Int64($0.idle(state)) } ?? 0
    }
}

/// Values by state. Bounded: of two states with one place the later one stays.
private struct KnownValues {
    struct Value {
        /// What the state itself is worth to the policy, and what its room is worth at the prices of that number.
        var own: Int64
        var worth: Int64 = 0
        var prices: UInt32 = 0
    }

    private struct Entry {
        var state: PackingState
        var value: Value
    }

    private var entries: [Entry]
    private let mask: Int

    init(nodeCount: Int) {
        var size = 1 << 12
        while size < 32 * nodeCount, size < 1 << 19 { size *= 2 }
        if nodeCount == 0 { size = 1 }
        // No node has this many devices.
        var nobody = PackingState(model: 0, cpu: 0, free: [])
        nobody.count = UInt8.max
        entries = Array(repeating: Entry(state: nobody, value: Value(own: 0)), count: size)
        mask = size - 1
    }

    var byteCount: Int { entries.count * MemoryLayout<Entry>.stride }

    func place(of state: PackingState) -> Int { Int(truncatingIfNeeded: state.hash &>> 7) & mask }

    func value(at place: Int, of state: PackingState) -> Value? {
        entries[place].state == state ? entries[place].value : nil
    }

    mutating func set(_ place: Int, _ state: PackingState, _ value: Value) {
        entries[place] = Entry(state: state, value: value)
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

/// Ranks by state, shape and prices. Bounded: of two with one place the later one stays.
struct RankMemo {
    struct Key: Equatable {
        var state: Int32
        var shape: UInt32
        var prices: UInt32

        fileprivate var hash: UInt64 {
            let h = (UInt64(UInt32(bitPattern: state)) &<< 32 | UInt64(shape)) &* 0x9E37_79B9_7F4A_7C15
            return h ^ (h &>> 32)
        }
    }

    private struct Entry {
        var key: Key
        var rank: Rank
    }

    private var entries: [Entry]
    private let mask: Int

    private static let nobody = Entry(key: Key(state: -1, shape: 0, prices: 0), rank: .refused)

    init(nodeCount: Int) {
        var size = 1 << 12
        while size < 64 * nodeCount, size < 1 << 20 { size *= 2 }
        entries = Array(repeating: Self.nobody, count: size)
        mask = size - 1
    }

    var byteCount: Int { entries.count * MemoryLayout<Entry>.stride }

    mutating func removeAll() { for i in entries.indices { entries[i] = Self.nobody } }

    func place(of key: Key) -> Int { Int(truncatingIfNeeded: key.hash) & mask }

    func rank(at place: Int, of key: Key) -> Rank? {
        entries[place].key == key ? entries[place].rank : nil
    }

    mutating func set(_ place: Int, _ key: Key, _ rank: Rank) { entries[place] = Entry(key: key, rank: rank) }
}
