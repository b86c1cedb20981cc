package import HCSModel
package import HCSSystem

/// Measurements that were made, one small file for each device, in a directory of the agent's. Anything may stand in the
/// files: what is not understood counts as not there.
package struct MeasurementStore: Sendable {
    package let directory: String

    package static let maximumFiles = 256
    private static let maximumBytes = 64 << 10

    package init(directory: String) { self.directory = directory }

    private func path(of id: String, simulated: Bool) -> String {
        "\(directory)/\(simulated ? "simulated-" : "")\(id).json"
    }

    /// The last measurement of that device, whatever driver it was made with; nil: none, or not understood.
    package func last(of id: String, simulated: Bool) -> MeasuredFingerprint? {
        guard PrintableText.isIdentity(id),
            let bytes = try? SmallFile.read(path(of: id, simulated: simulated), limit: Self.maximumBytes),
            let json = try? JSONValue(parsing: bytes), json["id"]?.string == id,
            let measured = json["measured"].flatMap({ try? MeasuredFingerprint(json: $0) }),
            measured.simulated == simulated
        else { return nil }
        return measured
    }

    /// The last measurement, if it was made with this driver and these clocks.
    package func current(of device: DeviceInventory, simulated: Bool) -> MeasuredFingerprint? {
        current(
            of: device.id.uuid, driverVersion: device.driverVersion, maximumClockMHz: device.maximumClockMHz,
            simulated: simulated)
    }

    package func current(of id: String, driverVersion: String?, maximumClockMHz: UInt32?, simulated: Bool)
        -> MeasuredFingerprint?
    {
        guard let measured = last(of: id, simulated: simulated), measured.driverVersion == driverVersion,
            measured.maximumClockMHz == maximumClockMHz
        else { return nil }
        return measured
    }

    /// Replaces what is there of that device. Syncs to the disk.
    package func save(_ measured: MeasuredFingerprint, of id: String) throws(SystemError) {
        guard PrintableText.isIdentity(id) else {
            throw SystemError(.invalid, "could not keep a measurement: '\(id.prefix(32))' is no identity")
        }
        try OwnDirectory.make(directory, mode: 0o700)
        let path = path(of: id, simulated: measured.simulated)
        let names = try SmallFile.names(in: directory)
        guard names.count < Self.maximumFiles || names.contains(where: { "\(directory)/\($0)" == path }) else {
            throw SystemError(
                .tooLarge, "could not keep a measurement: \(directory) has \(names.count) files, remove some")
        }
        let json = JSONValue(fields: [("id", .string(id)), ("measured", measured.json)])
        try AtomicFile.write(json.utf8, to: path)
    }
}
