/// What decides the value of a node: its model and what is free. Equal states share one entry in `PackingStateTable`.
struct PackingState: Equatable {
    /// Free thousandths of each device, largest first, 0 beyond `count`.
    var free: SIMD16<UInt16>
    var cpu: Int32
    var model: UInt8
    var count: UInt8

    init(model: UInt8, cpu: Int32, free devices: [UInt16]) {
        free = .zero
        self.cpu = cpu
        self.model = model
        count = 0
        for value in devices { add(value) }
    }

    /// One more device.
    mutating func add(_ milli: UInt16) {
        var i = Int(count)
        while i > 0, free[i - 1] < milli {
            free[i] = free[i - 1]
            i -= 1
        }
        free[i] = milli
        count += 1
    }

    var freeMilli: Int {
        var sum = 0
        for i in 0..<Int(count) { sum += Int(free[i]) }
        return sum
    }

    /// Devices with at least `share` free; they are the first ones.
    func fitting(_ share: UInt16) -> Int {
        var n = 0
        while n < Int(count), free[n] >= share { n += 1 }
        return n
    }

    /// Whether `shape` fits, host memory apart.
    func fits(_ shape: PackingShape) -> Bool {
        guard cpu >= shape.cpu else { return false }
        guard shape.devices > 0 else { return true }
        return shape.allows(model: model) && fitting(shape.share) >= Int(shape.devices)
    }

    /// Takes `share` from the device at `index`.
    mutating func take(_ share: UInt16, at index: Int) {
        let left = free[index] - share
        var i = index
        while i + 1 < Int(count), free[i + 1] > left {
            free[i] = free[i + 1]
            i += 1
        }
        free[i] = left
    }

    /// The state after `shape` was put here: one share on the device at `index`, several on the tightest ones.
    func placing(_ shape: PackingShape, at index: Int) -> PackingState {
        var state = self
        state.cpu -= shape.cpu
        if shape.devices == 1 {
            state.take(shape.share, at: index)
        } else if shape.devices > 1 {
            let end = fitting(shape.share)
            for i in end - Int(shape.devices)..<end { state.free[i] -= shape.share }
            state.sort()
        }
        return state
    }

    private mutating func sort() {
        for i in 1..<Int(count) {
            let value = free[i]
            var j = i
            while j > 0, free[j - 1] < value {
                free[j] = free[j - 1]
                j -= 1
            }
            free[j] = value
        }
    }

    /// Least of free CPU and devices first; 128 cores weigh as much as 8 devices.
    var packingTie: Int64 { min(Int64(cpu) + 16 * Int64(freeMilli), RankKey.tieLimit) }

    /// All of the state, as numbers: the free thousandths, and the rest.
    var words: SIMD4<UInt64> { unsafeBitCast(free, to: SIMD4<UInt64>.self) }
    var rest: UInt64 { UInt64(UInt32(bitPattern: cpu)) | UInt64(model) &<< 32 | UInt64(count) &<< 40 }

    var hash: UInt64 {
        let words = words
        var h = rest
        for i in 0..<4 {
            h = (h ^ words[i]) &* 0x9E37_79B9_7F4A_7C15
            h ^= h &>> 29
        }
        return h
    }
}

/// Every state that a node was in, each once, by number. Bounded: `PackingCore` starts anew when it is full.
struct PackingStateTable {
    private(set) var states: [PackingState] = []
    private(set) var ties: [Int64] = []
    /// Open addressing, a power of two; -1 = empty.
    private var slots: [Int32]
    private var mask: Int

    static let limit = 1 << 18

    var isFull: Bool { states.count >= Self.limit }

    var byteCount: Int {
        states.capacity * MemoryLayout<PackingState>.stride + ties.capacity * 8 + slots.count * 4
    }

    init() {
        slots = Array(repeating: -1, count: 1 << 12)
        mask = slots.count - 1
    }

    mutating func number(of state: PackingState) -> Int32 {
        var slot = Int(truncatingIfNeeded: state.hash &>> 7) & mask
        while slots[slot] >= 0 {
            if states[Int(slots[slot])] == state { return slots[slot] }
            slot = (slot + 1) & mask
        }
        let number = Int32(states.count)
        states.append(state)
        ties.append(state.packingTie)
        slots[slot] = number
        if states.count * 2 > slots.count { grow() }
        return number
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: slots.count * 2)
        mask = slots.count - 1
        for (number, state) in states.enumerated() {
            var slot = Int(truncatingIfNeeded: state.hash &>> 7) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(number)
        }
    }
}
