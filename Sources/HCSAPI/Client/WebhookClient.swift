import AsyncHTTPClient
package import Foundation
import NIOCore
import NIOHTTP1

/// Posts to an address that is not ours. Redirects are not followed, and of an answer only the status is read.
package struct WebhookClient: Sendable {
    private let http: HTTPClient

    package init() {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        configuration.connectionPool.retryConnectionEstablishment = false
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// The status of the answer. Throws `ClientError` where none came in time.
    package func post(_ body: Data, to url: String, headers: [String: String], timeout: Duration) async throws -> Int {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { request.headers.add(name: name, value: value) }
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let seconds = timeout.components.seconds
            let nanoseconds = timeout.components.attoseconds / 1_000_000_000
            return Int(
                try await http.execute(request, timeout: .nanoseconds(seconds * 1_000_000_000 + nanoseconds)).status
                    .code)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw ClientError(.unreachable, HTTPAPIClient.explain(error))
        }
    }

    package func shutdown() async { try? await http.shutdown() }
}
