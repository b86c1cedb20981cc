import HCSModel

/// The part of `hcs simulate show --output json` that the demo checks against: what the simulated driver counts.
struct SimulatedDriver: Decodable {
    struct Device: Decodable {
        var id: DeviceID
        var processes: [Process]

        var requested: ByteCount { processes.reduce(.zero) { $0.adding($1.requested) } }
    }

    struct Process: Decodable {
        /// Bytes that live allocations asked for.
        var requested: ByteCount
        /// The same after the driver's own rounding.
        var charged: ByteCount
    }

    var devices: [Device]

    var requested: ByteCount { devices.reduce(.zero) { $0.adding($1.requested) } }
    var charged: ByteCount { devices.flatMap(\.processes).reduce(.zero) { $0.adding($1.charged) } }
}
