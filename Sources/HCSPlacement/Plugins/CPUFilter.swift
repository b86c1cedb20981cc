import HCSModel

/// Enough cores must be left on the host.
struct CPUFilter: HostRoomFilter {
    let name = "cpu"

    func admits(_ ask: HostAsk, on host: NodeRoom) -> Bool { ask.cpuMilli <= host.cpu }

    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
        guard !admits(HostAsk(request), on: NodeRoom(node)), let free = node.freeCPUMilli, let all = node.cpuMilli
        else {
            return nil
        }
        return
            "asks for \(Self.cores(request.placement.cpuMilli)), \(Self.cores(free)) of \(Self.cores(all)) of \(node.name) are free"
    }

    static func cores(_ milli: Int) -> String {
        milli % 1000 == 0 ? "\(milli / 1000) cores" : "\(milli / 1000).\((milli % 1000 + 1000) / 100 % 10) cores"
    }
}
