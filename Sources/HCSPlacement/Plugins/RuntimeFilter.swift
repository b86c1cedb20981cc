import HCSModel

/// The device's maker must run the runtime that the workload is written for.
struct RuntimeFilter: FilterPlugin {
    let name = "runtime"
    let basis = FilterBasis.kind

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !request.runtime.vendors.contains(device.device.vendor) else { return nil }
        let makers = request.runtime.vendors.map(\.displayName).joined(separator: ", ")
        return "runtime \(request.runtime.rawValue) runs on \(makers), this is \(device.device.vendor.displayName)"
    }
}
