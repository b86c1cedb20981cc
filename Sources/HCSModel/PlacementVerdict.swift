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
        node: String, device: DeviceID, vendor: Vendor, model: String, fits: Bool, reasons: [String], score: Double? = nil
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

/// State of a vendor's library on a host, as its worker process tells.
package struct VendorStatus: Hashable, Sendable, Codable {
    package enum State: String, Codable, Hashable, Sendable {
        /// No library: nothing of this vendor here.
        case absent
        case starting, running
        /// A call missed its deadline; the worker is being replaced.
        case hung
        case crashed
        case backingOff
    }

    package var vendor: Vendor
    package var simulated: Bool
    package var state: State
    package var reason: String
    package var missedDeadlines: UInt64
    package var restarts: UInt64
    /// Workers that do not die (uninterruptible sleep) and were left behind.
    package var stuck: UInt64
    /// Values dropped as implausible.
    package var droppedValues: UInt64

    package init(
        vendor: Vendor, simulated: Bool, state: State, reason: String, missedDeadlines: UInt64 = 0, restarts: UInt64 = 0,
        stuck: UInt64 = 0, droppedValues: UInt64 = 0
    ) {
        self.vendor = vendor
        self.simulated = simulated
        self.state = state
        self.reason = reason
        self.missedDeadlines = missedDeadlines
        self.restarts = restarts
        self.stuck = stuck
        self.droppedValues = droppedValues
    }
}
