import HCSAPI
import HCSHTTP
import HCSModel
import Hummingbird

struct ExchangeRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.exchange)) { request, _ in
            try request.checkParameters(["class", "precision"])
            return try jsonResponse(
                await scheduler.exchange(
                    class: try request.choice("class", default: .training),
                    precision: try request.choice("precision", default: .fp16)))
        }
        router.get(RouterPath(Routes.exchangeRate)) { request, _ in
            try request.checkParameters(["from", "to", "class", "precision"])
            return try jsonResponse(
                await scheduler.exchangeRate(
                    from: try request.text("from"), to: try request.text("to"),
                    class: try request.choice("class", default: .training),
                    precision: try request.choice("precision", default: .fp16)))
        }
        router.get(RouterPath(Routes.throughput)) { _, _ in try jsonResponse(await scheduler.throughput()) }
        router.post(RouterPath(Routes.throughput)) { request, _ in
            let report = try await request.json(ThroughputReport.self)
            return try jsonResponse(await scheduler.report(report), status: .created)
        }
        router.post(RouterPath(Routes.forgetThroughput)) { request, _ in
            let order = try await request.json(ForgetThroughputRequest.self)
            return try jsonResponse(await scheduler.forget(order))
        }
    }
}

extension Request {
    fileprivate func checkParameters(_ known: Set<Substring>) throws {
        for (name, _) in uri.queryParameters where !known.contains(name) {
            throw APIProblem.badRequest(
                "unknown query parameter '\(name.prefix(40))'; known: \(known.sorted().joined(separator: ", "))")
        }
    }

    fileprivate func text(_ name: String) throws -> String {
        guard let text = uri.queryParameters[Substring(name)], (1...APILimits.exchangeName).contains(text.utf8.count)
        else { throw APIProblem.badRequest("query parameter \(name) must be a card's name") }
        return String(text)
    }

    fileprivate func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String, default fallback: Choice
    ) throws -> Choice {
        guard let text = uri.queryParameters[Substring(name)] else { return fallback }
        guard let choice = Choice(rawValue: String(text)) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIProblem.badRequest("query parameter \(name)='\(text.prefix(40))' is none of \(known)")
        }
        return choice
    }
}
