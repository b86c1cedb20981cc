import ArgumentParser
import Foundation
import HCSAgent

struct FingerprintCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fingerprint",
        abstract: "Show theoretical and measured throughput of devices and processors; with --measure, measure them.",
        discussion: """
            Without --measure nothing is started but the libraries' own inventory. A measurement takes some seconds for \
            each device, at most 2Gi of its memory, and is refused on a device in use.
            """)

    @OptionGroup var options: AgentOptions
    @Flag(help: "Measure, and keep the result until driver or clocks change.")
    var measure = false
    @Flag(help: "The processors of this host; devices only where they are named.")
    var cpu = false
    @Argument(help: ArgumentHelp("A UUID, its beginning, vendor:index, or all.", valueName: "device"))
    var devices: [String] = []
    @Option(name: [.long, .short], help: "table or json.")
    var output: DoctorCommand.Format = .table

    func run() async throws {
        var configuration = try options.resolve()
        configuration.simulation = try options.simulation(configuration)
        let report = try await Fingerprinter.examine(
            configuration, .init(measure: measure, cpu: cpu, devices: devices))
        switch output {
        case .table: try Output.standardOutput(report.text + "\n")
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Output.standardOutput(String(decoding: try encoder.encode(report), as: UTF8.self) + "\n")
        }
    }
}
