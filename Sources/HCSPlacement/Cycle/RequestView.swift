import HCSModel

/// A request as the ranking keeps it: without what decides nothing of where it fits and what that is worth.
struct RequestClass: Hashable {
    var request: PlacementRequest
    /// Pools that are closed to its tenant.
    var closed: [String?]

    init(_ request: PlacementRequest, closed: [String?]) {
        var request = request
        request.placement.priority = 0
        if request.placement.strategy != .spread {
            request.placement.gang = nil
            request.placement.tenant = PlacementSpec.defaultTenant
        }
        self.request = request
        self.closed = closed
    }
}

extension PlacementRequest {
    /// What it asks for, whoever asks and however urgently: alike requests are alike typical.
    package var typical: PlacementRequest {
        var request = self
        request.placement.priority = 0
        request.placement.gang = nil
        request.placement.tenant = PlacementSpec.defaultTenant
        return request
    }
}

/// What does not change of a request while it stays in use.
final class RequestView: Sendable {
    let request: PlacementRequest
    let count: Int
    let host: HostAsk
    let cpu: Int32
    let interconnect: Interconnect
    /// nil = it does not matter who else is on a node.
    let spreadGroup: String?
    /// By kind, or by cell where something depends on the node's name.
    private let answers: [Answer]
    let byCell: Bool

    struct Answer {
        var admits: Bool
        var ask: DeviceAsk
        var wish: Int32
        var worth: Int32
    }

    init(_ request: PlacementRequest, answers: [Answer], byCell: Bool) {
        self.request = request
        count = request.placement.devices
        host = HostAsk(request)
        cpu = Int32(clamping: request.placement.cpuMilli)
        interconnect = request.placement.interconnect
        spreadGroup = request.placement.strategy == .spread ? request.spreadGroup : nil
        self.answers = answers
        self.byCell = byCell
    }

    func answer(_ cell: Int, kind: Int) -> Answer { answers[byCell ? cell : kind] }
}
