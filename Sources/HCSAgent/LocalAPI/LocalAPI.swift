import Glibc
package import HCSAPI
import HCSHTTP
package import HCSModel
package import Hummingbird
package import Logging
package import ServiceLifecycle

/// The agent's HTTP API on its unix socket: what runs here and what it printed, and leases. For `hcs` on the same host.
package enum LocalAPI {
    /// - Parameters:
    ///   - running: called when the socket listens, with its mode set.
    /// - Returns: a service that owns the socket file and removes it at its end.
    package static func service(
        socketPath: String, logger: Logger, status: @escaping @Sendable () async -> AgentStatus,
        logs: @escaping @Sendable (WorkloadID, AgentClient.LogStream, Int) async throws(AgentError) -> ByteBuffer,
        leases: LeaseRoute? = nil, running: @escaping @Sendable () async -> Void = {}
    ) throws(AgentError) -> any Service {
        guard socketPath.utf8.count < 108 else {
            throw AgentError(
                .usage,
                "the socket path \(socketPath) is longer than the 107 bytes a unix socket can have: choose another --runtime-dir"
            )
        }
        // We hold the lock of this directory: a socket that is there is a dead agent's.
        unlink(socketPath)
        let router = Router(context: LocalRequestContext.self)
        router.middlewares.add(ProblemMiddleware())
        router.middlewares.add(PeerMiddleware(socketPath: socketPath, ownUser: geteuid()))
        router.get("\(Routes.localStatus)") { _, _ in try jsonResponse(await status()) }
        router.get("\(Routes.localWorkloads)/:id/logs") { request, context in
            try await answerLogs(request, context, logs)
        }
        leases?.add(to: router)
        return Application(
            router: router, server: ServerLimits.http1(),
            configuration: .init(
                address: .unixDomainSocket(path: socketPath), serverName: nil,
                availableConnectionsDelegate: ServerLimits.connections(mostConnections)),
            onServerRunning: { _ in
                if chmod(socketPath, 0o660) != 0 { logger.error("the mode of \(socketPath) is not set") }
                await running()
            }, logger: logger)
    }

    /// The same, run until the task is cancelled.
    package static func serve(
        socketPath: String, logger: Logger, status: @escaping @Sendable () async -> AgentStatus,
        logs: @escaping @Sendable (WorkloadID, AgentClient.LogStream, Int) async throws(AgentError) -> ByteBuffer,
        leases: LeaseRoute? = nil, running: @escaping @Sendable () async -> Void
    ) async throws {
        try await service(
            socketPath: socketPath, logger: logger, status: status, logs: logs, leases: leases, running: running
        ).run()
    }

    private static let mostConnections = 128
    /// Bytes of a log's end when the request names no number.
    static let defaultTail = 64 << 10

    private static func answerLogs(
        _ request: Request, _ context: LocalRequestContext,
        _ logs: @Sendable (WorkloadID, AgentClient.LogStream, Int) async throws(AgentError) -> ByteBuffer
    ) async throws -> Response {
        let text = context.parameters.get("id") ?? ""
        guard let id = WorkloadID(text) else { throw APIProblem.badRequest("'\(text.prefix(80))' is no workload UUID") }
        let query = request.uri.queryParameters
        for (key, _) in query where key != "stream" && key != "tail" {
            throw APIProblem.badRequest("unknown parameter '\(key.prefix(64))'; known: stream, tail")
        }
        let streamText = query["stream"].map(String.init) ?? "stdout"
        guard let stream = AgentClient.LogStream(rawValue: streamText) else {
            throw APIProblem.badRequest("stream '\(streamText.prefix(64))' is neither stdout nor stderr")
        }
        let tailText = query["tail"].map(String.init) ?? String(defaultTail)
        guard let tail = Int(tailText), (0...WorkloadLogs.maximumTail).contains(tail) else {
            throw APIProblem.badRequest(
                "tail '\(tailText.prefix(64))' is no number of bytes from 0 to \(WorkloadLogs.maximumTail)")
        }
        let data: ByteBuffer
        do { data = try await logs(id, stream, tail) } catch {
            if error.code == .unavailable { throw APIProblem.notFound(error.message) }
            throw APIProblem.internalError(error.message)
        }
        return Response(
            status: .ok, headers: [.contentType: "application/octet-stream"], body: ResponseBody(byteBuffer: data))
    }
}
