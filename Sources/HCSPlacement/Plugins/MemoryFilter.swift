import HCSModel

/// Enough device memory must be left.
struct MemoryFilter: FilterPlugin {
    let name = "memory"

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard request.vram > device.free else { return nil }
        if request.vram > device.device.memory {
            return "asks for \(request.vram), the whole device has \(device.device.memory)"
        }
        var taken = "\(device.granted) granted"
        if let used = device.driverUsed { taken += ", \(used) in use by the driver's count" }
        return "asks for \(request.vram), \(device.free) of \(device.device.memory) is free (\(taken))"
    }
}
