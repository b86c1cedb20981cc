/// How one vendor's source is doing.
package struct VendorStatus: Hashable, Sendable, Codable {
    package enum State: String, Codable, Hashable, Sendable, CaseIterable {
        /// No library, or its driver is not loaded: expected on most hosts.
        case absent
        case starting
        case running
        /// It missed a deadline and is being ended, or could not be.
        case hung
        /// It ended by itself, or answered nonsense.
        case crashed
        /// The next one is started later.
        case backingOff
    }

    package var vendor: Vendor
    package var simulated: Bool
    package var state: State
    /// Why it is not running, in one sentence; nil where all is well.
    package var reason: String?
    /// Deadlines missed in a row, since the last sample that came in time.
    package var missedDeadlines: Int
    /// Workers started after the first.
    package var restarts: Int
    /// 1 while a killed worker sits in the kernel and cannot be reaped; no other is started beside it.
    package var stuck: Int
    /// Values that were not plausible, since the agent's start.
    package var droppedValues: UInt64
    /// Devices the library listed that could not be taken, one sentence each.
    package var skippedDevices: [String]
    /// How long the last sample took that came in time; nil from an older agent, and before the first.
    package var answerMilliseconds: Double?

    package init(
        vendor: Vendor, simulated: Bool, state: State, reason: String? = nil, missedDeadlines: Int = 0,
        restarts: Int = 0, stuck: Int = 0, droppedValues: UInt64 = 0, skippedDevices: [String] = [],
        answerMilliseconds: Double? = nil
    ) {
        self.vendor = vendor
        self.simulated = simulated
        self.state = state
        self.reason = reason
        self.missedDeadlines = missedDeadlines
        self.restarts = restarts
        self.stuck = stuck
        self.droppedValues = droppedValues
        self.skippedDevices = skippedDevices
        self.answerMilliseconds = answerMilliseconds
    }
}
