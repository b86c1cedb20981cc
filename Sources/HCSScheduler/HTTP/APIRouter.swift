import HCSAPI
import HCSHTTP
import HTTPTypes
import Hummingbird

/// The scheduler's HTTP interface: one line per noun.
enum APIRouter {
    static func build(scheduler: Scheduler, tokens: Tokens) -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        let answers = HTTPAnswers()
        router.add(middleware: AnswerCountMiddleware(answers: answers))
        router.add(middleware: ProblemMiddleware())
        router.get(RouterPath(Routes.health)) { _, _ in
            Response(status: .ok, body: .init(byteBuffer: .init(string: "ok\n")))
        }
        router.add(middleware: TokenMiddleware(tokens: tokens))
        MetricsRoutes(scheduler: scheduler, answers: answers).add(to: router)
        NodeRoutes(scheduler: scheduler).add(to: router)
        WorkloadRoutes(scheduler: scheduler).add(to: router)
        PlanRoutes(scheduler: scheduler).add(to: router)
        CordonRoutes(scheduler: scheduler).add(to: router)
        ClearanceRoutes(scheduler: scheduler).add(to: router)
        EventRoutes(scheduler: scheduler).add(to: router)
        ExchangeRoutes(scheduler: scheduler).add(to: router)
        QueueRoutes(scheduler: scheduler).add(to: router)
        return router
    }
}
