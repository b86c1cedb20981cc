/// What the placement said about one device for one request.
package struct PlacementVerdict: Hashable, Sendable, Codable {
    package var node: String
    package var device: DeviceID
    package var vendor: Vendor
    package var model: String
    package var fits: Bool
    /// Why not, one sentence each, in the order of the filters; empty when it fits.
    package var reasons: [String]
    /// Only for a device that fits: higher is better.
    package var score: Double?

    package init(
        node: String, device: DeviceID, vendor: Vendor, model: String, fits: Bool, reasons: [String],
        score: Double? = nil
    ) {
        self.node = node
        self.device = device
        self.vendor = vendor
        self.model = model
        self.fits = fits
        self.reasons = reasons
        self.score = score
    }
}
