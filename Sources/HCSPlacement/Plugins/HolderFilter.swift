import HCSModel

/// A device that is given whole is nobody else's, and a share needs a place among the others.
struct HolderFilter: DeviceRoomFilter {
    let name = "holders"

    func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool {
        guard !device.isHeldWhole, device.holders < DeviceState.holderLimit else { return false }
        return !ask.whole || device.isIdle
    }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        if device.isHeldWhole { return "is given whole to another workload" }
        if device.holders >= DeviceState.holderLimit {
            return "is shared by \(device.holders) workloads already, the most there can be"
        }
        guard request.placement.wholeDevices, !DeviceRoom(device).isIdle else { return nil }
        if device.holders > 0 {
            return
                "asks for it whole, \(device.holders) other workload\(device.holders == 1 ? " has a share" : "s have shares") of it"
        }
        return "asks for it whole, \(max(device.driverUsed ?? .zero, device.segmentUsed)) of it is in use"
    }
}
