import HCSAPI
import HCSHTTP
import Hummingbird

struct CordonRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.cordons)) { _, _ in try jsonResponse(await scheduler.cordons()) }
        router.post(RouterPath(Routes.cordons)) { request, _ in
            let order = try await request.json(CordonRequest.self)
            return try jsonResponse(await scheduler.cordon(order), status: .created)
        }
        router.post(RouterPath(Routes.liftCordon)) { request, _ in
            let order = try await request.json(UncordonRequest.self)
            return try jsonResponse(await scheduler.uncordon(order))
        }
    }
}
