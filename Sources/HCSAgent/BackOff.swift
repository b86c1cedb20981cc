/// Exponential back-off with a cap: how long to wait after the nth failure in a row.
package struct BackOff: Hashable, Sendable {
    package let first: Duration
    package let most: Duration
    package private(set) var failures = 0

    package init(first: Duration = .milliseconds(250), most: Duration = .seconds(5)) {
        self.first = first
        self.most = most
    }

    package mutating func succeeded() { failures = 0 }

    /// Counts a failure and says how long to wait: the doubled time, a random half of it taken off at most, so that many
    /// agents do not come back to a restarted scheduler in one instant.
    package mutating func failed(using generator: inout some RandomNumberGenerator) -> Duration {
        let doubled = first * (1 << min(failures, 16))
        failures += 1
        return min(doubled, most) * Double.random(in: 0.5...1, using: &generator)
    }
}
