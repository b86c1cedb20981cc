import HCSAPI
import HTTPTypes
import Hummingbird

/// Everything but /healthz needs a token. The node token opens what agents use, and /metrics: a Prometheus need not hold
/// the admin token.
struct TokenMiddleware: RouterMiddleware {
    typealias Context = BasicRequestContext
    let tokens: Tokens

    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        guard let header = request.headers[.authorization], header.hasPrefix("Bearer ") else {
            throw APIProblem.unauthorized(
                "send 'Authorization: Bearer TOKEN'; hcs takes it from HCS_TOKEN_FILE or --token-file")
        }
        let role = tokens.role(of: String(header.dropFirst("Bearer ".count)))
        guard let role else { throw APIProblem.unauthorized("this scheduler does not know the token") }
        guard role == .admin || Self.isForNodes(request) || request.uri.path == Routes.metrics else {
            throw APIProblem.forbidden(
                "the node token does not open \(request.method) \(request.uri.path.prefix(200)): use the admin token")
        }
        return try await next(request, context)
    }

    private static func isForNodes(_ request: Request) -> Bool {
        let parts = request.uri.path.split(separator: "/")
        guard parts.count >= 3, "/\(parts[0])/\(parts[1])" == Routes.nodes else { return false }
        return parts.count == 3
            ? request.method == .put : parts.count == 4 && parts[3] == "assignments" && request.method == .get
    }
}
