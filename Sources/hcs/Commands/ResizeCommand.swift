import ArgumentParser
import HCSAPI
import HCSModel

/// `hcs workload VERB`: changes of one workload.
struct WorkloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workload", abstract: "Change a workload.", subcommands: [ResizeCommand.self])
}

struct ResizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resize", abstract: "Give a workload more or less device memory.",
        discussion: """
            A running workload keeps running: a raise must fit what is free on its device, and a quota below what is in \
            use only denies new memory. One that waits asks for the new size from now on.

            Examples:
              hcs workload resize train-a --vram 12Gi
            """)

    @Argument(help: "Name or id of the workload.")
    var id: String

    @Option(
        name: .long, help: ArgumentHelp("Device memory it may use, such as 12Gi.", valueName: "size"),
        transform: Self.size)
    var vram: ByteCount

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    private static func size(_ text: String) throws -> ByteCount {
        do { return try ByteCount.parse(text) } catch { throw ValidationError(error.message) }
    }

    func run() async throws {
        let change = WorkloadChange(vram: vram)
        try change.validate()
        let name = id
        let view = try await connection.withClient { try await $0.change(name, change) }
        try format.show(view) { view, _ in "\(view.spec.name)  \(view.id)  \(view.phase.rawValue)  \(view.message)" }
    }
}
