import HCSAPI
import Hummingbird
import Logging

/// Every error leaves as `application/problem+json`.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = LocalRequestContext

    let logger: Logger

    func handle(
        _ request: Request, context: LocalRequestContext, next: (Request, LocalRequestContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return Self.response(problem(for: error, request))
        }
    }

    private func problem(for error: any Error, _ request: Request) -> APIProblem {
        switch error {
        case let problem as APIProblem: return problem
        case let error as HTTPError where error.status == .notFound:
            return .notFound("\(request.method.rawValue) \(request.uri.path.prefix(200)) is no path of the agent")
        case let error as HTTPError:
            return APIProblem(
                status: error.status.code, code: "http", title: error.status.reasonPhrase, detail: error.body ?? "")
        case let error as AgentError where error.code == .unavailable: return .notFound(error.message)
        default:
            logger.error("\(request.method.rawValue) \(request.uri.path) failed: \(error)")
            return .internalError("\(error)")
        }
    }

    static func response(_ problem: APIProblem) -> Response {
        json(problem, status: HTTPResponse.Status(code: problem.status), type: "application/problem+json")
    }

    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, type: String = "application/json") -> Response {
        guard let data = try? HCSJSON.encode(value) else { return Response(status: .internalServerError) }
        return Response(
            status: status, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
    }
}
