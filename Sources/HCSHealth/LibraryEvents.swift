package import HCSModel

/// Faults out of the events that vendors' libraries tell. The kernel log tells the same ones, earlier and with their words:
/// a caller that can read it leaves these out.
package enum LibraryEvents {
    /// Faults of one code in one sample beyond these say nothing more.
    private static let repeats: UInt32 = 16

    /// One fault for each event and time it came, of the device that told it: where parts of one card tell an event each,
    /// it is each one's.
    package static func faults(in samples: [DeviceID: DeviceSample], of devices: [Device], at now: Int64) -> [Fault] {
        devices.sorted { $0.id < $1.id }.flatMap { device in
            (samples[device.id]?.events ?? []).filter { $0.kind == .xid }.flatMap { event in
                let fault = Fault(
                    family: "xid", code: event.code, vendor: device.vendor, pci: device.pci, message: "",
                    record: "told by the vendor's library", sequence: nil, atMilliseconds: now,
                    simulated: device.simulated, source: "vendor-library", device: device.id)
                return Array(repeating: fault, count: Int(min(event.count, repeats)))
            }
        }
    }
}
