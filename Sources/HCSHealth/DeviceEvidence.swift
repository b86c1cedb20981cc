package import HCSModel

/// Everything known about one device that a rule may look at.
package struct DeviceEvidence: Hashable, Sendable {
    package var device: Device
    /// Hard faults that hold until somebody clears them.
    package var latches: [HealthLatch]
    /// Soft faults by the policy's group name.
    package var buckets: [String: LeakyBucket]
    package var sample: DeviceSample?
    /// When the last sample came, milliseconds since 1970; nil = none since the device arrived.
    package var sampledMilliseconds: Int64?
    /// When the vendor's health call began to say what the sample says.
    package var vendorHealthSinceMilliseconds: Int64?
    /// When the temperature rose over the policy's `warnCelsius`.
    package var warmSinceMilliseconds: Int64?
    package var worker: WorkerEvidence

    package init(device: Device, latches: [HealthLatch] = [], buckets: [String: LeakyBucket] = [:]) {
        self.device = device
        self.latches = latches
        self.buckets = buckets
        self.worker = WorkerEvidence()
    }
}

/// Missed deadlines of the process that asks a vendor's library.
package struct WorkerEvidence: Hashable, Sendable {
    /// The worker's own count as it told it last; nil = never told.
    package var total: UInt64?
    /// Misses since the last answer.
    package var inARow: UInt64 = 0
    package var sinceMilliseconds: Int64 = 0
    package var bucket: LeakyBucket?

    package init() {}
}

/// A hard fault that stays after its cause is gone, over restarts of the agent too.
package struct HealthLatch: Hashable, Sendable, Codable {
    /// `xid`, `vendor-health`.
    package var factor: String
    package var code: UInt32
    package var detail: String
    package var source: String
    package var sinceMilliseconds: Int64
    package var lastMilliseconds: Int64
    package var count: UInt64

    package init(factor: String, code: UInt32, detail: String, source: String, atMilliseconds: Int64) {
        self.factor = factor
        self.code = code
        self.detail = detail
        self.source = source
        self.sinceMilliseconds = atMilliseconds
        self.lastMilliseconds = atMilliseconds
        self.count = 1
    }
}
