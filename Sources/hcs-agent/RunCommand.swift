import ArgumentParser
import HCSAgent
import Logging

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the agent (the default). Ends at SIGTERM; workloads go on and are found again by the next agent."
    )

    @OptionGroup var options: AgentOptions
    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel: String = "info"

    func run() async throws {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw ValidationError(
                "--log-level '\(logLevel.prefix(40))' must be trace, debug, info, notice, warning or error")
        }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "hcs-agent")
        logger.logLevel = level
        var configuration = try options.resolve()
        configuration.simulation = try options.simulation(configuration)
        try await Agent.run(configuration, logger: logger)
    }
}
