/// The makers whose devices HCS knows. Raw values are the names on the wire and on the command line.
package enum Vendor: String, CaseIterable, Codable, Hashable, Sendable {
    case nvidia, ascend, hygon, cambricon

    /// The number used in the segment and the simulated host state (`enum hcs_vendor`).
    package var code: UInt32 {
        switch self {
        case .nvidia: 1
        case .ascend: 2
        case .hygon: 3
        case .cambricon: 4
        }
    }

    package init?(code: UInt32) {
        guard let vendor = Vendor.allCases.first(where: { $0.code == code }) else { return nil }
        self = vendor
    }

    package var displayName: String {
        switch self {
        case .nvidia: "NVIDIA"
        case .ascend: "Huawei Ascend"
        case .hygon: "Hygon"
        case .cambricon: "Cambricon"
        }
    }

    /// PCI vendor identifiers of the maker's accelerators (vendor ABI reference, sections 1.4, 2.3, 3.3, 4.3).
    package var pciVendorID: UInt16 {
        switch self {
        case .nvidia: 0x10de
        case .ascend: 0x19e5
        case .hygon: 0x1d94
        case .cambricon: 0xcabc
        }
    }
}

/// The programming interface a workload is written for: what it asks for instead of a brand's card.
package enum Runtime: String, CaseIterable, Codable, Hashable, Sendable {
    case cuda, acl, hip, cnrt

    /// The makers whose devices run it.
    package var vendors: [Vendor] {
        switch self {
        case .cuda: [.nvidia]
        case .acl: [.ascend]
        case .hip: [.hygon]
        case .cnrt: [.cambricon]
        }
    }
}
