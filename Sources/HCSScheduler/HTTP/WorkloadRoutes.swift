import HCSAPI
import HCSHTTP
import HCSModel
import HTTPTypes
import Hummingbird

struct WorkloadRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.workloads)) { request, _ in
            let all = request.uri.queryParameters["all"]
            guard all == nil || all == "true" || all == "false" else {
                throw APIProblem.badRequest("query parameter all must be true or false")
            }
            return try jsonResponse(await scheduler.workloads(all: all == "true"))
        }
        router.post(RouterPath(Routes.workloads)) { request, _ in
            let spec = try await request.json(WorkloadSpec.self)
            return try jsonResponse(await scheduler.submit(spec), status: .created)
        }
        router.get(RouterPath(Routes.workload("{id}"))) { _, context in
            try jsonResponse(await scheduler.view(try context.parameters.require("id")))
        }
        router.delete(RouterPath(Routes.workload("{id}"))) { _, context in
            try jsonResponse(await scheduler.delete(try context.parameters.require("id")))
        }
        router.patch(RouterPath(Routes.workload("{id}"))) { request, context in
            let change = try await request.json(WorkloadChange.self)
            return try jsonResponse(await scheduler.resize(try context.parameters.require("id"), change))
        }
        router.get(RouterPath(Routes.explain("{id}"))) { _, context in
            try jsonResponse(await scheduler.explain(try context.parameters.require("id")))
        }
    }
}
