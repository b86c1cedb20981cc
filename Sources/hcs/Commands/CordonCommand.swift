import ArgumentParser
import HCSAPI
import HCSModel

/// What `cordon`, `uncordon` and `drain` are about.
struct CordonTarget: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Name of a node, or UUID of a device or a beginning of it (4 characters or more).", valueName: "target"))
    var target: String

    @Option(name: .long, help: ArgumentHelp("Host of the device, where several have it.", valueName: "name"))
    var node: String?
}

struct CordonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordon", abstract: "Give a node or a device no new work. Without a target: list what is so.",
        discussion: """
            What runs there runs on; `hcs drain` moves it away. Ends a drain of the same target. What health blocks \
            is blocked apart from this: neither lifts the other.

            Examples:
              hcs cordon
              hcs cordon host-a --reason 'new power supply'
              hcs cordon GPU-2f1c --reason 'ticket 4711'
            """)

    @Argument(
        help: ArgumentHelp(
            "Name of a node, or UUID of a device or a beginning of it (4 characters or more).", valueName: "target"))
    var target: String?

    @Option(name: .long, help: ArgumentHelp("Host of the device, where several have it.", valueName: "name"))
    var node: String?

    @Option(name: .long, help: "Why, for everybody who meets it.")
    var reason: String?

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func validate() throws {
        guard (target == nil) == (reason == nil) else {
            throw ValidationError(target == nil ? "--reason without a target" : "give a --reason")
        }
    }

    func run() async throws {
        guard let target, let reason else {
            let list = try await connection.withClient { try await $0.cordons() }
            try format.show(list) { list, style in
                list.items.isEmpty
                    ? "Nothing is cordoned." : list.items.map { Cordons.text($0, style) }.joined(separator: "\n\n")
            }
            return
        }
        let request = CordonRequest(target: target, node: node, reason: reason, by: caller.name, drain: false)
        try request.validate()
        let view = try await connection.withClient { try await $0.cordon(request) }
        try format.show(view, table: Cordons.text)
    }
}

struct UncordonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uncordon", abstract: "Lift what `hcs cordon` or `hcs drain` set.",
        discussion: """
            A device that health, its agent or its node's own cordon blocks gets no work after it either: the answer \
            says so.

            Examples:
              hcs uncordon host-a
            """)

    @OptionGroup var what: CordonTarget
    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let request = UncordonRequest(target: what.target, node: what.node, by: caller.name)
        try request.validate()
        let result = try await connection.withClient { try await $0.uncordon(request) }
        try format.show(result) { result, _ in
            (["\(result.target) is no longer cordoned"] + result.remaining.map { "still no work: \($0)" })
                .map(Format.printable).joined(separator: "\n")
        }
    }
}
