import ArgumentParser
import HCSAPI
import HCSModel

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say for each device why a workload is not there.",
        discussion: """
            Examples:
              hcs explain train-a
            """)

    @Argument(help: "Name or id of the workload.")
    var id: String

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let name = id
        let explanation = try await connection.withClient { try await $0.explain(name) }
        try format.show(explanation, table: Self.table)
    }

    static func table(_ explanation: Explanation, _ style: Style) -> String {
        let summary = "\(explanation.name) is \(explanation.phase.rawValue): \(explanation.summary)"
        return PlanText.text(summary, explanation.devices, explanation.changes ?? [], style)
    }
}
