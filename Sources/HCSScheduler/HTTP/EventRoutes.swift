import HCSAPI
import HCSHTTP
import HCSModel
import Hummingbird

struct EventRoutes {
    private static let parameters: Set<Substring> = [
        "after", "limit", "wait", "kind", "node", "device", "severity", "since",
    ]
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.alerts)) { _, _ in try jsonResponse(await scheduler.alertStatus()) }
        router.get(RouterPath(Routes.events)) { request, _ in
            let after = try request.number("after", default: 0, in: 0...Int.max)
            let limit = try request.number("limit", default: 100, in: 1...APILimits.eventsPerPage)
            let wait = try request.number("wait", default: 0, in: 0...APILimits.longPollSeconds)
            let filter = try Self.filter(of: request)
            let since = request.uri.queryParameters["since"]
            let age = try since.map { _ in try request.number("since", default: 0, in: 0...315_360_000) }
            let page = await scheduler.events(
                after: UInt64(after), limit: limit, wait: .seconds(wait), filter: filter,
                maximumAge: age.map { Int64($0) * 1000 })
            return try jsonResponse(page)
        }
    }

    private static func filter(of request: Request) throws(APIProblem) -> EventFilter {
        let given = request.uri.queryParameters
        for (name, _) in given where !parameters.contains(name) {
            throw .badRequest(
                "unknown query parameter '\(name.prefix(40))'; known: \(parameters.sorted().joined(separator: ", "))")
        }
        var filter = EventFilter()
        if let text = given["severity"] {
            guard let severity = FleetEvent.Severity(rawValue: String(text)) else {
                throw .badRequest("severity '\(text.prefix(40))' is none of info, warning, critical")
            }
            filter.severity = severity
        }
        for word in given["kind"].map({ $0.split(separator: ",", omittingEmptySubsequences: false) }) ?? [] {
            guard let kind = FleetEvent.Kind(rawValue: String(word)) else {
                let known = FleetEvent.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw .badRequest("kind '\(word.prefix(40))' is none of \(known)")
            }
            filter.kinds.insert(kind)
        }
        if let node = given["node"] {
            guard NodeName.isValid(String(node)) else {
                throw .badRequest("node name '\(node.prefix(80))' \(NodeName.rule)")
            }
            filter.node = String(node)
        }
        filter.device = given["device"].map { DeviceID(String($0)) }
        return filter
    }
}
