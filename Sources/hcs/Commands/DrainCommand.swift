import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Cordon a node or a device and move away what can be moved.",
        discussion: """
            A workload is moved when another device takes it: ended here, started anew there. Until then it runs on. \
            One of restart policy never, and what `hcs run` started, stay until they end.

            Examples:
              hcs drain GPU-2f1c --reason 'ticket 4711'
              hcs drain host-a --reason 'kernel update' --wait 30m
            """)

    @OptionGroup var what: CordonTarget

    @Option(name: .long, help: "Why, for everybody who meets it.")
    var reason: String

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Wait until nothing is left, at most so long: 10m, 1h. Ends with 75 where something is left.",
            valueName: "time"))
    var wait: Seconds?

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let request = CordonRequest(
            target: what.target, node: what.node, reason: reason, by: caller.name, drain: true)
        try request.validate()
        let limit = wait.map { Duration.seconds($0.count) }
        let tells = !format.isJSON
        let view = try await connection.withClient { client in
            var view = try await client.cordon(request)
            guard let limit else { return view }
            let deadline = ContinuousClock.now + limit
            var told = -1
            while !view.occupants.isEmpty, ContinuousClock.now < deadline {
                if tells, view.occupants.count != told {
                    told = view.occupants.count
                    FileHandle.standardError.write(Data("hcs: \(told) left\n".utf8))
                }
                try await Task.sleep(for: .milliseconds(500))
                view = try await Self.present(view.cordon.target, client)
            }
            return view
        }
        try format.show(view, table: Cordons.text)
        if wait != nil, !view.occupants.isEmpty {
            throw CommandFailure(.tryAgain, "\(view.occupants.count) are left on \(view.cordon.target)")
        }
    }

    private static func present(_ target: Cordon.Target, _ client: SchedulerClient) async throws -> CordonView {
        guard let view = try await client.cordons().items.first(where: { $0.cordon.target == target }) else {
            throw CommandFailure(.badData, "somebody lifted the cordon on \(target)")
        }
        guard view.cordon.drains else { throw CommandFailure(.badData, "somebody ended the drain of \(target)") }
        return view
    }
}
