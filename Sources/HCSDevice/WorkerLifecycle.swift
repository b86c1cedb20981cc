package import HCSModel
/// When a vendor worker is started, given up and started again. A value: `now` comes in, `VendorWorker` acts.
/// Invariant: `restartAt` holds for every state in which no worker runs.
package struct WorkerLifecycle: Sendable {
    package typealias Instant = SuspendingClock.Instant

    package private(set) var state: VendorStatus.State = .starting
    package private(set) var reason: String?
    package private(set) var missedDeadlines = 0
    package private(set) var restarts = 0
    /// A killed worker that could not be reaped.
    package private(set) var isStuck = false

    private let timing: WorkerTiming
    private var restartAt: Instant?
    private var runningSince: Instant?
    private var failures = 0
    private var absences = 0
    private var wasStarted = false

    package init(timing: WorkerTiming) { self.timing = timing }

    /// Whether a worker should be started now. Never beside a stuck one.
    package func mayStart(now: Instant) -> Bool {
        !isStuck && runningSince == nil && restartAt.map { now >= $0 } ?? true
    }

    package mutating func starting() {
        if wasStarted { restarts += 1 }
        wasStarted = true
        state = .starting
    }

    /// The library is open.
    package mutating func started(now: Instant) {
        state = .running
        reason = nil
        runningSince = now
        restartAt = nil
        absences = 0
    }

    /// A sample came in time.
    package mutating func sampled(now: Instant) {
        missedDeadlines = 0
        state = .running
        reason = nil
        if let since = runningSince, now - since >= timing.stableAfter { failures = 0 }
    }

    /// The worker answered, and the answer was an error: it goes on.
    package mutating func answered(error: String) { reason = error }

    package mutating func missedDeadline(_ why: String, now: Instant) {
        missedDeadlines += 1
        fail(.hung, why, now: now)
    }

    /// The driver changed under the library. The first new worker comes at once; one that finds its library stale again
    /// before it has run for a while backs off as after a crash.
    package mutating func stale(_ why: String, now: Instant) {
        let wasStable = runningSince.map { now - $0 >= timing.stableAfter } ?? false
        fail(.crashed, why, now: now)
        if wasStable { restartAt = now }
    }

    package mutating func crashed(_ why: String, now: Instant) { fail(.crashed, why, now: now) }

    /// - Parameter isThere: the library was found and did not start, which takes ever longer to be tried again.
    package mutating func absent(_ why: String, isThere: Bool, now: Instant) {
        state = .absent
        reason = why
        runningSince = nil
        failures = 0
        absences = isThere ? min(absences + 1, WorkerTiming.absentSlowdown) : 1
        restartAt = now + timing.absentRetry * absences
    }

    /// A poll came before the next start is due.
    package mutating func waited() {
        if state == .crashed || (state == .hung && !isStuck) { state = .backingOff }
    }

    package mutating func stuck(_ value: Bool) {
        isStuck = value
        if value { state = .hung }
    }

    private mutating func fail(_ state: VendorStatus.State, _ why: String, now: Instant) {
        if let since = runningSince, now - since >= timing.stableAfter { failures = 0 }
        runningSince = nil
        self.state = state
        reason = why
        restartAt = now + backOff(failures)
        failures += 1
    }

    /// Doubles from the first to the longest.
    package func backOff(_ failures: Int) -> Duration {
        min(timing.firstBackOff * (1 << min(failures, 16)), timing.maximumBackOff)
    }
}
