import ArgumentParser
import HCSAPI
import HCSModel

/// `hcs queue` lists, `hcs queue policy` prints the rules.
struct QueueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Show what waits, in which order and why, and what the tenants have.",
        subcommands: [ShowQueueCommand.self, QueuePolicyCommand.self], defaultSubcommand: ShowQueueCommand.self)
}

struct ShowQueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what waits, in which order and why, and what the tenants have.",
        discussion: """
            Order: priority, then the tenant with the smaller share of the pool (its dominant resource, by its weight), \
            then age. What waited very long goes first and has room kept for it. # is the place in line; a dash is not \
            in line: in back-off, or of a gang that is not complete.

            FOR says what it waits for: room, quota, gang, backoff, policy; preempting: others are being ended for \
            it; reserved: room is kept for it.

            Examples:
              hcs queue
              hcs queue --tenant research
              hcs queue --json
            """)

    @Option(name: .long, help: ArgumentHelp("Only this tenant's.", valueName: "name"))
    var tenant: String?

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        var view = try await connection.withClient { try await $0.queue() }
        if let tenant {
            guard view.tenants.contains(where: { $0.name == tenant }) else {
                let known = view.tenants.map(\.name).joined(separator: ", ")
                throw APIProblem.notFound("no tenant '\(tenant.prefix(80))'; there are: \(known)")
            }
            view.items = view.items.filter { $0.tenant == tenant }
            view.tenants = view.tenants.filter { $0.name == tenant }
        }
        try format.show(view, table: Self.table)
    }

    static func table(_ view: QueueView, _ style: Style) -> String {
        var tenants = TextTable([
            .init("TENANT"), .init("WEIGHT", .right), .init("SHARE", .right), .init("DEVICES", .right),
            .init("VRAM", .right), .init("CPU", .right), .init("RUNNING", .right), .init("WAITING", .right),
            .init("BORROWS"),
        ])
        for tenant in view.tenants {
            tenants.add([
                .init(tenant.name), .init(Format.tflops(tenant.weight)),
                .init("\(Format.tflops(tenant.dominantShare * 100)) %"), .init("\(tenant.use.devices)"),
                .init(Format.bytes(tenant.use.vram)), .init(Format.tflops(Double(tenant.use.cpuMilli) / 1000)),
                .init("\(tenant.placed)"), .init("\(tenant.queued)"), .init(tenant.borrows ? "yes" : "no"),
            ])
        }
        guard !view.items.isEmpty else { return "Nothing waits.\n\n\(tenants.render(style))" }
        var table = TextTable([
            .init("#", .right), .init("NAME"), .init("TENANT"), .init("PRIORITY", .right), .init("GANG"),
            .init("WAITED", .right), .init("FOR"), .init("WHY"),
        ])
        for entry in view.items {
            table.add([
                .init(entry.position.map(String.init) ?? Format.none), .init(entry.name), .init(entry.tenant),
                .init("\(entry.priority)"), .init(entry.gang.map { "\($0.name) (\($0.size))" } ?? Format.none),
                .init(Format.duration(milliseconds: max(0, view.atMilliseconds - entry.queuedMilliseconds))),
                .init(entry.code), .init(entry.reason),
            ])
        }
        return "\(table.render(style))\n\n\(tenants.render(style))"
    }
}

struct QueuePolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Print the rules that the scheduler follows: pools, tenants, quotas.",
        discussion: """
            The scheduler reads scheduler.yaml from its configuration directory when it starts. What is printed here \
            has the defaults filled in and is a file that it would read.

            Examples:
              hcs queue policy
            """)

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let view = try await connection.withClient { try await $0.queuePolicy() }
        try format.show(view) { view, _ in
            "# " + (view.file.map { "from \($0)" } ?? "no scheduler.yaml: the defaults") + "\n" + view.yaml
        }
    }
}
