package import HCSAPI
import HTTPTypes
package import Hummingbird
import Logging
import NIOCore

/// Turns whatever a handler throws into `application/problem+json`, so that a client never meets another error form.
package struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    package init() {}

    package func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = Self.problem(for: error, request)
            if problem.status >= 500 { context.logger.error("\(request.method) \(request.uri.path): \(error)") }
            return try problem.response()
        }
    }

    private static func problem(for error: any Error, _ request: Request) -> APIProblem {
        if let problem = error as? APIProblem { return problem }
        if error is NIOTooManyBytesError {
            return APIProblem(
                status: 413, code: "too-large", title: "The request is too large",
                detail: "the body has more than \(APILimits.requestBody) bytes")
        }
        if let error = error as? HTTPError {
            if error.status == .notFound {
                return .notFound("nothing at \(request.method) \(request.uri.path.prefix(200))")
            }
            return APIProblem(
                status: error.status.code, code: "http", title: error.status.reasonPhrase, detail: error.body ?? "")
        }
        return .internalError("see the server's log")
    }
}

extension APIProblem {
    package func response() throws -> Response {
        try jsonResponse(self, status: HTTPResponse.Status(code: status), type: "application/problem+json")
    }
}
