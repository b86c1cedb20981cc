import HCSModel

/// Prefers the healthier device; weaker than packing, so that two points of temperature do not break a whole card.
struct HealthScore: ScorePlugin {
    let name = "health"
    let weight = 0.25

    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Double {
        Double(device.health.score ?? 0) / 100
    }
}
