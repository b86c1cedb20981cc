import Glibc

/// Corrected memory errors an hour: smoothed (EWMA) for their number, and by a one-sided CUSUM of log1p(rate) against the
/// device's own baseline for their rise.
package struct CorrectableErrorWatch: Hashable, Sendable, Codable {
    private var binMilliseconds: Int64?
    private var binCount: Double = 0
    /// Per hour.
    package private(set) var smoothed: Double = 0
    package private(set) var worst = DecayingMaximum()
    private var mean: Double = 0
    private var variance: Double = 0
    private var bins = 0
    package private(set) var sum: Double = 0
    package private(set) var alarms: LeakyBucket?
    private var alarmMilliseconds: Int64?

    package init() {}

    /// Errors since the call before; 0 matters too: time passed without any.
    package mutating func add(_ errors: Double, at now: Int64, policy: HealthPolicy.CorrectableErrors) {
        guard errors.isFinite, errors >= 0 else { return }
        guard let begin = binMilliseconds else {
            // What came before the first reading came at an unknown time.
            binMilliseconds = now
            return
        }
        binCount += min(errors, 1e15)
        let (age, overflow) = now.subtractingReportingOverflow(begin)
        guard !overflow, age >= 0 else {
            (binMilliseconds, binCount) = (now, 0)
            return
        }
        guard age >= policy.binSeconds * 1000 else { return }
        let rate = binCount * 3_600_000 / Double(age)
        (binMilliseconds, binCount) = (now, 0)
        smoothed += policy.smoothing * (rate - smoothed)
        worst.add(smoothed, at: now, halfLifeSeconds: policy.level.halfLifeSeconds, warn: policy.level.warn)
        watch(log1p(rate), at: now, seconds: Double(age) / 1000, policy)
        // Only a damaged file brings it here; what is no number could not be written again.
        if ![smoothed, mean, variance, sum].allSatisfy(\.isFinite) { self = CorrectableErrorWatch() }
    }

    private mutating func watch(
        _ x: Double, at now: Int64, seconds: Double, _ policy: HealthPolicy.CorrectableErrors
    ) {
        let drift = policy.drift
        if bins >= drift.minimumBins {
            let deviation = max(drift.minimumDeviation, variance.squareRoot())
            sum = min(1e6, max(0, sum + (x - mean) / deviation - drift.allowance))
            let held = alarmMilliseconds.map {
                let (age, overflow) = now.subtractingReportingOverflow($0)
                return !overflow && age >= 0 && age < drift.holdSeconds * 1000
            }
            if sum > drift.threshold, held != true {
                let halfLife = policy.level.halfLifeSeconds ?? 86_400
                if alarms == nil {
                    alarms = LeakyBucket(weight: drift.weight, atMilliseconds: now)
                } else {
                    alarms?.add(drift.weight, at: now, halfLifeSeconds: halfLife)
                }
                (sum, alarmMilliseconds) = (0, now)
            }
        }
        bins = max(0, min(bins, 999_999)) + 1
        let share = max(1 / Double(bins), 1 - exp2(-seconds / drift.baselineSeconds))
        let difference = x - mean
        mean += share * difference
        variance += share * (difference * (x - mean) - variance)
    }

    /// At an operator's word: what was seen counts no more, the baseline stays.
    mutating func forgive() {
        (smoothed, sum, alarms, alarmMilliseconds) = (0, 0, nil, nil)
        worst = DecayingMaximum()
    }
}
