package import HCSModel

/// What a library listed, and what it listed but could not describe: left out is never left unsaid.
package struct VendorInventory: Hashable, Sendable {
    package var devices: [DeviceInventory]
    /// One sentence for each device that was left out.
    package var skipped: [String]
    /// Cards that are no devices because they are cut up, and told all of their parts.
    package var cutUp: Set<DeviceID>

    package init(devices: [DeviceInventory] = [], skipped: [String] = [], cutUp: Set<DeviceID> = []) {
        self.devices = devices
        self.skipped = skipped
        self.cutUp = cutUp
    }

    /// Adds a device, unless it is no usable one, its identity is taken (two with one identity could not be told apart), or
    /// it is a part of a device or a device has it for its card (its memory would count twice).
    /// - Returns: whether it is listed now; if not, `skipped` says why.
    @discardableResult
    package mutating func add(_ device: DeviceInventory) -> Bool {
        guard PrintableText.isIdentity(device.id.uuid) else {
            skip("device \(device.index): its identity '\(device.id.uuid.prefix(32))' is not usable")
            return false
        }
        guard !devices.contains(where: { $0.id == device.id }) else {
            skip("device \(device.index): its identity \(device.id) is another's too")
            return false
        }
        let card = device.details.partition?.card
        guard !devices.contains(where: { $0.id == card || $0.details.partition?.card == device.id }) else {
            skip("device \(device.index): \(card ?? device.id) is listed whole and in parts")
            return false
        }
        guard devices.count < WorkerProtocol.maximumDevices else {
            skip("device \(device.index): more than \(WorkerProtocol.maximumDevices) devices")
            return false
        }
        devices.append(device)
        return true
    }

    package mutating func skip(_ why: String) {
        if skipped.count < WorkerProtocol.maximumDevices { skipped.append(why) }
    }

    /// Whether a device that was listed and is not any more has gone with the way its card is cut: a card that has parts
    /// now, or a part of a card that is whole now or has others. Any other is missing.
    package func retires(_ id: DeviceID, partOf card: DeviceID?) -> Bool {
        let card = card ?? id
        return cutUp.contains(card) || devices.contains { $0.id == card }
    }
}

extension VendorInventory {
    package var json: JSONValue {
        JSONValue(fields: [
            ("devices", .array(devices.map(\.json))), ("skipped", .array(skipped.map { .string($0) })),
            ("cutUp", cutUp.isEmpty ? nil : .array(cutUp.sorted().map { .string($0.uuid) })),
        ])
    }

    /// - Throws: `badReply` where it is no inventory at all. A device that is no plausible one is skipped, with a reason.
    package init(json: JSONValue) throws(DeviceError) {
        guard let entries = json["devices"]?.array else {
            throw DeviceError(.badReply, "the worker's inventory has no list of devices")
        }
        self.init()
        for (position, entry) in entries.prefix(2 * WorkerProtocol.maximumDevices).enumerated() {
            if let device = DeviceInventory(json: entry) {
                add(device)
            } else {
                skip("device \(position) of the list: identity, name, index, memory or partition is not plausible")
            }
        }
        for text in (json["skipped"]?.array ?? []).prefix(2 * WorkerProtocol.maximumDevices) {
            if let text = text.string.flatMap({ PrintableText.clean($0, limit: 256) }) { skip(text) }
        }
        for entry in (json["cutUp"]?.array ?? []).prefix(WorkerProtocol.maximumDevices) {
            if let card = entry.string, PrintableText.isIdentity(card) { cutUp.insert(DeviceID(card)) }
        }
    }
}
