/// Counters that only grow, read again and again: gives what each grew by.
struct CounterWatch<Key: Hashable> {
    private var last: [Key: UInt64] = [:]

    /// More than any host has of what is counted here; later keys are left out.
    static var limit: Int { 1 << 16 }

    var isEmpty: Bool { last.isEmpty }

    /// 0 for a counter seen for the first time. One that went back belongs to a device that was replaced or reset: it
    /// counts from here.
    mutating func growth(of key: Key, to value: UInt64) -> UInt64 {
        growth(of: key, to: value, from: value)
    }

    /// As above, but one seen for the first time grew from `start`.
    mutating func growth(of key: Key, to value: UInt64, from start: UInt64) -> UInt64 {
        guard last[key] != nil || last.count < Self.limit else { return 0 }
        let before = last.updateValue(value, forKey: key) ?? start
        return value > before ? value - before : 0
    }

    /// Forgets the counters that are no more: when one comes back it is another.
    mutating func keep(_ isThere: (Key) -> Bool) { last = last.filter { isThere($0.key) } }
}

extension UInt64 {
    /// The sum, or the largest number: counters of a host can hold anything.
    func saturatingAdd(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
