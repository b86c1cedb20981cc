import ArgumentParser
import HCSAPI
import HCSModel

struct NodesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes", abstract: "List the hosts of the pool.",
        discussion: """
            Examples:
              hcs nodes
              hcs nodes --output json
            """)

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let nodes = try await connection.withClient { try await $0.nodes() }
        try format.show(nodes) { Self.table($0.items, $1) }
    }

    static func table(_ nodes: [NodeView], _ style: Style) -> String {
        guard !nodes.isEmpty else {
            return "No node has reported yet. Start hcs-agent on a host, with this scheduler's node.token."
        }
        var table = TextTable([
            .init("NODE"), .init("STATE"), .init("HEALTH", .right), .init("DEVICES"), .init("CPUS", .right),
            .init("MEMORY", .right),
            .init("NUMA", .right), .init("KERNEL"), .init("CPU"), .init("SEEN", .right),
        ])
        for node in nodes {
            let band: HealthBand = node.state == .ready ? .healthy : .failed
            let state = node.cordon.map { "\(node.state.rawValue), \(Cordons.word($0))" } ?? node.state.rawValue
            table.add([
                .init(node.name), .init(state) { style.band(band, $0) },
                .init(node.health?.score.map(String.init) ?? "-") { style.band(node.health?.band ?? .unknown, $0) },
                .init(devices(node)),
                .init("\(node.host.cpuCount)"), .init(Format.bytes(node.host.memory)),
                .init("\(node.host.numaNodes.count)"), .init(node.host.kernel), .init(node.host.cpuModel),
                .init(Format.duration(milliseconds: node.lastReportAgeMilliseconds) + " ago"),
            ])
        }
        let notes = nodes.flatMap { node in
            (node.cordon.map { ["\(node.name): \(Cordons.sentence($0))"] } ?? [])
                + (node.health?.reasons ?? []).map { "\(node.name): \($0.detail) (\($0.source))" }
        }
        return ([table.render(style)] + (notes.isEmpty ? [] : [""]) + notes.map(Format.printable)).joined(
            separator: "\n")
    }

    private static func devices(_ node: NodeView) -> String {
        if node.deviceCount == 0 { return "none" }
        if node.simulatedDeviceCount == 0 { return "\(node.deviceCount)" }
        if node.simulatedDeviceCount == node.deviceCount { return "\(node.deviceCount) simulated" }
        return "\(node.deviceCount), \(node.simulatedDeviceCount) of them simulated"
    }
}
