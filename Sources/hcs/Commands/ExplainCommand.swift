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
        guard !explanation.devices.isEmpty else { return "\(summary)\nThe pool has no devices." }
        var table = TextTable([
            .init("NODE"), .init("VENDOR"), .init("MODEL"), .init("DEVICE"), .init("FITS"), .init("WHY"),
        ])
        for verdict in explanation.devices {
            let score = verdict.score.map { "score \(Format.tflops($0))" } ?? ""
            table.add([
                .init(verdict.node), .init(verdict.vendor.displayName), .init(verdict.model),
                .init(verdict.device.uuid),
                .init(verdict.fits ? "yes" : "no") { style.band(verdict.fits ? .healthy : .degraded, $0) },
                .init(verdict.fits ? score : verdict.reasons.joined(separator: "; ")),
            ])
        }
        return "\(summary)\n\n\(table.render(style))"
    }
}
