import CVendorABI
import HCSModel

/// One reading of the library's device list: what is told of it, and how its devices are asked for samples.
struct RSMIListing {
    private(set) var inventory = VendorInventory()
    private(set) var devices: [RSMIDevice] = []

    /// - Parameter wasCut: there were virtual DCUs; that they cannot be listed now makes no card whole.
    init(_ library: RSMILibrary, _ virtuals: HydmiLibrary?, wasCut: Bool) throws(DeviceError) {
        let driver = Self.driverVersion(library)
        let count = try Self.count(library)
        let virtual = virtuals?.devices()
        guard virtual != nil || !wasCut else {
            throw DeviceError(.callFailed, "libhydmi does not tell its virtual DCUs any more")
        }
        let parts = Dictionary(grouping: virtual?.found ?? [], by: \.card)
        var cards: [Card] = []
        var areAll = true
        for index in 0..<count {
            switch Card.read(library, index) {
            case .success(let card): cards.append(card)
            case .failure(let reason):
                inventory.skip("device \(index): \(reason.text)")
                if reason.isDevice { areAll = false }
            }
        }
        let addresses = cards.reduce(into: [:]) { $0[$1.index] = $1.pci }
        for card in Self.partitions(cards) {
            if let whole = card.share?.card, areAll { inventory.cutUp.insert(whole) }
            var device = card.inventory(driver: driver)
            let links = Self.links(library, card, addresses)
            device.details.links = links.links
            guard let cut = parts[card.index] else {
                if inventory.add(device) {
                    devices.append(RSMIDevice(library, device, virtual: nil, lanes: links.lanes))
                }
                continue
            }
            if virtual?.areAll == true { inventory.cutUp.insert(device.id) }
            add(cut, of: device, virtuals?.units(ofCard: card.index), library, lanes: links.lanes)
        }
    }

    /// A cut card is no device; its parts are.
    private mutating func add(
        _ parts: [HydmiLibrary.VirtualDevice], of card: DeviceInventory, _ units: Int?, _ library: RSMILibrary,
        lanes: UInt32
    ) {
        let whole = max(units ?? 0, parts.reduce(0) { $0 + $1.units })
        for part in parts {
            var device = card
            device.id = DeviceID("\(card.id.uuid)-v\(part.number)")
            device.memory = ByteCount(part.memory)
            device.details.partition = DevicePartition(
                card: card.id, profile: "vdcu\(part.number)", slices: part.units, cardSlices: whole)
            guard inventory.add(device) else { continue }
            devices.append(RSMIDevice(library, device, virtual: part.number, lanes: lanes))
        }
    }

    /// Partitions of an AMD card (modes DPX to CPX) have the card's unique id; the number of the partition tells them
    /// apart. Some libraries tell the card's whole memory for the first: a part has as much as the smallest.
    private static func partitions(_ cards: [Card]) -> [Card] {
        let groups = Dictionary(grouping: cards, by: \.identity)
        return cards.map { card in
            guard let group = groups[card.identity], group.count > 1, let number = card.partition,
                group.count(where: { $0.partition == number }) == 1
            else { return card }
            var part = card
            part.share = DevicePartition(
                card: DeviceID(card.identity), profile: card.mode, slices: 1, cardSlices: group.count)
            part.identity += "-p\(number)"
            part.memory = group.map(\.memory).min() ?? card.memory
            return part
        }
    }

    private static func count(_ library: RSMILibrary) throws(DeviceError) -> UInt32 {
        var count: UInt32 = 0
        let result = library.table.num_monitor_devices?(&count) ?? RSMI_STATUS_NOT_YET_IMPLEMENTED
        guard result == RSMI_STATUS_SUCCESS else {
            throw library.failure(
                result == RSMI_STATUS_INIT_ERROR ? .libraryStale : .callFailed, "rsmi_num_monitor_devices", result)
        }
        // Without a driver it may start all the same and list nothing: its devices are not lost.
        guard count > 0 || library.hasDriver else {
            throw DeviceError(.initFailed, "ROCm SMI lists no device; \(RSMILibrary.noDriver)")
        }
        return min(count, UInt32(WorkerProtocol.maximumDevices))
    }

