package import HCSModel

/// What a PCI function says that it is.
package struct PCIIdentifier: Hashable, Sendable {
    package var vendor: UInt16
    package var device: UInt16

    package init(vendor: UInt16, device: UInt16) {
        self.vendor = vendor
        self.device = device
    }
}

/// PCI functions as sysfs lists them.
package struct PCIBus: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    private var directory: String { root.path("/sys/bus/pci/devices") }

    /// Functions whose vendor is one of `vendors`, by address; empty where the host has no PCI bus. A function that
    /// vanishes while it is read is left out.
    package func functions(ofVendors vendors: Set<UInt16>) -> [HostFacts.PCIFunction] {
        guard let names = try? SmallFile.names(in: directory) else { return [] }
        return names.compactMap { function($0) }.filter { vendors.contains($0.vendorID) }
    }

    /// Every function on the bus.
    package func functions() -> [HostFacts.PCIFunction] {
        guard let names = try? SmallFile.names(in: directory) else { return [] }
        return names.compactMap { function($0) }
    }

    /// Whether the host has any function in this PCI domain.
    package func hasDomain(_ domain: UInt32) -> Bool {
        functions().contains { $0.address.domain == domain }
    }

    private func function(_ name: String) -> HostFacts.PCIFunction? {
        guard let address = PCIAddress(name), let vendor = number("\(name)/vendor"),
            let device = number("\(name)/device")
        else { return nil }
        return HostFacts.PCIFunction(address: address, vendorID: vendor, deviceID: device, numaNode: numaNode(of: name))
    }

    /// The NUMA node of a function; nil where there is none (the kernel says -1).
    package func numaNode(of address: PCIAddress) -> Int? { numaNode(of: address.description) }

    private func numaNode(of name: String) -> Int? {
        guard let text = try? SmallFile.text("\(directory)/\(name)/numa_node", limit: 4096),
            let node = Int(Substring(text).trimmed), node >= 0
        else { return nil }
        return node
    }

    private func number(_ file: String) -> UInt16? {
        (try? SmallFile.text("\(directory)/\(file)", limit: 4096)).flatMap(Self.parseIdentifier)
    }

    /// `0x10de` and a newline.
    static func parseIdentifier(_ text: String) -> UInt16? {
        let digits = Substring(text).trimmed
        guard digits.hasPrefix("0x"), digits.count == 6 else { return nil }
        return UInt16(digits.dropFirst(2), radix: 16)
    }
}
