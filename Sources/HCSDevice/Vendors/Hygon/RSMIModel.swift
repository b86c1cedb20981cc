import HCSModel

/// Who made a card that ROCm SMI lists, and what it is called and built on, by its PCI ids. The library tells a name only
/// where the driver or a list of PCI ids on the host knows one.
enum RSMIModel {
    enum Maker: Sendable {
        case hygon, amd

        init?(pciVendor: UInt16) {
            switch pciVendor {
            case Vendor.hygon.pciVendorID: self = .hygon
            case RSMIModel.amdVendor: self = .amd
            default: return nil
            }
        }
    }

    static let amdVendor: UInt16 = 0x1002
    static var amdDevices: [UInt16] { amd.keys.sorted() }

    struct Card: Sendable {
        var name: String
        /// The compilers' name of the target; nil where no source tells.
        var architecture: String?
    }

    static func card(_ maker: Maker, _ device: UInt16) -> Card? {
        switch maker {
        case .hygon: hygon[device]
        case .amd: amd[device]
        }
    }

    /// The library's name where it is one, else the table's. AMD's come with the maker in front and, from a list of PCI
    /// ids, behind the chip: `Aldebaran/MI200 [Instinct MI210]`.
    static func name(reported: String?, maker: Maker, device: UInt16?) -> String {
        let known = device.flatMap { card(maker, $0) }?.name
        guard let reported, !isNoName(reported) else {
            return known ?? (maker == .hygon ? "Hygon DCU" : "AMD GPU")
        }
        guard maker == .amd else { return reported }
        var name = reported[...]
        if name.last == "]", let opening = name.lastIndex(of: "["), name.index(after: opening) < name.endIndex {
            let inner = name[name.index(after: opening)...].dropLast()
            if !inner.isEmpty { name = inner }
        }
        return name.uppercased().hasPrefix("AMD") ? String(name) : "AMD \(name)"
    }

    /// Without a name the library answers the device id, such as `0x740f`.
    private static func isNoName(_ text: String) -> Bool { text == "N/A" || text.lowercased().hasPrefix("0x") }

    /// Vendor ABI reference 3.3, from Hygon's hcu-dcgm; architectures where it names the family.
    private static let hygon: [UInt16: Card] = [
        0x55b7: Card(name: "Z100L", architecture: "gfx906"),
        0x55c7: Card(name: "Z200SM"), 0x55d7: Card(name: "Z200SM"),
        0x61a7: Card(name: "K500SM"), 0x61b7: Card(name: "K500SM"), 0x61c7: Card(name: "K500SM"),
        0x61d7: Card(name: "K500SM"), 0x61e7: Card(name: "K500SM"), 0x61f7: Card(name: "K500SM"),
        0x6210: Card(name: "K100_AI", architecture: "gfx928"),
        0x6211: Card(name: "K100_LC_E_AI", architecture: "gfx928"),
        0x6212: Card(name: "K100_LC_AI", architecture: "gfx928"),
        0x6213: Card(name: "K100_AI_i", architecture: "gfx928"),
        0x62a0: Card(name: "K500SM_AI"), 0x62b0: Card(name: "K500SM_AI"),
        0x62b7: Card(name: "K100", architecture: "gfx926"), 0x62c7: Card(name: "K100-LC", architecture: "gfx926"),
        0x6310: Card(name: "BW200", architecture: "gfx936"), 0x6311: Card(name: "BW200_LC", architecture: "gfx936"),
        0x631a: Card(name: "BW1000_H", architecture: "gfx936"), 0x6320: Card(name: "BW150", architecture: "gfx936"),
        0x6321: Card(name: "BW100_LC", architecture: "gfx936"), 0x632a: Card(name: "BW151", architecture: "gfx936"),
        0x6330: Card(name: "BW500SM", architecture: "gfx936"), 0x6360: Card(name: "BW10", architecture: "gfx936"),
        0x636a: Card(name: "BW11", architecture: "gfx936"), 0x6370: Card(name: "BW100", architecture: "gfx936"),
        0x637a: Card(name: "BW101", architecture: "gfx936"), 0x6423: Card(name: "BW1500B"),
        0x6430: Card(name: "BW1100"), 0x6431: Card(name: "BW1000_LC"), 0x6436: Card(name: "BW3000B"),
        0x6437: Card(name: "BW3000B"),
    ]

    /// Up to MI250 from the PCI id list of 2023; MI300 and later from memory of the amdgpu driver's tables.
    private static let amd: [UInt16: Card] = [
        0x6860: Card(name: "AMD Radeon Instinct MI25", architecture: "gfx900"),
        0x66a0: Card(name: "AMD Radeon Instinct MI50/MI60", architecture: "gfx906"),
        0x66a1: Card(name: "AMD Radeon Instinct MI50", architecture: "gfx906"),
        0x738c: Card(name: "AMD Instinct MI100", architecture: "gfx908"),
        0x738e: Card(name: "AMD Instinct MI100", architecture: "gfx908"),
        0x7408: Card(name: "AMD Instinct MI250X", architecture: "gfx90a"),
        0x740c: Card(name: "AMD Instinct MI250X/MI250", architecture: "gfx90a"),
        0x740f: Card(name: "AMD Instinct MI210", architecture: "gfx90a"),
        0x74a0: Card(name: "AMD Instinct MI300A", architecture: "gfx942"),
        0x74a1: Card(name: "AMD Instinct MI300X", architecture: "gfx942"),
        0x74a2: Card(name: "AMD Instinct MI308X", architecture: "gfx942"),
        0x74a5: Card(name: "AMD Instinct MI325X", architecture: "gfx942"),
        0x74b5: Card(name: "AMD Instinct MI300X VF", architecture: "gfx942"),
        0x75a0: Card(name: "AMD Instinct MI350X", architecture: "gfx950"),
        0x75a3: Card(name: "AMD Instinct MI355X", architecture: "gfx950"),
    ]
}
