import HCSModel

/// In suspect, failed and unknown health a device gets no new work, at once and always (conventions).
struct HealthFilter: FilterPlugin {
    let name = "health"
    let basis = FilterBasis.condition

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !device.health.band.acceptsWork else { return nil }
        let why = device.health.reasons.first.map { ": \($0.detail)" } ?? ""
        guard let score = device.health.score else { return "health unknown\(why)" }
        return "health \(score) (\(device.health.band.rawValue))\(why)"
    }
}
