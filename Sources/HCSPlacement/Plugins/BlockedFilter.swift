/// The agent may refuse a device (a real one while it simulates, one that vanished).
struct BlockedFilter: FilterPlugin {
    let name = "blocked"
    let basis = FilterBasis.condition

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        device.blocked.map { "not offered by its agent: \($0)" }
    }
}
