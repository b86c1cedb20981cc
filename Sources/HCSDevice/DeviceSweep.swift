package import HCSModel

/// One pass over all devices of a host.
package struct DeviceSweep: Sendable, Hashable {
    /// Devices whose worker answered in time; a device that is gone is here with `lost`. No entry: nothing is known.
    package var samples: [DeviceID: DeviceSample]
    package var workers: [VendorStatus]

    package init(samples: [DeviceID: DeviceSample] = [:], workers: [VendorStatus] = []) {
        self.samples = samples
        self.workers = workers
    }
}
