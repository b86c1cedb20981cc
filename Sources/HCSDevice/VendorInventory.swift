import HCSModel

/// What a library listed, and what it listed but could not describe: left out is never left unsaid.
package struct VendorInventory: Hashable, Sendable {
    package var devices: [DeviceInventory]
    /// One sentence for each device that was left out.
    package var skipped: [String]

    package init(devices: [DeviceInventory] = [], skipped: [String] = []) {
        self.devices = devices
        self.skipped = skipped
    }

    /// Adds a device, unless it is no usable one or its identity is taken (two with one identity could not be told apart).
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
}

extension VendorInventory {
    package var json: JSONValue {
        JSONValue(fields: [
            ("devices", .array(devices.map(\.json))), ("skipped", .array(skipped.map { .string($0) })),
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
                skip("device \(position) of the list: identity, name, index or memory is not plausible")
            }
        }
        for text in json["skipped"]?.array ?? [] {
            if let text = text.string.flatMap({ PrintableText.clean($0, limit: 256) }) { skip(text) }
        }
    }
}
