import HCSAPI
import HCSHTTP
import HCSModel
import Hummingbird

struct NodeRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.nodes)) { _, _ in try jsonResponse(await scheduler.nodes()) }
        router.get(RouterPath(Routes.devices)) { _, _ in try jsonResponse(await scheduler.devices()) }
        router.get(RouterPath(Routes.node("{name}"))) { _, context in
            try jsonResponse(await scheduler.node(try context.parameters.require("name")))
        }
        router.put(RouterPath(Routes.node("{name}"))) { request, context in
            let report = try await request.json(NodeReport.self)
            let name = try context.parameters.require("name")
            guard report.node == name else {
                throw APIProblem.badRequest(
                    "the path names node '\(name.prefix(80))', the report '\(report.node.prefix(80))'")
            }
            return try jsonResponse(await scheduler.receive(report))
        }
        router.post(RouterPath(Routes.forget("{name}"))) { request, context in
            let order = try await request.json(ForgetRequest.self)
            return try jsonResponse(await scheduler.forget(try context.parameters.require("name"), order))
        }
        router.get(RouterPath(Routes.assignments("{name}"))) { request, context in
            let after = try request.number("after", default: 0, in: 0...Int.max)
            let wait = try request.number("wait", default: 0, in: 0...APILimits.longPollSeconds)
            let name = try context.parameters.require("name")
            guard NodeName.isValid(name) else {
                throw APIProblem.badRequest("node name '\(name.prefix(80))' \(NodeName.rule)")
            }
            let set = await scheduler.assignments(
                node: name, after: Revision(UInt64(after)), wait: .seconds(wait))
            return try jsonResponse(set)
        }
    }
}
