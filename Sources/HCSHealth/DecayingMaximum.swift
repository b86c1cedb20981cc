import Glibc

/// The largest value of late: it falls by half in each half-life, and a larger one takes its place.
package struct DecayingMaximum: Hashable, Sendable, Codable {
    package private(set) var value: Double = 0
    package private(set) var atMilliseconds: Int64 = 0
    /// When it rose over what matters.
    package private(set) var sinceMilliseconds: Int64 = 0

    package init() {}

    /// Without a half-life the last value is the value.
    package func level(at now: Int64, halfLifeSeconds: Double?) -> Double {
        guard let halfLifeSeconds else { return value }
        let (age, overflow) = now.subtractingReportingOverflow(atMilliseconds)
        guard !overflow, age > 0 else { return value }
        return value * exp2(-Double(age) / 1000 / halfLifeSeconds)
    }

    /// - Parameter warn: from here on it matters, for `sinceMilliseconds`.
    package mutating func add(_ new: Double, at now: Int64, halfLifeSeconds: Double?, warn: Double = 1e-3) {
        guard new.isFinite else { return }
        let left = level(at: now, halfLifeSeconds: halfLifeSeconds)
        guard halfLifeSeconds == nil || new >= left else { return }
        if left <= warn { sinceMilliseconds = now }
        value = new
        atMilliseconds = now
    }
}

/// Events a minute: the worst minute of late, decaying.
package struct RateMeter: Hashable, Sendable {
    private var minuteMilliseconds: Int64?
    private var count: Double = 0
    package private(set) var worst = DecayingMaximum()

    package init() {}

    package mutating func add(_ events: Double, at now: Int64, halfLifeSeconds: Double?, warn: Double = 1e-3) {
        guard events.isFinite, events > 0 else { return }
        if let begin = minuteMilliseconds {
            let (age, overflow) = now.subtractingReportingOverflow(begin)
            if overflow || !(0..<60_000).contains(age) { minuteMilliseconds = nil }
        }
        if minuteMilliseconds == nil { (minuteMilliseconds, count) = (now, 0) }
        count += events
        worst.add(count, at: now, halfLifeSeconds: halfLifeSeconds, warn: warn)
    }
}
