package import HCSModel

extension SchedulerClient {
    package func cordons() async throws -> ItemList<CordonView> {
        try await http.get(Routes.cordons, as: ItemList<CordonView>.self)
    }

    package func cordon(_ request: CordonRequest) async throws -> CordonView {
        try await http.post(Routes.cordons, request, as: CordonView.self)
    }

    package func uncordon(_ request: UncordonRequest) async throws -> UncordonResult {
        try await http.post(Routes.liftCordon, request, as: UncordonResult.self)
    }

    package func clearances() async throws -> ItemList<Clearance> {
        try await http.get(Routes.clearances, as: ItemList<Clearance>.self)
    }

    package func requestClearance(_ request: ClearanceRequest) async throws -> Clearance {
        try await http.post(Routes.clearances, request, as: Clearance.self)
    }

    package func forget(node: String, _ request: ForgetRequest) async throws -> ForgetResult {
        guard NodeName.isValid(node) else {
            throw APIProblem.badRequest("node name '\(node.prefix(80))' \(NodeName.rule)")
        }
        return try await http.post(Routes.forget(node), request, as: ForgetResult.self)
    }

    /// Waits up to `wait` seconds for an event that `filter` wants. `since`: no older ones, in seconds; the filter's
    /// `notBefore` and `device` are not sent.
    package func events(
        after: UInt64, limit: Int = APILimits.eventsPerPage, wait: Int, filter: EventFilter, since: Int? = nil
    ) async throws -> EventPage {
        var query = ["after=\(after)", "limit=\(limit)", "wait=\(wait)", "severity=\(filter.severity.rawValue)"]
        if !filter.kinds.isEmpty {
            query.append("kind=" + filter.kinds.map(\.rawValue).sorted().joined(separator: ","))
        }
        if let node = filter.node {
            guard NodeName.isValid(node) else {
                throw APIProblem.badRequest("node name '\(node.prefix(80))' \(NodeName.rule)")
            }
            query.append("node=\(node)")
        }
        if let since { query.append("since=\(since)") }
        return try await http.get(
            "\(Routes.events)?\(query.joined(separator: "&"))", as: EventPage.self, timeoutSeconds: Int64(wait) + 10)
    }
}
