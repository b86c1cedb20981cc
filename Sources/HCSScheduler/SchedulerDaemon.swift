import Foundation
import HCSCatalog
import HCSHTTP
import HCSModel
import HCSPlacement
import HCSStore
import HCSSystem
import Hummingbird
package import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

package struct SchedulerConfiguration: Sendable {
    /// Address to listen on; port 0 takes any.
    package var host: String
    package var port: Int
    package var stateDirectory: String
    /// Holds `catalog.d` and `exchange.d`.
    package var configurationDirectory: String
    /// Allows a listener that is not on loopback without TLS.
    package var insecure: Bool
    /// A connection that asks nothing is closed after this.
    package var idleSeconds: Int64
    package var alerts: AlertConfiguration
    package var settings: SchedulerSettings

    package init(
        host: String, port: Int, stateDirectory: String,
        configurationDirectory: String = StandardDirectories.configuration(), insecure: Bool,
        idleSeconds: Int64 = ServerLimits.idleSeconds,
        alerts: AlertConfiguration = AlertConfiguration(), settings: SchedulerSettings = SchedulerSettings()
    ) {
        self.host = host
        self.port = port
        self.stateDirectory = stateDirectory
        self.configurationDirectory = configurationDirectory
        self.insecure = insecure
        self.idleSeconds = idleSeconds
        self.alerts = alerts
        self.settings = settings
    }
}

/// The scheduler process: store, state, HTTP and the clock that drives them.
package struct SchedulerDaemon: Sendable {
    /// A node holds two: its reports and its long poll.
    private static let mostConnections = 16_384

    private let configuration: SchedulerConfiguration
    private let logger: Logger

    package init(configuration: SchedulerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Runs until SIGTERM or SIGINT.
    package func run() async throws {
        guard configuration.insecure || ["127.0.0.1", "::1", "localhost"].contains(configuration.host) else {
            throw SchedulerError(
                .configuration,
                "listening on \(configuration.host) sends tokens in clear text: use 127.0.0.1, or --insecure if the network is trusted"
            )
        }
        let senders = try configuration.alerts.senders()
        let exchange = try exchangeBook()
        try prepareStateDirectory()
        let lock = try StateLock(directory: configuration.stateDirectory)
        defer { lock.release() }
        let tokens = try Tokens.loadOrCreate(stateDirectory: configuration.stateDirectory)
        let store = try SQLiteStore(path: configuration.stateDirectory + "/scheduler.db")
        let clock = SystemClock()
        let scheduler = try await Scheduler.open(
            store: store, clock: clock, logger: logger, exchange: exchange, settings: configuration.settings)
        let deliveries = senders.map { delivery(of: $0, clock: clock, scheduler: scheduler) }
        await scheduler.send(alerts: deliveries.map(\.queue))
        let application = Application(
            router: APIRouter.build(scheduler: scheduler, tokens: tokens),
            server: ServerLimits.http1(idleSeconds: configuration.idleSeconds),
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), serverName: "hcs-scheduler",
                availableConnectionsDelegate: ServerLimits.connections(Self.mostConnections)),
            onServerRunning: { channel in announce(channel.localAddress) },
            logger: logger)
        var group = ServiceGroupConfiguration(
            services: [application, SchedulerTicker(scheduler: scheduler, logger: logger)] + deliveries,
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(5)
        do { try await ServiceGroup(configuration: group).run() } catch {
            await scheduler.close()
            throw error
        }
        await scheduler.close()
        try? FileManager.default.removeItem(atPath: addressFile)
        logger.info("stopped")
    }

    /// A catalogue file that is not understood costs itself, as with an agent; an exchange rate that is not, the start.
    private func exchangeBook() throws(SchedulerError) -> ExchangeBook {
        let (catalog, files) = Catalog.builtIn.overridden(by: configuration.configurationDirectory + "/catalog.d")
        for problem in files.compactMap(\.problem) { logger.error("catalogue: \(problem)") }
        do throws(ModelError) {
            let rates = try ExchangeFiles.read(configuration.configurationDirectory + "/exchange.d")
            let book = ExchangeBook(catalog: catalog, overrides: rates)
            if let problem = book.table.problems.first { throw ModelError(.badRequest, problem) }
            if !rates.isEmpty { logger.info("\(rates.count) exchange rates of the operator's") }
            return book
        } catch { throw SchedulerError(.configuration, error.message) }
    }

    private func delivery(
        of sender: any AlertSender, clock: any SchedulerClock, scheduler: Scheduler
    ) -> AlertDelivery {
        AlertDelivery(
            queue: AlertQueue(name: sender.name, threshold: configuration.alerts.severity, clock: clock),
            sender: sender, pauses: configuration.alerts.pauses
        ) { message in
            do { try await scheduler.note(.alertFailed, .warning, message) } catch {
                logger.error("\(message); and that could not be noted: \(error)")
            }
        }
    }

    /// Where a local `hcs` and agent find the scheduler.
    private var addressFile: String { configuration.stateDirectory + "/address" }

    private func announce(_ address: SocketAddress?) {
        guard let port = address?.port else { return }
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        let url = "http://\(host):\(port)"
        do {
            try AtomicFile.write(Array((url + "\n").utf8), to: addressFile, mode: 0o644)
            logger.info("listening on \(url)")
        } catch {
            logger.error("listening on \(url), but cannot write \(addressFile): \(error)")
        }
    }

    private func prepareStateDirectory() throws(SchedulerError) {
        do { try OwnDirectory.make(configuration.stateDirectory) } catch {
            throw SchedulerError(.state, "no state directory: \(error); choose another with --state-dir")
        }
    }
}

/// Drives time: back-offs that end, nodes that fall silent.
struct SchedulerTicker: Service {
    let scheduler: Scheduler
    let logger: Logger

    func run() async throws {
        await withGracefulShutdownHandler {
            await cancelWhenGracefulShutdown {
                while !Task.isCancelled {
                    do { try await scheduler.tick() } catch { logger.error("tick: \(error)") }
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        } onGracefulShutdown: {
            Task { await scheduler.releaseLongPolls() }
        }
    }
}
