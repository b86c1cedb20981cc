package import HCSModel

/// Where devices of one vendor come from: the host's own library, or a simulated one that was asked for by name.
package struct VendorSource: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case real
        /// `stateFile` is a simulated host (`hcs_sim.h`).
        case simulated(libraryDirectory: String, stateFile: String)
    }

    package var vendor: Vendor
    package var kind: Kind

    package init(vendor: Vendor, kind: Kind) {
        self.vendor = vendor
        self.kind = kind
    }

    package var isSimulated: Bool { kind != .real }

    package static func real(_ vendor: Vendor) -> VendorSource { VendorSource(vendor: vendor, kind: .real) }
}
