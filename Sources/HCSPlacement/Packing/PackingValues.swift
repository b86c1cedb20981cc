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
        guard weighsStates else {
            return Rank(score: 0, position: max(0, state.fitting(shape.share) - 1))
        }
        let before = value(of: state)
        guard shape.devices == 1 else {
            return Rank(
                score: score(from: before, to: state.placing(shape, at: 0), taken: shape.deviceMilli), position: 0)
        }
        var best = Rank.refused
        var position = state.fitting(shape.share) - 1
        while position >= 0 {
            let score = score(from: before, to: state.placing(shape, at: position), taken: shape.deviceMilli)
            if !best.fits || score > best.score { best = Rank(score: score, position: position) }
            let value = state.free[position]
            repeat { position -= 1 } while position >= 0 && state.free[position] == value
        }
        return best
    }

    /// What a change of a node is worth, however it came about.
    /// - Parameter taken: thousandths of devices.
    mutating func score(from before: StateValue, to after: PackingState, taken: Int) -> Int64 {
        guard weighsStates else { return 0 }
        let after = value(of: after)
        if let fragment { return fragment.level(before: before.own, after: after.own, taken: taken) }
        let gain = (before.own - after.own) << 16 - (before.worth - after.worth)
        let unit = Self.quantum * Int64(StrandedValue.sequences) << 16
        let score = gain >= 0 ? gain / unit : -((unit - 1 - gain) / unit)
        return min(max(score, RankKey.scores.lowerBound), RankKey.scores.upperBound)
    }

    /// Best fit makes nothing of a state.
    private var weighsStates: Bool { fragment != nil || stranded != nil }

    /// At the present prices.
    mutating func value(of state: PackingState) -> StateValue {
        guard weighsStates else { return StateValue(own: 0) }
        let place = known.place(of: state)
        var value: StateValue
        if let found = known.value(at: place, of: state) {
            guard !isOutdated(found) else {
                value = found
                renew(&value, of: state)
                known.set(place, state, value)
                return value
            }
            return found
        }
        value = StateValue(own: own(of: state))
        if hasPrices { renew(&value, of: state) }
        known.set(place, state, value)
        return value
    }

    func isOutdated(_ value: StateValue) -> Bool { hasPrices && value.prices != priceSerial }

    /// Brings a value to the present prices.
    func renew(_ value: inout StateValue, of state: PackingState) {
        value.worth = prices?.worth(state) ?? 0
        value.prices = priceSerial
    }

    private func own(of state: PackingState) -> Int64 {
        fragment?.usable(state) ?? stranded.map { Int64($0.idle(state)) } ?? 0
    }
}

/// What the state itself is worth to the policy, and what its room is worth at the prices of that number.
struct StateValue {
    var own: Int64
    var worth: Int64 = 0
    var prices: UInt32 = 0
}

/// Values by state. Bounded: of two states with one place the later one stays.
private struct KnownValues {
    /// One cache line.
    private struct Entry {
        var free: (UInt64, UInt64, UInt64, UInt64)
        var rest: UInt64
        var value: StateValue

        init(_ state: PackingState, _ value: StateValue) {
            let words = state.words
            free = (words[0], words[1], words[2], words[3])
            rest = state.rest
            self.value = value
        }

        func isOf(_ words: SIMD4<UInt64>, _ rest: UInt64) -> Bool {
            self.rest == rest && free.0 == words[0] && free.1 == words[1] && free.2 == words[2] && free.3 == words[3]
        }
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
        entries = Array(repeating: Entry(nobody, StateValue(own: 0)), count: size)
        mask = size - 1
    }

    var byteCount: Int { entries.count * MemoryLayout<Entry>.stride }

    func place(of state: PackingState) -> Int { Int(truncatingIfNeeded: state.hash &>> 7) & mask }

    func value(at place: Int, of state: PackingState) -> StateValue? {
        entries[place].isOf(state.words, state.rest) ? entries[place].value : nil
    }

    mutating func set(_ place: Int, _ state: PackingState, _ value: StateValue) {
        entries[place] = Entry(state, value)
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
