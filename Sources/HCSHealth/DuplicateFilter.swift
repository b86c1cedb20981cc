/// One fault is told by many: lines of a burst, the kernel log and the vendor's library, one code that explains another.
/// It counts once in the policy's window, from the first telling on, so that an endless storm goes on counting.
package struct DuplicateFilter: Hashable, Sendable {
    private struct Told: Hashable, Sendable {
        var atMilliseconds: Int64
        var faultClass: FaultClass
    }

    private static let limit = 128
    private var told: [String: Told] = [:]

    package init() {}

    mutating func clockWasSet(by step: Int64) {
        for name in Array(told.keys) { told[name]?.atMilliseconds.shift(by: step) }
    }

    /// Whether this telling is a new fault.
    /// - Parameters:
    ///   - key: the code, and for a program's fault whose it was.
    ///   - also: a name that this telling takes as well, without asking for it.
    ///   - sets: the policy's groups of codes that tell of the same fault.
    package mutating func admit(
        _ key: String, also: String? = nil, sets: [Int], faultClass: FaultClass, at now: Int64, windowSeconds: Int64
    ) -> Bool {
        guard windowSeconds > 0 else { return true }
        func isWithin(_ at: Int64) -> Bool {
            let (age, overflow) = now.subtractingReportingOverflow(at)
            return !overflow && age.magnitude < UInt64(windowSeconds) * 1000
        }
        let names = sets.map { "set \($0)" }
        if let one = told[key], isWithin(one.atMilliseconds), one.faultClass >= faultClass { return false }
        if names.contains(where: { name in
            told[name].map { isWithin($0.atMilliseconds) && $0.faultClass >= faultClass } ?? false
        }) {
            return false
        }
        for name in [key] + names + (also.map { [$0] } ?? []) {
            told[name] = Told(atMilliseconds: now, faultClass: faultClass)
        }
        if told.count > Self.limit {
            let oldest = told.sorted { $0.value.atMilliseconds < $1.value.atMilliseconds }.prefix(
                told.count - Self.limit)
            for (name, _) in oldest { told[name] = nil }
        }
        return true
    }
}

/// Numbers of kernel-log records that were counted. They come nearly in order, so the oldest are let go in one cut.
package struct SequenceWindow: Hashable, Sendable {
    package static let limit = 4096
    /// Ascending.
    private var numbers: [UInt64]

    package init(_ numbers: [UInt64] = []) { self.numbers = Array(Set(numbers).sorted().suffix(Self.limit)) }

    /// False for a number that was counted before, or is older than all that are remembered.
    package mutating func insert(_ number: UInt64) -> Bool {
        var low = 0, high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        if low < numbers.count, numbers[low] == number { return false }
        if low == 0, numbers.count >= Self.limit { return false }
        numbers.insert(number, at: low)
        if numbers.count >= 2 * Self.limit { numbers.removeFirst(numbers.count - Self.limit) }
        return true
    }

    /// The newest, ascending.
    package var latest: [UInt64] { Array(numbers.suffix(Self.limit)) }

    /// The first number and then the distances, decimal, with blanks between them: in a storm the numbers are kept many
    /// times a second, and an array of them costs more than all that is kept beside.
    static func text(of numbers: [UInt64]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(4 * numbers.count + 20)
        var last: UInt64 = 0
        for number in numbers {
            if !text.isEmpty { text.append(UInt8(ascii: " ")) }
            let distance = number &- last
            if distance < 10 {
                text.append(UInt8(ascii: "0") + UInt8(distance))
            } else {
                text += Array(String(distance).utf8)
            }
            last = number
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What `text(of:)` wrote; nil for anything else: no number, one that does not ascend, more than there can be.
    static func numbers(in text: String) -> [UInt64]? {
        var numbers: [UInt64] = []
        for part in text.utf8.split(separator: UInt8(ascii: " "), maxSplits: limit) {
            guard numbers.count < limit, let distance = UInt64(Substring(part)) else { return nil }
            let (number, overflow) = (numbers.last ?? 0).addingReportingOverflow(distance)
            guard !overflow, distance > 0 || numbers.isEmpty else { return nil }
            numbers.append(number)
        }
        return numbers
    }
}
