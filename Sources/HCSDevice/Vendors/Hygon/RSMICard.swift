import CVendorABI
import HCSModel

extension RSMIListing {
    /// Why the library's device is none for us.
    struct Reason: Error {
        var text: String
        /// One of a maker's accelerators that does not tell what it must.
        var isDevice: Bool
    }

    /// What the library tells of one of its devices.
    struct Card {
        var index: UInt32
        var maker: RSMIModel.Maker
        var identity: String
        var memory: UInt64
        var name: String
        var architecture: String?
        var serial: String?
        var vbios: String?
        var pci: PCIAddress?
        var numaNode: Int?
        var maximumClockMHz: UInt32?
        /// Which of a cut card's parts it is; nil where the library knows no parts.
        var partition: UInt32?
        /// How the card is cut: SPX (not at all) to CPX.
        var mode: String?
        var share: DevicePartition?
    }
}

extension RSMIListing.Card {
    static func read(_ library: RSMILibrary, _ index: UInt32) -> Result<Self, RSMIListing.Reason> {
        let table = library.table
        let vendor = library.half { table.dev_vendor_id_get?(index, &$0) }
        guard let maker = vendor.map({ RSMIModel.Maker(pciVendor: $0) }) ?? (library.build == .hygon ? .hygon : .amd)
        else { return .failure(.init(text: "it is neither Hygon's nor AMD's", isDevice: false)) }
        guard let memory = library.number({ table.dev_memory_total_get?(index, UInt32(RSMI_MEM_TYPE_VRAM), &$0) })
        else { return .failure(.init(text: "it does not tell its memory", isDevice: true)) }
        let device = library.half { table.dev_id_get?(index, &$0) }
        let known = device.flatMap { RSMIModel.card(maker, $0) }
        let bdfid = library.number { table.dev_pci_id_get?(index, &$0) }
        let pci = bdfid.map { PCIAddress(bdfid: $0) }
        let serial = library.text(HCS_RSMI_TEXT_BUFFER) { table.dev_serial_number_get?(index, $0, $1) }
        let vbios = library.text(HCS_RSMI_TEXT_BUFFER) { table.dev_vbios_version_get?(index, $0, $1) }
        let unique = library.number { table.dev_unique_id_get?(index, &$0) }
            .flatMap { $0 == 0 || $0 == .max ? nil : $0 }
        // AMD's library lists the graphics of processors, too. They have no id of their own and are no accelerators.
        guard unique != nil || maker == .hygon || known != nil else {
            return .failure(.init(text: "AMD graphics without a unique id", isDevice: false))
        }
        guard let identity = identity(unique: unique, serial: serial, pci: pci, vbios: vbios) else {
            return .failure(
                .init(
                    text: "it tells neither its unique id nor its serial number nor its PCI address", isDevice: true))
        }
        let name = library.text(HCS_RSMI_NAME_BUFFER) { table.dev_name_get?(index, $0, Int($1)) }
        let node = library.word { table.topo_get_numa_node_number?(index, &$0) }
        return .success(
            Self(
                index: index, maker: maker, identity: identity, memory: memory,
                name: RSMIModel.name(reported: name, maker: maker, device: device), architecture: known?.architecture,
                serial: serial, vbios: vbios, pci: pci, numaNode: node.flatMap { $0 < 1024 ? Int($0) : nil },
                maximumClockMHz: maximumClock(library, index), partition: partition(library, index, bdfid),
                mode: library.text(HCS_RSMI_TEXT_BUFFER) { library.later.dev_compute_partition_get?(index, $0, $1) }))
    }

    func inventory(driver: String?) -> DeviceInventory {
        var device = DeviceInventory(
            id: DeviceID(identity), name: name, index: index, memory: ByteCount(memory), pci: pci, numaNode: numaNode,
            driverVersion: driver, maximumClockMHz: maximumClockMHz)
        device.details.maker = maker == .amd ? "AMD" : nil
        device.details.serial = serial
        device.details.firmware = vbios
        device.details.architecture = architecture
        device.details.partition = share
        return device
    }

    /// The unique id as HIP prints it. A card without one (each answers 0) is known by its serial number, else by its
    /// slot and VBIOS: then it is another card in another slot.
    private static func identity(unique: UInt64?, serial: String?, pci: PCIAddress?, vbios: String?) -> String? {
        if let unique {
            let digits = String(unique, radix: 16)
            return "GPU-" + String(repeating: "0", count: 16 - digits.count) + digits
        }
        if let serial, serial.utf8.count >= 4, serial != "unknown", !serial.allSatisfy({ "0Ff-./NA".contains($0) }) {
            return "SN-\(usable(serial))"
        }
        return pci.map { "PCI-\($0)" + (vbios.map { "-\(usable($0))" } ?? "") }
    }

    private static func usable(_ text: String) -> String {
        String(text.prefix(64).map { PrintableText.isIdentity("x\($0)") ? $0 : "-" })
    }

    private static func partition(_ library: RSMILibrary, _ index: UInt32, _ bdfid: UInt64?) -> UInt32? {
        library.word { library.later.dev_partition_id_get?(index, &$0) }
            ?? bdfid.map { UInt32(truncatingIfNeeded: $0 >> 28) & 15 }
    }

    private static func maximumClock(_ library: RSMILibrary, _ index: UInt32) -> UInt32? {
        library.list({ library.table.dev_gpu_clk_freq_get?(index, UInt32(RSMI_CLK_TYPE_SYS), &$0) }) { list in
            (0..<Int(list.count)).map { list.frequency[$0] }.max().flatMap { UInt32(exactly: $0 / 1_000_000) }
        } ?? nil
    }
}
