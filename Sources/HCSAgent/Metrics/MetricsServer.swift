package import HCSAPI
import HCSHTTP
import HCSSystem
import Hummingbird
package import Logging
import ServiceLifecycle

/// `/metrics` on the loopback address, out of memory: a scrape asks no vendor library and waits for no pass. A port that is
/// taken is told and costs nothing but the metrics.
package struct MetricsServer: Service {
    /// Anybody on the host may connect: they must not take the descriptors that workloads are watched with.
    private static let mostConnections = 32

    private let port: Int
    private let compatibility: MetricsCompatibility
    private let recorder: MetricsRecorder
    private let status: @Sendable () async -> AgentStatus
    private let running: @Sendable (Int) -> Void
    private let logger: Logger

    /// - Parameters:
    ///   - port: 0 takes any.
    ///   - running: is told the port.
    package init(
        port: Int, compatibility: MetricsCompatibility, recorder: MetricsRecorder, logger: Logger,
        status: @escaping @Sendable () async -> AgentStatus, running: @escaping @Sendable (Int) -> Void = { _ in }
    ) {
        self.port = port
        self.compatibility = compatibility
        self.recorder = recorder
        self.status = status
        self.running = running
        self.logger = logger
    }

    package func run() async throws {
        let started = RealtimeClock.nowMilliseconds()
        let router = Router()
        router.get("/metrics") { [status, recorder, compatibility] _, _ in
            let snapshot = MetricsSnapshot(
                status: await status(), record: recorder.record,
                process: ProcessUsage.read(startMilliseconds: started))
            return Response(
                status: .ok, headers: [.contentType: PrometheusText.contentType],
                body: ResponseBody(
                    byteBuffer: ByteBuffer(string: MetricsText.render(snapshot, compatibility: compatibility))))
        }
        var quiet = logger
        quiet.logLevel = .warning
        do {
            try await Application(
                router: router, server: ServerLimits.http1(idleSeconds: 10),
                configuration: .init(
                    address: .hostname("127.0.0.1", port: port), serverName: nil,
                    availableConnectionsDelegate: ServerLimits.connections(Self.mostConnections)),
                onServerRunning: { [running] in running($0.localAddress?.port ?? 0) },
                logger: quiet
            ).run()
        } catch {
            logger.warning("no metrics on 127.0.0.1:\(port): \(error); choose another --metrics-port, 0 for none")
            try? await gracefulShutdown()
        }
    }
}
