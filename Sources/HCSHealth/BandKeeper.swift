package import HCSModel

/// The band that a score is shown in: down when it stayed low for a while, up when it stayed well above the border for long,
/// to `failed` and from a cleared latch at once. What was known before a gap in the samples holds after it.
package struct BandKeeper: Hashable, Sendable, Codable {
    /// The last band of a known score; nil before the first.
    package private(set) var band: HealthBand?
    private var belowHealthy: Int64?
    private var belowDegraded: Int64?
    private var aboveHealthy: Int64?
    private var aboveDegraded: Int64?

    package init() {}

    mutating func clockWasSet(by step: Int64) {
        belowHealthy?.shift(by: step)
        belowDegraded?.shift(by: step)
        aboveHealthy?.shift(by: step)
        aboveDegraded?.shift(by: step)
    }

    /// - Returns: the band to show.
    package mutating func advance(score: Int?, at now: Int64, policy: HealthPolicy.Hysteresis) -> HealthBand {
        guard let score else { return .unknown }
        let own = HealthBand(score: score)
        guard own != .failed else {
            self = BandKeeper()
            band = .failed
            return .failed
        }
        func since(_ holds: Bool, _ before: Int64?) -> Int64? { holds ? min(before ?? now, now) : nil }
        belowHealthy = since(score < 85, belowHealthy)
        belowDegraded = since(score < 60, belowDegraded)
        aboveHealthy = since(score >= 85 + policy.upMargin, aboveHealthy)
        aboveDegraded = since(score >= 60 + policy.upMargin, aboveDegraded)
        guard let band else {
            self.band = own
            return own
        }
        func lasted(_ since: Int64?, _ seconds: Int64) -> Bool {
            guard let since else { return false }
            let (age, overflow) = now.subtractingReportingOverflow(since)
            return overflow || age >= seconds * 1000
        }
        var next = band
        if lasted(aboveHealthy, policy.upSeconds) {
            next = .healthy
        } else if lasted(aboveDegraded, policy.upSeconds), band != .healthy {
            next = .degraded
        } else if band == .failed {
            next = .suspect
        }
        if lasted(belowDegraded, policy.downSeconds) {
            next = .suspect
        } else if lasted(belowHealthy, policy.downSeconds), next == .healthy {
            next = .degraded
        }
        self.band = next
        return next
    }
}
