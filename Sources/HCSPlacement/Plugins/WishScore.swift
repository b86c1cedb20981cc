import HCSModel

/// Terms that the request prefers, less those that it would avoid: before all else among the devices that will do.
struct WishScore: ScorePlugin {
    let name = "wishes"
    let basis = ScoreBasis.wish

    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Int {
        request.placement.prefer.count { $0.holds(for: device.device, of: node) }
            - request.placement.avoid.count { $0.holds(for: device.device, of: node) }
    }
}
