/// What an operator took out of service gets no new work.
struct CordonFilter: FilterPlugin {
    let name = "cordon"
    let basis = FilterBasis.condition

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        device.cordon
    }
}