    /// The kernel driver's, else that of Hygon's package, else the library's.
    private static func driverVersion(_ library: RSMILibrary) -> String? {
        let kernel = library.text(HCS_RSMI_TEXT_BUFFER) { library.table.version_str_get?(0, $0, $1) }
        if let kernel { return kernel }
        var hygon = hcs_rsmi_hy_version()
        if library.succeeded(library.own.version_get?(&hygon)) { return "\(hygon.major).\(hygon.minor)" }
        var version = rsmi_version_t()
        guard library.succeeded(library.table.version_get?(&version)) else { return nil }
        return "\(version.major).\(version.minor).\(version.patch)"
    }
}

extension RSMIListing {
    /// Lanes as Hygon's library counts them; without them, one link for each card that the topology says is next to it.
    private static func links(
        _ library: RSMILibrary, _ card: Card, _ addresses: [UInt32: PCIAddress]
    ) -> (links: [DeviceLink], lanes: UInt32) {
        let lanes = library.word { library.own.xhcl_link_number_get?(card.index, &$0) } ?? 0
        if lanes > 0, lanes <= UInt32(DeviceDetails.linkLimit) {
            return ((0..<lanes).map { lane(library, card, $0, addresses) }, lanes)
        }
        let others = addresses.keys.sorted().filter { $0 != card.index }
        return (others.compactMap { neighbour(library, card.index, $0, addresses[$0]) }, 0)
    }

    private static func lane(
        _ library: RSMILibrary, _ card: Card, _ lane: UInt32, _ addresses: [UInt32: PCIAddress]
    ) -> DeviceLink {
        let isUp = library.word { library.own.xhcl_link_state_get?(card.index, lane, &$0) } == 1
        let remote = library.number { library.own.xhcl_link_remote_bdfid_get?(card.index, lane, &$0) }
        let address = remote.flatMap { $0 == 0 ? nil : PCIAddress(bdfid: $0) }
        return DeviceLink(
            kind: .xgmi, lane: Int(lane), up: isUp,
            peer: address.map { addresses.values.contains($0) ? .device : .unknown } ?? .unknown, peerAddress: address)
    }

    /// The library calls two cards XGMI neighbours also where others are between them: those have more than one hop.
    private static func neighbour(
        _ library: RSMILibrary, _ from: UInt32, _ to: UInt32, _ address: PCIAddress?
    ) -> DeviceLink? {
        var hops: UInt64 = 0
        var type: UInt32 = 0
        guard to < UInt32(DeviceDetails.linkLimit),
            library.succeeded(library.table.topo_get_link_type?(from, to, &hops, &type)),
            type == UInt32(RSMI_IOLINK_TYPE_XGMI), hops <= 1
        else { return nil }
        var minimum: UInt64 = 0
        var maximum: UInt64 = 0
        // Megabytes a second (amdkfd); 0 where the firmware does not tell.
        let isKnown = library.succeeded(library.table.minmax_bandwidth_get?(from, to, &minimum, &maximum))
        return DeviceLink(
            kind: .xgmi, lane: Int(to), up: true, peer: .device, peerAddress: address,
            bandwidthGBps: isKnown && maximum > 0 ? Double(maximum) / 1000 : nil)
    }
}

extension PCIAddress {
    /// domain << 32 | bus << 8 | device << 3 | function; AMD 6.x puts the partition into bits 28 to 31.
    init(bdfid: UInt64) {
        self.init(
            domain: UInt32(truncatingIfNeeded: bdfid >> 32), bus: UInt8(truncatingIfNeeded: bdfid >> 8),
            device: UInt8(truncatingIfNeeded: bdfid >> 3) & 31, function: UInt8(truncatingIfNeeded: bdfid) & 7)
    }
}
