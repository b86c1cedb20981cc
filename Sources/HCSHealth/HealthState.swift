package import HCSModel

/// What outlives the agent: latches and soft faults by device, so that they follow a moved card, and the records already counted.
package struct HealthState: Hashable, Sendable, Codable {
    package static let currentVersion = 1

    package struct Entry: Hashable, Sendable, Codable {
        package var device: DeviceID
        package var latches: [HealthLatch]
        package var buckets: [String: LeakyBucket]

        package init(device: DeviceID, latches: [HealthLatch], buckets: [String: LeakyBucket]) {
            self.device = device
            self.latches = latches
            self.buckets = buckets
        }
    }

    package var version: Int
    /// Sequence numbers of the kernel log mean something within one boot only.
    package var bootID: String
    package var entries: [Entry]
    /// Kernel-log records that were counted, ascending.
    package var sequences: [UInt64]

    package init(bootID: String, entries: [Entry] = [], sequences: [UInt64] = []) {
        self.version = Self.currentVersion
        self.bootID = bootID
        self.entries = entries
        self.sequences = sequences
    }
}
