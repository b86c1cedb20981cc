import HCSAPI
import HCSHTTP
import Hummingbird

struct QueueRoutes {
    let scheduler: Scheduler

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.queue)) { _, _ in try jsonResponse(await scheduler.queue()) }
        router.get(RouterPath(Routes.queuePolicy)) { _, _ in try jsonResponse(await scheduler.queuePolicy()) }
        router.post(RouterPath(Routes.defragmentation)) { request, _ in
            let order = try await request.json(DefragmentationRequest.self)
            return try jsonResponse(await scheduler.defragment(order))
        }
    }
}
