/// What one poll of a vendor's worker brought. Absent parts were not asked for, or did not come.
struct VendorReading: Sendable {
    var inventory: VendorInventory?
    var samples: [RawSample]?
}
