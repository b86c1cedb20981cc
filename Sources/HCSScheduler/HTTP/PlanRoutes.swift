import HCSAPI
import HCSHTTP
import HCSModel
import Hummingbird

struct PlanRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.post(RouterPath(Routes.plan)) { request, _ in
            let spec = try await request.json(WorkloadSpec.self)
            return try jsonResponse(await scheduler.plan(spec))
        }
    }
}
