package import HCSModel
package import HCSSystem

/// Reads from sysfs where the devices of a host and its network cards and NVMe disks sit. Every file there is taken for
/// hostile: reads are bounded, the way through the bus is read from the text of one link and no link is followed for it.
package struct TopologyReader: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    private var directory: String { root.path("/sys/bus/pci/devices") }

    /// Some milliseconds, blocking: one file for each function on the bus, more for the few that matter.
    package func read(_ devices: [Device]) -> Topology {
        Topology(devices: devices.prefix(Topology.deviceLimit).map(place), adapters: adapters())
    }

    /// A simulated device has no place on this host's bus, whatever address it has: only what its host says of it counts.
    func place(of device: Device) -> DevicePlace {
        var slot = PCISlot(address: device.pci, numaNode: device.numaNode)
        guard !device.simulated, let address = device.pci else { return DevicePlace(device: device.id, slot: slot) }
        slot.path = path(of: address)
        if slot.numaNode == nil { slot.numaNode = PCIBus(root: root).numaNode(of: address) }
        return DevicePlace(device: device.id, slot: slot, cpus: text("\(address)/local_cpulist").flatMap { CPUSet($0) })
    }

    /// The link of a function on the bus is its directory: the names in it are the way. Nil where the link is none of the
    /// kernel's, or leads to another function.
    func path(of address: PCIAddress) -> PCIPath? {
        guard let link = try? SmallFile.link("\(directory)/\(address)") else { return nil }
        let parts = link.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.last.map(String.init) == address.description else { return nil }
        let path = PCIPath(parts.dropLast().joined(separator: "/"))
        return path?.bridges.contains(address) == true ? nil : path
    }

    // MARK: Adapters

    private func adapters() -> [Adapter] {
        guard let names = try? SmallFile.names(in: directory) else { return [] }
        var found: [Adapter] = []
        for name in names {
            guard found.count < Topology.adapterLimit else { break }
            guard let address = PCIAddress(name), let adapter = adapter(name, address) else { continue }
            found.append(adapter)
        }
        return found
    }

    private func adapter(_ function: String, _ address: PCIAddress) -> Adapter? {
        guard let kind = kind(function) else { return nil }
        // A virtual function sits where its physical one does, and there can be hundreds.
        if (try? SmallFile.link("\(directory)/\(function)/physfn")) != nil { return nil }
        let slot = PCISlot(
            address: address, numaNode: PCIBus(root: root).numaNode(of: address), path: path(of: address))
        switch kind {
        case .disk: return Adapter(kind: kind, names: children(function, "nvme"), slot: slot)
        case .network:
            // The interfaces of a virtio card hang on its virtio device.
            let holders = [""] + children(function, "").filter { $0.hasPrefix("virtio") }.map { "/\($0)" }
            return Adapter(
                kind: kind,
                names: Array(holders.flatMap { children(function + $0, "net") }.prefix(Adapter.nameLimit)),
                rdma: children(function, "infiniband").map { rdma(function, $0) }, slot: slot)
        }
    }

    /// By the class that the function itself tells: 02 network (07 InfiniBand), 0108 non-volatile memory.
    private func kind(_ function: String) -> Adapter.Kind? {
        guard let text = text("\(function)/class"), text.hasPrefix("0x"), text.utf8.count == 8 else { return nil }
        if text.hasPrefix("0x02") { return .network }
        return text.hasPrefix("0x0108") ? .disk : nil
    }

    private func rdma(_ function: String, _ name: String) -> Adapter.RDMADevice {
        let ports = children("\(function)/infiniband/\(name)", "ports")
        let layer = ports.first.flatMap { text("\(function)/infiniband/\(name)/ports/\($0)/link_layer") }
        return Adapter.RDMADevice(name: name, linkLayer: ["InfiniBand", "Ethernet"].first { $0 == layer })
    }

    /// Names in a directory of a function, as far as a kernel would give them.
    private func children(_ function: String, _ folder: String) -> [String] {
        let names = (try? SmallFile.names(in: "\(directory)/\(function)/\(folder)", limit: 1024)) ?? []
        let plain = names.filter { $0.utf8.count <= 32 && PrintableText.clean($0) == $0 }
        return folder.isEmpty ? plain : Array(plain.prefix(Adapter.nameLimit))
    }

    private func text(_ file: String) -> String? {
        (try? SmallFile.text("\(directory)/\(file)", limit: 16 << 10)).flatMap {
            PrintableText.clean($0.filter { $0 != "\n" }, limit: 16 << 10)
        }
    }
}
