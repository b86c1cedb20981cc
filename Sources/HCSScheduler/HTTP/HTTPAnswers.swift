import HTTPTypes
import Hummingbird
import Synchronization

/// Answers by method and status. A method that the scheduler does not know is `other`: callers choose its name.
package final class HTTPAnswers: Sendable {
    package struct Key: Hashable, Sendable {
        package var method: String
        package var code: Int
    }

    private static let methods: Set<String> = ["GET", "HEAD", "PUT", "POST", "DELETE"]
    private let counts = Mutex<[Key: UInt64]>([:])

    package init() {}

    package var snapshot: [Key: UInt64] { counts.withLock { $0 } }

    func count(_ method: HTTPRequest.Method, _ code: Int) {
        let name = Self.methods.contains(method.rawValue) ? method.rawValue : "other"
        counts.withLock { $0[Key(method: name, code: code), default: 0] += 1 }
    }
}

/// Counts what goes out, problems included.
struct AnswerCountMiddleware: RouterMiddleware {
    typealias Context = BasicRequestContext
    let answers: HTTPAnswers

    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        let response = try await next(request, context)
        answers.count(request.method, response.status.code)
        return response
    }
}
