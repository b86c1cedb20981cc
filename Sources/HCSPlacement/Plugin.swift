import HCSModel

/// Says why a device cannot take a request.
package protocol FilterPlugin: Sendable {
    var name: String { get }
    /// nil = no objection; else one sentence for the submitter, with the figures that decided.
    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String?
}

/// Ranks the devices that all filters accept.
package protocol ScorePlugin: Sendable {
    var name: String { get }
    var weight: Double { get }
    /// 0 (worst) to 1 (best).
    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Double
}
