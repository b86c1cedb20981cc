import HCSModel

/// Enough device memory must be left, in bytes. Whole devices keep no margin: nobody else starts there.
struct DeviceMemoryFilter: DeviceRoomFilter {
    let name = "device-memory"

    func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool {
        ask.whole ? ask.vram <= device.memory : ask.vram <= device.free
    }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        let whole = request.placement.wholeDevices
        guard whole ? request.vram > device.device.memory : request.vram > device.free else { return nil }
        if request.vram > device.device.memory {
            return "asks for \(request.vram), the whole device has \(device.device.memory)"
        }
        var taken = "\(device.granted) granted"
        if let used = device.driverUsed { taken += ", \(used) in use by the driver's count" }
        if device.segmentUsed > max(device.granted, device.driverUsed ?? .zero) {
            taken += ", \(device.segmentUsed) in use by its workloads' count"
        }
        if device.margin > .zero { taken += ", \(device.margin) kept as margin" }
        return "asks for \(request.vram), \(device.free) of \(device.device.memory) is free (\(taken))"
    }
}
