import HCSModel

/// Enough memory must be left on the host.
struct HostMemoryFilter: HostRoomFilter {
    let name = "host-memory"

    func admits(_ ask: HostAsk, on host: NodeRoom) -> Bool { ask.memory <= host.memory }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !admits(HostAsk(request), on: NodeRoom(node)), let free = node.freeMemory, let all = node.memory else {
            return nil
        }
        return "asks for \(request.placement.memory) of host memory, \(free) of \(all) of \(node.name) is free"
    }
}
