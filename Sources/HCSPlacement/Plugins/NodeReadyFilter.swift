/// An unreachable node gets no work.
struct NodeReadyFilter: FilterPlugin {
    let name = "node-ready"
    let basis = FilterBasis.condition

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        node.notReady.map { "node \(node.name) is not ready: \($0)" }
    }
}
