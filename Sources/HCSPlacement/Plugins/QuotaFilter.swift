/// A tenant gets no more than it may have, in the pool of the device.
struct QuotaFilter: FilterPlugin {
    let name = "quota"
    let basis = FilterBasis.quota
    let check: (any QuotaCheck)?

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        check?.objection(to: request, inPool: device.pool)
    }
}
