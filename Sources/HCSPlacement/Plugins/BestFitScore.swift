import HCSModel

/// Prefers the device that has the least memory left afterwards: shares cards that are shared already and keeps whole
/// ones whole.
struct BestFitScore: ScorePlugin {
    let name = "best-fit"
    let weight = 1.0

    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Double {
        guard device.device.memory.bytes > 0 else { return 0 }
        return 1 - Double(device.free.subtracting(request.vram).bytes) / Double(device.device.memory.bytes)
    }
}
