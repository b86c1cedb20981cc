import ArgumentParser
import HCSAPI
import HCSModel

struct DefragCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "defrag", abstract: "Propose the fewest moves that make room for a workload that waits.",
        discussion: """
            A move ends a workload and starts it again elsewhere, as `hcs drain` does. Work with --restart never and \
            work of gangs is not moved. --run carries the plan out; the scheduler's scheduler.yaml must allow it \
            (defragmentation: {run: true}), and the fleet guard counts each device that is cleared.

            Without a name the first in line is taken that moves would help.

            Examples:
              hcs defrag --plan
              hcs defrag --plan train-b
              hcs defrag --run train-b
            """)

    @Flag(name: .long, help: "Only say what would be moved. This is what happens without --run.")
    var plan = false

    @Flag(name: .customLong("run"), help: "Move.")
    var carryOut = false

    @Argument(help: "Name or id of the workload that waits.")
    var workload: String?

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func validate() throws {
        guard !(plan && carryOut) else { throw ValidationError("--plan and --run: choose one") }
    }

    func run() async throws {
        let request = DefragmentationRequest(workload: workload, run: carryOut, by: caller.name)
        try request.validate()
        let view = try await connection.withClient { try await $0.defragment(request) }
        try format.show(view, table: Self.table)
    }

    static func table(_ view: DefragmentationView, _ style: Style) -> String {
        let proof = view.moves.isEmpty || view.isProven ? "" : " (there may be a smaller plan)"
        let summary = Format.printable(view.summary + proof)
        guard !view.moves.isEmpty else { return summary }
        var table = TextTable([
            .init("MOVE"), .init("FROM"), .init("DEVICES"), .init("TO"), .init("DEVICES"), .init("LOSES", .right),
        ])
        for move in view.moves {
            table.add([
                .init(move.name), .init(move.from.node), .init(move.from.devices.map(\.uuid).joined(separator: ",")),
                .init(move.to.node), .init(move.to.devices.map(\.uuid).joined(separator: ",")),
                .init(Format.duration(milliseconds: move.runMilliseconds)),
            ])
        }
        let then = view.then.map { "\($0.node): \($0.devices.map(\.uuid).joined(separator: ","))" }
        return "\(summary)\n\n\(table.render(style))\n\nThen \(view.target ?? "it") goes to "
            + Format.printable(then.joined(separator: "; "))
    }
}
