import HCSModel

/// Expected stranded devices: what a node would leave idle if typical work arrived at it alone, in random order, and all
/// that fits were taken. The mean is over a fixed deck of sequences, the same for every node.
struct StrandedValue {
    private struct Kind {
        var cpu: Int32
        var devices: UInt8
        var share: UInt16
        var models: UInt64
    }

    /// A set of positions of one sequence.
    private struct Positions {
        var low: UInt64 = 0
        var high: UInt64 = 0

        mutating func insert(_ position: Int) {
            if position < 64 { low |= 1 << UInt64(position) } else { high |= 1 << UInt64(position - 64) }
        }

        mutating func formUnion(_ other: Positions) {
            low |= other.low
            high |= other.high
        }
    }

    private var kinds: [Kind] = []
    /// By sequence and position the index of a kind.
    private var deck: [UInt16] = []
    /// What can still come, without looking at each position: by CPU the positions that ask for no more, by share those
    /// that ask for no more of one device, by model those that it will do for. Rows of a position set for each sequence.
    private var cpus: [Int32] = []
    private var withinCPU: [Positions] = []
    private var shares: [UInt16] = []
    private var withinShare: [Positions] = []
    private var forModel: [Positions] = []
    private var withDevices: [Positions] = []

    static let sequences = 32
    static let length = 100
    /// What a piece of work without devices weighs in the deck beside one with devices of the same popularity: more where
    /// CPU runs out before the devices, so that work with devices leaves it room.
    private static func weightWithoutDevices(_ pressure: Double) -> Double {
        0.5 + 2 * min(max((pressure - 0.9) / 0.1, 0), 1)
    }

    /// `pressure`: CPU that the mix asks for by device, over CPU that the nodes have by device.
    init(mix: WorkloadMix, pressure: Double) {
        let typical = mix.typical().prefix(Int(UInt16.max))
        guard !typical.isEmpty else { return }
        let withoutDevices = Self.weightWithoutDevices(pressure)
        let weights = typical.map { Double($0.count) * ($0.shape.devices > 0 ? 1 : withoutDevices) }
        var generator = SplitMix64(state: 99)
        deck = Self.systematicSample(weights, count: Self.sequences * Self.length, using: &generator)
        deck.shuffle(using: &generator)
        kinds = typical.map(\.shape).map {
            Kind(cpu: $0.cpu, devices: $0.devices, share: $0.share, models: $0.models)
        }
        cpus = Set(kinds.map(\.cpu)).sorted()
        shares = Set(kinds.map(\.share)).union([0]).sorted()
        let places = placesInDeck()
        withinCPU = Self.rows(upTo: cpus, kinds.map(\.cpu), places)
        withinShare = Self.rows(upTo: shares, kinds.map(\.share), places)
        withDevices = Self.noPositions
        var forAny = Self.noPositions
        for (kind, places) in zip(kinds, places) {
            if kind.devices > 0 { Self.unite(&withDevices, 0, places) }
            if kind.models == PackingShape.anyModel { Self.unite(&forAny, 0, places) }
        }
        forModel = Array(repeatElement(forAny, count: PackingNode.modelLimit).joined())
        for (kind, places) in zip(kinds, places) where kind.models != PackingShape.anyModel {
            var models = kind.models
            while models != 0 {
                Self.unite(&forModel, models.trailingZeroBitCount * Self.sequences, places)
                models &= models &- 1
            }
        }
    }

    private static let noPositions = Array(repeating: Positions(), count: sequences)

    /// By kind, its positions in each sequence.
    private func placesInDeck() -> [[Positions]] {
        var places = Array(repeating: Self.noPositions, count: kinds.count)
        for sequence in 0..<Self.sequences {
            for i in 0..<Self.length {
                places[Int(deck[sequence * Self.length + i])][sequence].insert(i)
            }
        }
        return places
    }

    /// For each level the positions of the kinds of which `own` is no more.
    private static func rows<Level: Comparable>(
        upTo levels: [Level], _ own: [Level], _ places: [[Positions]]
    ) -> [Positions] {
        let order = own.indices.sorted { own[$0] < own[$1] }
        var rows: [Positions] = []
        var row = noPositions
        var next = 0
        for level in levels {
            while next < order.count, own[order[next]] <= level {
                unite(&row, 0, places[order[next]])
                next += 1
            }
            rows += row
        }
        return rows
    }

    private static func unite(_ rows: inout [Positions], _ start: Int, _ more: [Positions]) {
        for sequence in 0..<sequences { rows[start + sequence].formUnion(more[sequence]) }
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
        guard start > 0, !kinds.isEmpty else { return start * Int32(Self.sequences) }
        // Where all sequences begin.
        var cpuLevel = cpus.count - 1
        while cpuLevel >= 0, cpus[cpuLevel] > state.cpu { cpuLevel -= 1 }
        guard cpuLevel >= 0 else { return start * Int32(Self.sequences) }
        var shareLevel = shares.count - 1
        while shares[shareLevel] > state.free[0] { shareLevel -= 1 }
        return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: PackingNode.deviceLimit) { free in
            var sum: Int32 = 0
            for s in 0..<Self.sequences {
                for i in 0..<Int(state.count) { free[i] = state.free[i] }
                sum += start - taken(by: s, of: state, cpuLevel, shareLevel, free)
            }
            return sum
        }
    }

    /// What one sequence takes; `free` stays sorted, largest first.
    /// - Parameters: the levels of `cpus` and `shares` that the state has.
    @inline(__always)
    private func taken(
        by sequence: Int, of state: PackingState, _ cpuLevel: Int, _ shareLevel: Int,
        _ free: UnsafeMutableBufferPointer<UInt16>
    ) -> Int32 {
        let count = Int(state.count)
        let useful = withDevices[sequence]
        var ahead = forModel[Int(state.model) * Self.sequences + sequence]
        var cpu = state.cpu
        var sum: Int32 = 0
        var cpuLevel = cpuLevel
        var shareLevel = shareLevel
        while true {
            // What does not fit now will not fit later.
            while cpus[cpuLevel] > cpu {
                cpuLevel -= 1
                if cpuLevel < 0 { return sum }
            }
            while shares[shareLevel] > free[0] { shareLevel -= 1 }
            let byCPU = withinCPU[cpuLevel * Self.sequences + sequence]
            let byShare = withinShare[shareLevel * Self.sequences + sequence]
            ahead.low &= byCPU.low & byShare.low
            ahead.high &= byCPU.high & byShare.high
            guard ahead.low & useful.low | ahead.high & useful.high != 0 else { return sum }
            let position: Int
            if ahead.low != 0 {
                position = ahead.low.trailingZeroBitCount
                ahead.low &= ahead.low &- 1
            } else {
                position = 64 + ahead.high.trailingZeroBitCount
                ahead.high &= ahead.high &- 1
            }
            let kind = kinds[Int(deck[sequence * Self.length + position])]
            if kind.devices > 0 {
                guard Int(kind.devices) <= count, free[Int(kind.devices) - 1] >= kind.share else { continue }
                Self.take(kind, free, count)
                sum += Int32(kind.devices) * Int32(kind.share)
            }
            cpu -= kind.cpu
        }
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
