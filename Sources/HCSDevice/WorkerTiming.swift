/// How long a vendor worker may take.
package struct WorkerTiming: Hashable, Sendable {
    /// For each request.
    package var call: Duration
    /// For opening the library: NVML without persistence mode starts every GPU first, seconds each.
    package var start: Duration
    /// Between asking a worker to end (socket closed, SIGTERM) and SIGKILL: one slow vendor call may still end.
    package var grace: Duration
    /// After SIGKILL; a worker that is still there is inside the kernel and left behind.
    package var killWait: Duration
    package var firstBackOff: Duration
    package var maximumBackOff: Duration
    /// A library that did not start is tried again after this, then twice this and so on to `absentSlowdown` times: each
    /// look is a process. One that was not there is looked for when something changed in a place where it could be, no
    /// sooner than that.
    package var absentRetry: Duration
    static let absentSlowdown = 5
    /// A library that was not there is looked for after this although nothing changed: a file that was written over in
    /// place changes no directory.
    package var missingTrust: Duration
    /// A worker that ran this long has earned a fresh back-off.
    package var stableAfter: Duration

    package init(
        call: Duration = .seconds(2), start: Duration = .seconds(15), grace: Duration = .seconds(1),
        killWait: Duration = .seconds(2), firstBackOff: Duration = .milliseconds(500),
        maximumBackOff: Duration = .seconds(60), absentRetry: Duration = .seconds(60),
        missingTrust: Duration = .seconds(600), stableAfter: Duration = .seconds(60)
    ) {
        self.call = call
        self.start = start
        self.grace = grace
        self.killWait = killWait
        self.firstBackOff = firstBackOff
        self.maximumBackOff = maximumBackOff
        self.absentRetry = absentRetry
        self.missingTrust = missingTrust
        self.stableAfter = stableAfter
    }
}
