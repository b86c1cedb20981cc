import HCSModel

/// Enough cores must be left on the host.
struct CPUFilter: RoomFilter {
    let name = "cpu"

    func admits(_ request: PlacementRequest, on node: NodeRoom) -> Bool { request.placement.cpuMilli <= node.cpu }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !admits(request, on: NodeRoom(node)), let free = node.freeCPUMilli, let all = node.cpuMilli else {
            return nil
        }
        return
            "asks for \(Self.cores(request.placement.cpuMilli)), \(Self.cores(free)) of \(Self.cores(all)) of \(node.name) are free"
    }

    static func cores(_ milli: Int) -> String {
        milli % 1000 == 0 ? "\(milli / 1000) cores" : "\(milli / 1000).\((milli % 1000 + 1000) / 100 % 10) cores"
    }
}
