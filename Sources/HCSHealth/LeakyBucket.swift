import Glibc

/// A sum of weighted events of which half is gone after each half-life. Two numbers, whatever the count of events.
package struct LeakyBucket: Hashable, Sendable, Codable {
    package private(set) var value: Double
    package private(set) var atMilliseconds: Int64
    /// When the first event fell into an empty bucket.
    package private(set) var sinceMilliseconds: Int64
    package private(set) var count: UInt64

    package init(weight: Double, atMilliseconds: Int64) {
        value = weight
        self.atMilliseconds = atMilliseconds
        sinceMilliseconds = atMilliseconds
        count = 1
    }

    /// What is left at `now`. A clock that went back does not make it grow.
    package func level(at now: Int64, halfLifeSeconds: Double) -> Double {
        let age = now.subtractingReportingOverflow(atMilliseconds)
        guard !age.overflow, age.partialValue > 0 else { return value }
        return value * exp2(-Double(age.partialValue) / 1000 / halfLifeSeconds)
    }

    mutating func clockWasSet(by step: Int64) {
        atMilliseconds.shift(by: step)
        sinceMilliseconds.shift(by: step)
    }

    package mutating func add(_ weight: Double, at now: Int64, halfLifeSeconds: Double) {
        value = level(at: now, halfLifeSeconds: halfLifeSeconds) + weight
        atMilliseconds = max(now, atMilliseconds)
        count = count == .max ? count : count + 1
    }
}
