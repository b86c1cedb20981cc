import ArgumentParser
import Foundation
import HCSModel
import HCSScheduler
import HCSSystem
import Logging

@main
struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hcs-scheduler",
        abstract: "Places workloads on the devices that agents report.",
        discussion: """
            State (SQLite), tokens and the bound address live in the state directory. The first start writes \
            admin.token (for hcs) and node.token (for agents) there, readable by the owner only.

            EXAMPLE
              hcs-scheduler --listen 127.0.0.1:8470 --state-dir /var/lib/hcs-scheduler
            """,
        version: HCSVersion.current)

    @Option(help: "Address and port to listen on; port 0 takes any free one.")
    var listen = "127.0.0.1:8470"

    @Option(
        help:
            "Directory for the store and the tokens. Default: HCS_STATE_DIR, /var/lib/hcs-scheduler for root, else the XDG state directory."
    )
    var stateDir: String?

    @Option(
        help:
            "Directory of scheduler.yaml, exchange.d and catalog.d. Default: HCS_CONFIG_DIR, /etc/hcs for root, else the XDG configuration directory."
    )
    var configDir: String?

    @Flag(help: "Allow listening elsewhere than on loopback without TLS.")
    var insecure = false

    @Option(help: "http or https address that gets each alert as a JSON POST.")
    var alertWebhook: String?

    @Option(help: "File with a secret of at least 16 bytes: alerts to the webhook are signed with it (HMAC-SHA256).")
    var alertSecretFile: String?

    @Option(help: "Program that is run for each alert, without arguments, the alert as JSON on its standard input.")
    var alertProgram: String?

    @Option(help: "Events that become alerts, no less than: info, warning or critical.")
    var alertSeverity = "warning"

    @Option(
        help: ArgumentHelp(
            "Device memory that is promised to nobody, on each device, such as 256Mi. Default: 512Mi, on small devices 2 %.",
            valueName: "size"))
    var deviceMargin: String?

    @Option(
        help: ArgumentHelp(
            "Work that a reporting node does not tell of for so long is planned again: 10 to 86400.",
            valueName: "seconds"))
    var reservationTimeout: Int64 = 60

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError(
                "--log-level '\(logLevel)' is none of trace, debug, info, notice, warning, error, critical")
        }
        guard let severity = FleetEvent.Severity(rawValue: alertSeverity) else {
            throw ValidationError("--alert-severity '\(alertSeverity)' is none of info, warning, critical")
        }
        guard let colon = listen.lastIndex(of: ":"), let port = Int(listen[listen.index(after: colon)...]),
            (0...65535).contains(port)
        else { throw ValidationError("--listen '\(listen)' must be ADDRESS:PORT") }
        var settings = try self.settings()
        let host = String(listen[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        umask(0o077)  // The store holds the environment of workloads.
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "hcs-scheduler")
        logger.logLevel = level
        do {
            (settings.queue, settings.queueFile) = try PolicyFile.load(
                directory: configDir ?? StandardDirectories.configuration())
        } catch {
            FileHandle.standardError.write(Data("hcs-scheduler: \(error)\n".utf8))
            throw ExitCode(1)
        }
        let daemon = SchedulerDaemon(
            configuration: SchedulerConfiguration(
                host: host, port: port, stateDirectory: stateDir ?? StandardDirectories.state(of: "hcs-scheduler"),
                configurationDirectory: configDir ?? StandardDirectories.configuration(),
                insecure: insecure,
                alerts: AlertConfiguration(
                    webhook: alertWebhook, secretFile: alertSecretFile, program: alertProgram, severity: severity),
                settings: settings),
            logger: logger)
        do {
            try await daemon.run()
        } catch {
            FileHandle.standardError.write(Data("hcs-scheduler: \(error)\n".utf8))
            throw ExitCode(1)
        }
    }

    private func settings() throws -> SchedulerSettings {
        var margin: ByteCount?
        if let deviceMargin {
            do { margin = try ByteCount.parse(deviceMargin) } catch {
                throw ValidationError("--device-margin: \(error.message)")
            }
        }
        let (timeout, overflow) = reservationTimeout.multipliedReportingOverflow(by: 1000)
        guard !overflow, SchedulerSettings.reservationRange.contains(timeout) else {
            throw ValidationError("--reservation-timeout must be 10 to 86400 seconds")
        }
        return SchedulerSettings(margin: margin, reservationMilliseconds: timeout)
    }
}
