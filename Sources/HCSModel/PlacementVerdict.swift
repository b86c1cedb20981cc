/// What one plugin gave a device.
package struct PlacementScore: Hashable, Sendable, Codable {
    package var name: String
    /// In devices; of wishes and spread a number of terms and of workloads. More is better.
    package var value: Double

    package init(name: String, value: Double) {
        self.name = name
        self.value = value
    }
}

/// What the placement said about one device for one request.
package struct PlacementVerdict: Hashable, Sendable, Codable {
    package var node: String
    package var device: DeviceID
    package var vendor: Vendor
    package var model: String
    package var fits: Bool
    /// Why not, one sentence each, in the order of the filters; empty when it fits.
    package var reasons: [String]
    /// Only for a device that fits, in devices: more is better. Wishes and spread are not in it, they go before.
    package var score: Double?
    /// What the score is made of, in the order in which it counts.
    package var scores: [PlacementScore]?
    /// The request would get this one.
    package var chosen: Bool?

    package init(
        node: String, device: DeviceID, vendor: Vendor, model: String, fits: Bool, reasons: [String],
        score: Double? = nil, scores: [PlacementScore]? = nil, chosen: Bool? = nil
    ) {
        self.node = node
        self.device = device
        self.vendor = vendor
        self.model = model
        self.fits = fits
        self.reasons = reasons
        self.score = score
        self.scores = scores
        self.chosen = chosen
    }
}
