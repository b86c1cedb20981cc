import HCSModel

/// A request may name the pool it goes to.
struct PoolFilter: FilterPlugin {
    let name = "pool"
    let basis = FilterBasis.kind

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard let wanted = request.placement.pool, wanted != device.pool else { return nil }
        return "asks for pool \(wanted), this is in \(device.pool.map { "pool \($0)" } ?? "no pool")"
    }
}
