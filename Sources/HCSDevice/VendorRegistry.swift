package import HCSModel

/// The vendors a worker can ask. A new vendor is one line here and a folder in `Vendors/`.
package enum VendorRegistry {
    package static let backends: [Vendor: any VendorBackend.Type] = [
        .nvidia: NVMLBackend.self,
        .ascend: DCMIBackend.self,
        .hygon: RSMIBackend.self,
        .cambricon: CNDEVBackend.self,
    ]
}
