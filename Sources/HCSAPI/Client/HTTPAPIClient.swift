import AsyncHTTPClient
package import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// A client could not get an answer: what was attempted and what to do.
package struct ClientError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable { case unreachable, badAnswer }
    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

/// HTTP with JSON bodies and problem+json errors, over TCP or a unix socket.
package struct HTTPAPIClient: Sendable {
    package enum Endpoint: Hashable, Sendable, CustomStringConvertible {
        case url(String)
        case unixSocket(path: String)

        package var description: String {
            switch self {
            case .url(let url): url
            case .unixSocket(let path): path
            }
        }
    }

    package let endpoint: Endpoint
    private let token: String?
    private let slackSeconds: Int64
    private let connections: Connections
    private var http: HTTPClient { connections.http }

    /// A client that somebody forgot, as where an error came first, ends its connections too: AsyncHTTPClient would end
    /// the program.
    private final class Connections: Sendable {
        let http: HTTPClient

        init(_ http: HTTPClient) { self.http = http }

        deinit { http.shutdown { _ in } }
    }

    /// `token` goes out as `Authorization: Bearer`. Redirects and proxies are not followed: a token never leaves for elsewhere.
    /// - Parameter slackSeconds: what each time limit is longer than usual, for a machine that has no time.
    package init(endpoint: Endpoint, token: String?, slackSeconds: Int64 = 0) {
        self.endpoint = endpoint
        self.token = token
        self.slackSeconds = slackSeconds
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5 + slackSeconds)
        // A refused connection is an answer: who waits for a server does so above this layer.
        configuration.connectionPool.retryConnectionEstablishment = false
        connections = Connections(HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration))
    }

    package func shutdown() async { try? await http.shutdown() }

    /// Runs `body` with a client that is shut down afterwards.
    package static func with<Value: Sendable>(
        endpoint: Endpoint, token: String?, slackSeconds: Int64 = 0,
        _ body: @Sendable (HTTPAPIClient) async throws -> Value
    ) async throws -> Value {
        let client = HTTPAPIClient(endpoint: endpoint, token: token, slackSeconds: slackSeconds)
        do {
            let value = try await body(client)
            await client.shutdown()
            return value
        } catch {
            await client.shutdown()
            throw error
        }
    }

    package func get<Value: Decodable>(_ path: String, as: Value.Type, timeoutSeconds: Int64 = 10) async throws -> Value
    {
        try decode(Value.self, from: try await send(.GET, path, body: nil, timeoutSeconds: timeoutSeconds), path)
    }

    package func getText(_ path: String) async throws -> Data {
        try await send(.GET, path, body: nil, timeoutSeconds: 10)
    }

    package func put<Value: Decodable>(_ path: String, json body: Data, as: Value.Type) async throws -> Value {
        try decode(Value.self, from: try await send(.PUT, path, body: body, timeoutSeconds: 10), path)
    }

    package func post<Value: Decodable>(_ path: String, _ body: some Encodable, as: Value.Type) async throws -> Value {
        try decode(
            Value.self,
            from: try await send(.POST, path, body: try HCSJSON.encode(body, ordered: false), timeoutSeconds: 10), path)
    }

    package func patch<Value: Decodable>(_ path: String, _ body: some Encodable, as: Value.Type) async throws -> Value {
        try decode(
            Value.self,
            from: try await send(.PATCH, path, body: try HCSJSON.encode(body, ordered: false), timeoutSeconds: 10), path
        )
    }

    package func delete<Value: Decodable>(_ path: String, as: Value.Type) async throws -> Value {
        try decode(Value.self, from: try await send(.DELETE, path, body: nil, timeoutSeconds: 10), path)
    }

    private func decode<Value: Decodable>(_: Value.Type, from data: Data, _ path: String) throws -> Value {
        do { return try HCSJSON.decode(Value.self, from: data) } catch {
            throw ClientError(
                .badAnswer,
                "\(endpoint)\(path) answered something else than expected: \(HCSJSON.explain(error)). Another version?")
        }
    }

    static func explain(_ error: any Error) -> String {
        if let error = error as? HTTPClientError { return error.shortDescription }
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.first.map { explain($0.error) } ?? "no connection"
        }
        if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
        return String(describing: error)
    }

    private func send(_ method: HTTPMethod, _ path: String, body: Data?, timeoutSeconds: Int64) async throws -> Data {
        let base: String
        switch endpoint {
        case .url(let url): base = url.hasSuffix("/") ? String(url.dropLast()) : url
        case .unixSocket(let path):
            guard let url = URL(httpURLWithSocketPath: path) else {
                throw ClientError(.unreachable, "'\(path)' is no usable socket path")
            }
            base = url.absoluteString.hasSuffix("/") ? String(url.absoluteString.dropLast()) : url.absoluteString
        }
        var request = HTTPClientRequest(url: base + path)
        request.method = method
        request.headers.add(name: "Accept", value: "application/json")
        if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response: HTTPClientResponse
        let data: Data
        do {
            response = try await http.execute(request, timeout: .seconds(timeoutSeconds + slackSeconds))
            let buffer = try await response.body.collect(upTo: APILimits.responseBody)
            data = Data(buffer.readableBytesView)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw ClientError(.unreachable, "cannot reach \(endpoint): \(Self.explain(error)). Is it running there?")
        }
        guard (200..<300).contains(response.status.code) else {
            if let problem = try? HCSJSON.decode(APIProblem.self, from: data) { throw problem }
            throw APIProblem(
                status: Int(response.status.code), code: "http", title: "HTTP \(response.status.code)",
                detail: "\(method.rawValue) \(endpoint)\(path)")
        }
        return data
    }
}
