import ArgumentParser
import HCSAPI
import HCSHealth
import HCSModel

/// `hcs health` lists, `hcs health DEVICE` shows how a score is made.
struct HealthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Show the health of the devices with its reasons, or how one score is made.",
        subcommands: [
            ShowHealthCommand.self, HealthPolicyCommand.self, HealthCodesCommand.self, SetHealthyCommand.self,
        ],
        defaultSubcommand: ShowHealthCommand.self)
}

struct ShowHealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the health of the devices with its reasons, or how one score is made.",
        discussion: """
            A score is round(100 x product(1 - penalty)), at least 1; a hard fault makes it 0. Healthy is 85 and \
            more, degraded 60 and more; suspect, failed and unknown devices get no new work. A band follows its score \
            with a delay, so that it does not flap.

            Examples:
              hcs health
              hcs health GPU-2f1c
              hcs health GPU-2f1c --local --json
            """)

    @Argument(
        help: ArgumentHelp("UUID of a device, or its beginning where no other has the same.", valueName: "device"))
    var device: String?

    @Option(name: .long, help: ArgumentHelp("Only the devices of this host.", valueName: "name"))
    var node: String?

    @OptionGroup var source: HostSource
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let all = try await source.ask(
            scheduler: { try await $0.devices().items.map(HealthView.init) },
            agent: { status in status.devices.map { HealthView($0, node: status.node) } })
        let known = all.filter { node == nil || $0.node == node }
        guard let device else {
            try format.show(known, table: HealthView.table)
            return
        }
        let uuids = known.map { DeviceName(node: $0.node, id: $0.device) }
        let found = try DeviceName.find(device, among: uuids)
        try format.show(known.filter { $0.node == found.node && $0.device == found.id }) { views, style in
            views.map { $0.text(style) }.joined(separator: "\n")
        }
    }
}

struct HealthPolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Print the built-in health policy: every class, weight, cap and half-life.",
        discussion: """
            An agent lays its host's health.yaml, in its configuration directory, over these numbers. That file needs to \
            hold only what differs; a key that is not among these ends the agent's start with its path.

            Examples:
              hcs health policy | less
            """)

    func run() { print(HealthPolicy.builtInText, terminator: "") }
}

struct SetHealthyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-healthy", abstract: "Say that a device's latched faults are repaired.",
        discussion: """
            The scheduler keeps the word until the device's agent applies or refuses it; `hcs events` tells which, \
            with who said it and why.

            Examples:
              hcs health set-healthy GPU-2f1c --reason 'board replaced, ticket 4711'
            """)

    @Argument(
        help: ArgumentHelp("UUID of the device, or a beginning of it (4 characters or more).", valueName: "device"))
    var device: String

    @Option(name: .long, help: ArgumentHelp("Host of the device, where several have it.", valueName: "name"))
    var node: String?

    @Option(name: .long, help: "What was repaired, for the record.")
    var reason: String

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let request = ClearanceRequest(device: device, node: node, reason: reason, by: caller.name)
        try request.validate()
        let clearance = try await connection.withClient { try await $0.requestClearance(request) }
        try format.show(clearance) { clearance, _ in
            Format.printable(
                "device \(clearance.device) of node \(clearance.node): its agent will be told; `hcs events` says what it did"
            )
        }
    }
}
