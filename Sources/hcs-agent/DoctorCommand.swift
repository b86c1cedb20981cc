import ArgumentParser
import Foundation
import HCSAgent

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this host has of what the agent needs. Exits with 0 whenever it could look.")

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json }

    @OptionGroup var options: AgentOptions
    @Option(name: [.long, .short], help: "table or json.")
    var output: Format = .table

    func run() async throws {
        var configuration = try options.resolve()
        configuration.simulation = try options.simulation(configuration)
        let report = await Doctor.examine(configuration)
        switch output {
        case .table: try Output.standardOutput(report.text + "\n")
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Output.standardOutput(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n")
        }
    }
}
