import ArgumentParser
import HCSAPI

struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Change what the pool knows of a host.", subcommands: [ForgetCommand.self])
}

struct ForgetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Forget a host that never returns.",
        discussion: """
            Refused while the host reports. Its workloads wait for another device; those of restart policy never \
            have failed. Should it report again, it joins as a new one, and what it still runs of them is ended.

            Examples:
              hcs node forget host-a --reason 'scrapped'
            """)

    @Argument(help: "Name of the node.")
    var node: String

    @Option(name: .long, help: "Why, for the record.")
    var reason: String

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let request = ForgetRequest(reason: reason, by: caller.name)
        try request.validate()
        let name = node
        let result = try await connection.withClient { try await $0.forget(node: name, request) }
        try format.show(result) { result, _ in
            var lines = ["node \(result.node) with \(result.devices) devices is forgotten"]
            for (word, names) in [
                ("waiting again", result.queued), ("failed", result.failed), ("deleted", result.deleted),
            ] where !names.isEmpty {
                lines.append("\(word): \(names.joined(separator: ", "))")
            }
            return lines.map(Format.printable).joined(separator: "\n")
        }
    }
}
