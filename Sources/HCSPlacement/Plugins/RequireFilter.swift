import HCSModel

/// Every term that the request requires must hold.
struct RequireFilter: FilterPlugin {
    let name = "require"
    let basis = FilterBasis.node

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        let failing = request.placement.require.filter { !$0.holds(for: device.device, of: node) }
        guard !failing.isEmpty else { return nil }
        return failing.map { term in
            let found = term.found(on: device.device, of: node).joined(separator: ", ")
            return
                "requires \(term), \(found.isEmpty ? "its \(term.key.rawValue) version is not known" : "this is \(found)")"
        }.joined(separator: "; ")
    }
}
