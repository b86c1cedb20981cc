import HCSAPI
import HCSHTTP
import Hummingbird

struct ClearanceRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.clearances)) { _, _ in try jsonResponse(await scheduler.clearances()) }
        router.post(RouterPath(Routes.clearances)) { request, _ in
            let order = try await request.json(ClearanceRequest.self)
            return try jsonResponse(await scheduler.requestClearance(order), status: .created)
        }
    }
}
