internal import HCSModel
internal import HCSSystem

/// The PCI functions of the vendors' accelerators and the ports above them.
struct AcceleratorPaths {
    /// Accelerator functions at or below an address; none for one that is not ours.
    private(set) var accelerators: [PCIAddress: Set<PCIAddress>] = [:]

    /// As above, ascending.
    func accelerators(at address: PCIAddress) -> [PCIAddress] {
        (accelerators[address] ?? []).sorted { $0.description < $1.description }
    }

    /// sysfs links go no deeper than this many bridges.
    private static let depthLimit = 32

    init() {}

    init(root: HostRoot) {
        for function in PCIBus(root: root).functions(ofVendors: Set(Vendor.allCases.map(\.pciVendorID)))
        where Self.isAccelerator(function, root: root) {
            for address in Self.path(to: function.address, root: root) {
                accelerators[address, default: []].insert(function.address)
            }
        }
    }

    /// A card that fell off the bus is told of by the port above it after sysfs forgot it: what was known stays.
    mutating func add(_ other: AcceleratorPaths) {
        accelerators.merge(other.accelerators) { $0.union($1) }
    }

    /// The vendors make bridges, network cards and management displays too. Accelerators are display controllers (03) or
    /// processing accelerators (12); Huawei's displays are those of its management controllers.
    private static func isAccelerator(_ function: HostFacts.PCIFunction, root: HostRoot) -> Bool {
        let file = root.path("/sys/bus/pci/devices/\(function.address)/class")
        guard let text = try? SmallFile.text(file, limit: 4096), text.hasPrefix("0x"), text.utf8.count >= 8 else {
            return false
        }
        switch text.dropFirst(2).prefix(2) {
        case "12": return true
        case "03": return function.vendorID != Vendor.ascend.pciVendorID
        default: return false
        }
    }

    /// The function and the bridges above it: the parts of sysfs's link
    /// `../../../devices/pci0000:00/0000:00:01.0/0000:3b:00.0` that are addresses.
    private static func path(to address: PCIAddress, root: HostRoot) -> [PCIAddress] {
        let link = (try? SmallFile.link(root.path("/sys/bus/pci/devices/\(address)"))) ?? ""
        let parts = link.split(separator: "/").suffix(depthLimit).compactMap { part in
            part.utf8.count >= 12 ? PCIAddress(part) : nil
        }
        return parts.contains(address) ? parts : parts + [address]
    }
}
