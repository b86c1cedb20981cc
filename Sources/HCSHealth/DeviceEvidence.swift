package import HCSModel

/// Everything known about one device that a rule may look at.
package struct DeviceEvidence: Hashable, Sendable {
    package var device: Device
    package var memory: DeviceMemory
    package var sample: DeviceSample?
    /// When the last sample came, milliseconds since 1970; nil = none since the device arrived.
    package var sampledMilliseconds: Int64?
    package var arrivedMilliseconds: Int64
    /// Samples that came.
    package var presence: SlotWindow
    /// When the vendor's health call began to say what the sample says.
    package var vendorHealthSinceMilliseconds: Int64?
    /// When the temperature rose over the policy's `warn`.
    package var warmSinceMilliseconds: Int64?
    /// When the device began to work with too narrow or too slow a link.
    package var narrowSinceMilliseconds: Int64?
    /// Samples with throttle causes, and those of them where a cause of the policy held.
    package var throttleSeen: SlotWindow
    package var throttled: SlotWindow
    package var replays = RateMeter()
    package var pcieErrors = RateMeter()
    /// Lanes that were up and are down, with the time.
    package var downLinks: [String: Int64] = [:]
    package var stuck: [StuckProcess] = []
    /// Processes that a probe found to have the device open.
    package var holders: Set<Int32> = []
    /// The library has listed a process of this device before: that it lists none now says something.
    package var hasListedProcesses = false
    /// Of the node: its NVSwitches are without their fabric manager.
    package var fabricManagerDown: MissingService?
    /// Of the node: its InfiniBand and RoCE ports that were active and are not.
    package var downPorts: [String: MissingService] = [:]
    /// When memory began to be in use with no process that could hold it.
    package var abandonedSinceMilliseconds: Int64?
    package var duplicates = DuplicateFilter()
    package var peers = PeerComparison()
    package var worker = WorkerEvidence()
    /// The sample that the temperature's trend took last.
    private var followedMilliseconds: Int64?

    package static let maximumStuck = 16
    package static let maximumHolders = 4096
    package static let maximumPorts = 1024

    package init(
        device: Device, memory: DeviceMemory = DeviceMemory(), at now: Int64 = 0, policy: HealthPolicy,
        sampleSeconds: Double = 10
    ) {
        self.device = device
        self.memory = memory
        arrivedMilliseconds = now
        presence = SlotWindow(windowSeconds: policy.coverage.windowSeconds, slotSeconds: sampleSeconds)
        throttleSeen = SlotWindow(windowSeconds: policy.throttle.windowSeconds, slotSeconds: sampleSeconds)
        throttled = throttleSeen
    }

    mutating func shiftSamples(by step: Int64) {
        sampledMilliseconds?.shift(by: step)
        followedMilliseconds?.shift(by: step)
    }

    /// Adds a sample under load to the temperature's trend, once: against the peers where there are enough.
    mutating func followTemperature(_ policy: HealthPolicy) {
        let limits = policy.thermalResidual.trend
        guard let at = sampledMilliseconds, at != followedMilliseconds, let degrees = sample?.temperatureCelsius,
            (sample?.utilizationPercent ?? 0) >= limits.minimumUtilization
        else { return }
        followedMilliseconds = at
        memory.slow.trend.add(
            peers.residual ?? degrees, isResidual: peers.residual != nil, at: at, policy: limits)
    }
}

/// A service or a port of the host that should be up and is not.
package struct MissingService: Hashable, Sendable {
    package var sinceMilliseconds: Int64
    package var source: String
    package var detail: String

    package init(sinceMilliseconds: Int64, source: String, detail: String) {
        self.sinceMilliseconds = sinceMilliseconds
        self.source = source
        self.detail = detail
    }
}

/// A process that sits in one call of a vendor's driver.
package struct StuckProcess: Hashable, Sendable {
    package var pid: Int32
    package var sinceMilliseconds: Int64
    package var seenMilliseconds: Int64
    package var source: String

    package init(pid: Int32, sinceMilliseconds: Int64, seenMilliseconds: Int64, source: String) {
        self.pid = pid
        self.sinceMilliseconds = sinceMilliseconds
        self.seenMilliseconds = seenMilliseconds
        self.source = source
    }
}

/// Missed deadlines and answer times of the process that asks a vendor's library.
package struct WorkerEvidence: Hashable, Sendable {
    static let answers = 128

    /// The worker's own count as it told it last; nil = never told.
    package var total: UInt64?
    /// Misses since the last answer.
    package var inARow: UInt64 = 0
    package var sinceMilliseconds: Int64 = 0
    package var bucket: LeakyBucket?
    /// 99th percentile of the last answers over the baseline.
    package var slowness = DecayingMaximum()
    private var latest: [Double] = []
    private var baseline: Double = 0
    private var seen = 0

    package init() {}

    /// An answer that took so long.
    mutating func answered(milliseconds: Double, at now: Int64, policy: HealthPolicy.Collector) {
        guard milliseconds.isFinite, milliseconds >= 0 else { return }
        latest.append(milliseconds)
        latest.removeFirst(max(0, latest.count - Self.answers))
        seen = min(seen + 1, 1_000_000)
        if seen > Self.answers, let worst = latest.sorted().dropLast(latest.count / 100).last {
            let usual = max(policy.minimumBaselineMilliseconds, baseline)
            slowness.add(
                worst / usual, at: now, halfLifeSeconds: policy.level.halfLifeSeconds, warn: policy.level.warn)
        }
        // Own baseline: the mean of about the last 10,000 answers.
        baseline += max(1 / Double(seen), 1e-4) * (milliseconds - baseline)
    }
}

/// How a device stands among those of the same model on its host.
package struct PeerComparison: Hashable, Sendable {
    package struct Figure: Hashable, Sendable {
        package var value: Double
        package var median: Double
        package var peers: Int

        package init(value: Double, median: Double, peers: Int) {
            self.value = value
            self.median = median
            self.peers = peers
        }
    }
    /// Robust z of the temperature at equal power.
    package var temperature: Figure?
    /// Degrees over the peers' median at equal power.
    package var residual: Double?
    /// Compute clock over the peers' median, under load.
    package var clock: Figure?

    package init() {}
}
