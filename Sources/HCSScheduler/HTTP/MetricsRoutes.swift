import HCSAPI
import HCSHTTP
import Hummingbird

struct MetricsRoutes {
    let scheduler: Scheduler
    let answers: HTTPAnswers

    func add(to router: Router<BasicRequestContext>) {
        router.get(RouterPath(Routes.metrics)) { [scheduler, answers] _, _ in
            let text = SchedulerMetrics.render(await scheduler.figures(), answers: answers.snapshot)
            return Response(
                status: .ok, headers: [.contentType: PrometheusText.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
    }
}
