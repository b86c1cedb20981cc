/// What a device's library tells about it beyond identity and size. Absent: it does not tell.
package struct DeviceDetails: Hashable, Sendable, Codable {
    /// Who made it, where that is not its vendor: `AMD` for a card behind ROCm SMI.
    package var maker: String?
    package var serial: String?
    package var partNumber: String?
    package var firmware: String?
    /// As the vendor's compilers name the target: `sm_90`, `gfx936`, `Ascend910B3`, `mtp_592`.
    package var architecture: String?
    /// The newest version of the vendor's runtime that the driver serves, such as CUDA `12.4`.
    package var runtimeVersion: String?
    /// For a part of a card.
    package var partition: DevicePartition?
    /// Lanes to other devices and switches; at most `linkLimit`.
    package var links: [DeviceLink]

    package static let linkLimit = 64

    package init(
        serial: String? = nil, partNumber: String? = nil, firmware: String? = nil, architecture: String? = nil,
        runtimeVersion: String? = nil, partition: DevicePartition? = nil, links: [DeviceLink] = []
    ) {
        self.serial = serial
        self.partNumber = partNumber
        self.firmware = firmware
        self.architecture = architecture
        self.runtimeVersion = runtimeVersion
        self.partition = partition
        self.links = links
    }
}

/// A part of a card that is a device of its own: a MIG instance, a vNPU, a vDCU, an sMLU.
package struct DevicePartition: Hashable, Sendable, Codable {
    /// The card's own identity; the card itself is no device while it is cut up.
    package var card: DeviceID
    /// The vendor's name for the cut, such as `1g.10gb`.
    package var profile: String?
    /// Compute slices it has, of so many that the card has.
    package var slices: Int
    package var cardSlices: Int

    package init(card: DeviceID, profile: String? = nil, slices: Int, cardSlices: Int) {
        self.card = card
        self.profile = profile
        self.slices = slices
        self.cardSlices = cardSlices
    }

    /// The number of a virtual DCU, by its profile `vdcu<number>`.
    package var virtualDCU: UInt32? {
        profile.flatMap { $0.hasPrefix("vdcu") ? UInt32($0.dropFirst(4)) : nil }
    }

    /// Its part of the card's compute, 0 to 1.
    package var share: Double { cardSlices > 0 ? min(1, max(0, Double(slices) / Double(cardSlices))) : 0 }
}

/// One lane of a device's own interconnect.
package struct DeviceLink: Hashable, Sendable, Codable {
    package enum Kind: String, Codable, Hashable, Sendable, CaseIterable { case nvlink, hccs, xgmi, mlulink }

    package enum Peer: String, Codable, Hashable, Sendable { case device, fabric, host, unknown }

    package var kind: Kind
    package var lane: Int
    package var up: Bool
    package var peer: Peer
    /// The other end, where it is a function on this host.
    package var peerAddress: PCIAddress?
    /// The vendor's generation of the link.
    package var version: Int?
    /// GB/s in one direction; nil where nobody tells.
    package var bandwidthGBps: Double?

    package init(
        kind: Kind, lane: Int, up: Bool, peer: Peer = .unknown, peerAddress: PCIAddress? = nil, version: Int? = nil,
        bandwidthGBps: Double? = nil
    ) {
        self.kind = kind
        self.lane = lane
        self.up = up
        self.peer = peer
        self.peerAddress = peerAddress
        self.version = version
        self.bandwidthGBps = bandwidthGBps
    }
}
