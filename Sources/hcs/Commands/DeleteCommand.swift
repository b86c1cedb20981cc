import ArgumentParser
import HCSAPI
import HCSModel

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "End a workload and take it out of the pool.",
        discussion: """
            It gets its stop signal, and SIGKILL when its grace is over.

            Examples:
              hcs delete train-a
            """)

    @Argument(help: "Name or id of the workload.")
    var id: String

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let name = id
        let view = try await connection.withClient { try await $0.delete(name) }
        try format.show(view) { view, _ in "\(view.spec.name)  \(view.id)  \(view.phase.rawValue)  \(view.message)" }
    }
}
