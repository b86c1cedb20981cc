import HCSModel

/// Prefers the healthier device; weaker than packing, so that two points of temperature do not break a whole card.
struct HealthScore: ScorePlugin {
    let name = "health"
    let basis = ScoreBasis.condition

    /// What a point of health is worth.
    private static let perPoint = 5

    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Int {
        ((device.health.score ?? 0) - 100) * Self.perPoint
    }
}
