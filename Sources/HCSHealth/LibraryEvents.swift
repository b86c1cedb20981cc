package import HCSModel

/// Faults out of the events that vendors' libraries tell. The kernel log tells most of them too, earlier and with their
/// words; neither tells all (NVIDIA/DCGM#235).
package enum LibraryEvents {
    /// Faults of one code in one sample beyond these say nothing more.
    private static let repeats: UInt32 = 16

    /// One fault for each event and time it came. Parts of one card tell its events each: a slot's count once.
    package static func faults(in samples: [DeviceID: DeviceSample], of devices: [Device], at now: Int64) -> [Fault] {
        var seen: [Place: UInt32] = [:]
        var faults: [Fault] = []
        for device in devices.sorted(by: { $0.id < $1.id }) {
            guard let pci = device.pci else { continue }
            for event in samples[device.id]?.events ?? [] where event.kind == .xid {
                let place = Place(pci: pci, code: event.code)
                let told = seen[place, default: 0], count = min(event.count, repeats)
                guard count > told else { continue }
                seen[place] = count
                let fault = Fault(
                    family: "xid", code: event.code, vendor: device.vendor, pci: pci,
                    message: "", sequence: nil, atMilliseconds: now,
                    simulated: device.simulated, source: "vendor-library")
                faults += Array(repeating: fault, count: Int(count - told))
            }
        }
        return faults
    }

    private struct Place: Hashable {
        var pci: PCIAddress
        var code: UInt32
    }
}
