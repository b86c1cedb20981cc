package import HCSModel

/// The vendors a worker can ask. A new vendor is one line here and a folder in `Vendors/`.
package enum VendorRegistry {
    package static let backends: [Vendor: @Sendable () -> any VendorBackend] = [
        .nvidia: { NVMLBackend() },
        .ascend: { DCMIBackend() },
        .hygon: { RSMIBackend() },
        .cambricon: { CNDEVBackend() },
    ]
}
