import HCSAPI
import HCSHTTP
import Hummingbird
import Logging
import ServiceLifecycle

/// `/metrics` on the loopback address. A port that is taken is told and costs nothing but the metrics.
struct MetricsServer: Service {
    /// Anybody on the host may connect: they must not take the descriptors that workloads are watched with.
    private static let mostConnections = 32

    let port: Int
    let status: @Sendable () async -> AgentStatus
    let logger: Logger

    func run() async throws {
        let router = Router()
        router.get("/metrics") { [status] _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: MetricsText.render(await status()))))
        }
        var quiet = logger
        quiet.logLevel = .warning
        do {
            try await Application(
                router: router, server: ServerLimits.http1(idleSeconds: 10),
                configuration: .init(
                    address: .hostname("127.0.0.1", port: port), serverName: nil,
                    availableConnectionsDelegate: ServerLimits.connections(Self.mostConnections)),
                logger: quiet
            ).run()
        } catch {
            logger.warning("no metrics on 127.0.0.1:\(port): \(error); choose another --metrics-port, 0 for none")
            try? await gracefulShutdown()
        }
    }
}
