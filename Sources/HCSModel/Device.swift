/// Identity of a device: the vendor's UUID, serial or die id, never an index. Unique over hosts.
package struct DeviceID: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    package let uuid: String

    package init(_ uuid: String) { self.uuid = uuid }

    package static func < (a: DeviceID, b: DeviceID) -> Bool { a.uuid < b.uuid }
    package var description: String { uuid }

    package init(from decoder: any Decoder) throws {
        uuid = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(uuid)
    }
}

/// A PCI function's address, written `dddd:bb:dd.f` in lower-case hexadecimal.
package struct PCIAddress: Hashable, Sendable, Codable, CustomStringConvertible {
    package var domain: UInt32
    package var bus: UInt8
    package var device: UInt8
    package var function: UInt8

    package init(domain: UInt32, bus: UInt8, device: UInt8, function: UInt8) {
        self.domain = domain
        self.bus = bus
        self.device = device
        self.function = function
    }

    /// Reads `[dddd[dddd]:]bb:dd[.f]`, as sysfs, NVML and kernel messages write it; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let dotted = text.split(separator: ".", omittingEmptySubsequences: false)
        guard dotted.count <= 2 else { return nil }
        let parts = dotted[0].split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3,
            (parts + dotted.dropFirst()).allSatisfy({
                (1...8).contains($0.count) && $0.allSatisfy { $0.isASCII && $0.isHexDigit }
            })
        else { return nil }
        guard let domain = parts.count == 3 ? UInt32(parts[0], radix: 16) : 0,
            let bus = UInt8(parts[parts.count - 2], radix: 16),
            let device = UInt8(parts[parts.count - 1], radix: 16), device < 32,
            let function = dotted.count == 2 ? UInt8(dotted[1], radix: 16) : 0, function < 8
        else { return nil }
        self.init(domain: domain, bus: bus, device: device, function: function)
    }

    package var description: String {
        func hex(_ value: some BinaryInteger, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(hex(domain, 4)):\(hex(bus, 2)):\(hex(device, 2)).\(function)"
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = PCIAddress(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(32))' is no PCI address")
        }
        self = address
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What a device is: fixed from its discovery to its removal or a driver reload.
package struct Device: Hashable, Sendable, Codable {
    package var id: DeviceID
    package var vendor: Vendor
    /// The name as the vendor's library reports it.
    package var model: String
    /// The index that the vendor's visibility variable uses on this host.
    package var index: UInt32
    package var memory: ByteCount
    package var pci: PCIAddress?
    /// NUMA node of the slot; nil where the host has none or does not tell.
    package var numaNode: Int?
    package var fingerprint: Fingerprint
    package var driverVersion: String?
    package var details: DeviceDetails
    package var simulated: Bool

    package init(
        id: DeviceID, vendor: Vendor, model: String, index: UInt32, memory: ByteCount, pci: PCIAddress? = nil,
        numaNode: Int? = nil, fingerprint: Fingerprint = .unknown, driverVersion: String? = nil,
        details: DeviceDetails = DeviceDetails(), simulated: Bool
    ) {
        self.id = id
        self.vendor = vendor
        self.model = model
        self.index = index
        self.memory = memory
        self.pci = pci
        self.numaNode = numaNode
        self.fingerprint = fingerprint
        self.driverVersion = driverVersion
        self.details = details
        self.simulated = simulated
    }

    /// For people: who made the card.
    package var makerName: String { details.maker ?? vendor.displayName }

    /// For people: the model, and of a part how its card is cut.
    package var modelName: String { details.partition?.profile.map { "\(model) \($0)" } ?? model }

    /// A report of an agent without details is a device without details.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(DeviceID.self, forKey: .id)
        vendor = try container.decode(Vendor.self, forKey: .vendor)
        model = try container.decode(String.self, forKey: .model)
        index = try container.decode(UInt32.self, forKey: .index)
        memory = try container.decode(ByteCount.self, forKey: .memory)
        pci = try container.decodeIfPresent(PCIAddress.self, forKey: .pci)
        numaNode = try container.decodeIfPresent(Int.self, forKey: .numaNode)
        fingerprint = try container.decode(Fingerprint.self, forKey: .fingerprint)
        driverVersion = try container.decodeIfPresent(String.self, forKey: .driverVersion)
        details = try container.decodeIfPresent(DeviceDetails.self, forKey: .details) ?? DeviceDetails()
        simulated = try container.decode(Bool.self, forKey: .simulated)
    }
}
