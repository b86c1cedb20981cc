package import HCSModel

/// A device of a workload, as its creator describes it in the segment.
package struct SegmentDevice: Hashable, Sendable {
    package var vendor: Vendor
    package var id: DeviceID
    /// The index that the vendor's visibility variable uses on this host.
    package var hostIndex: UInt32
    /// Device memory; zero = not known.
    package var physical: ByteCount
    package var limit: ByteCount

    package init(vendor: Vendor, id: DeviceID, hostIndex: UInt32, physical: ByteCount, limit: ByteCount) {
        self.vendor = vendor
        self.id = id
        self.hostIndex = hostIndex
        self.physical = physical
        self.limit = limit
    }
}

/// What a segment said at one moment. The workload can write all of it: figures are claims, and everything is bounded.
package struct SegmentSnapshot: Hashable, Sendable {
    package struct Device: Hashable, Sendable {
        package var device: SegmentDevice
        package var used: ByteCount
        package var peak: ByteCount
        package var deniedRequests: UInt64
        /// Size of the last denied request.
        package var lastDenied: ByteCount
    }

    /// A process of the workload, by its own claim.
    package struct Slot: Hashable, Sendable {
        package var index: Int
        /// In the process's own pid namespace.
        package var pid: UInt32
        package var startTime: UInt64
        package var pidNamespace: UInt64
        package var generation: UInt64
        /// An allocation or free is under way (or the process died within one).
        package var isBusy: Bool
        package var used: [DeviceID: ByteCount]
        /// Context and module memory, not charged to the quota.
        package var overhead: [DeviceID: ByteCount]
    }

    package var workload: String
    package var devices: [Device]
    package var slots: [Slot]
    /// nil = no cap over all devices.
    package var totalLimit: ByteCount?
    package var totalUsed: ByteCount
    /// What in the segment does not have its form, in words: it was damaged, by a bug or on purpose.
    package var problems: [String]

    package var usage: [DeviceUsage] {
        devices.map {
            DeviceUsage(
                device: $0.device.id, used: $0.used, peak: $0.peak, quota: $0.device.limit, denied: $0.deniedRequests)
        }
    }

    /// Sum of the slots' context and module memory on a device; saturates.
    package func overhead(on device: DeviceID) -> ByteCount {
        slots.reduce(.zero) { $0.adding($1.overhead[device] ?? .zero) }
    }
}

/// A dead process's slot that was taken back.
package struct ReapedSlot: Hashable, Sendable {
    package var index: Int
    package var pid: UInt32
    /// What was given back, by device.
    package var bytes: [DeviceID: ByteCount]
}
