import ArgumentParser
import Foundation
import HCSAPI
import HCSCatalog
import HCSModel
import HCSPlacement
import HCSSystem

/// `hcs exchange` lists the pool's cards, `hcs exchange A B` gives a rate.
struct ExchangeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exchange", abstract: "Show what cards are worth in each other's units, and report what was seen.",
        subcommands: [
            ShowExchangeCommand.self, ReportThroughputCommand.self, ThroughputCommand.self,
            ForgetThroughputCommand.self,
        ],
        defaultSubcommand: ShowExchangeCommand.self)
}

struct ShowExchangeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show how many of one card another is worth, or the cards of the pool.",
        discussion: """
            A rate follows peak compute and memory bandwidth, weighted by the class of work, times what was observed, \
            or what exchange.d on the scheduler says instead (docs/reference/placement.md). Where a figure was never \
            published there is no rate.

            Examples:
              hcs exchange A100-80G 910B3 --class decode
              hcs exchange H20 H100 --class prefill --precision bf16 --json
              hcs exchange --class training
              hcs exchange T4 A10 --offline
            """)

    @Argument(help: ArgumentHelp("A card, by any name of the catalogue.", valueName: "from"))
    var from: String?

    @Argument(help: ArgumentHelp("The card in whose units.", valueName: "to"))
    var to: String?

    @OptionGroup var work: ExchangeWork

    @Flag(name: .long, help: "Ask no scheduler: the catalogue of this host alone, without what was observed or stated.")
    var offline = false

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func validate() throws {
        guard (from == nil) == (to == nil) else { throw ValidationError("Name two cards, or none to list the pool's") }
        guard !offline || from != nil else { throw ValidationError("--offline knows no pool: name two cards") }
    }

    func run() async throws {
        let work = work
        guard let from, let to else {
            let view = try await connection.withClient {
                try await $0.exchange(class: work.workloadClass, precision: work.precision)
            }
            try format.show(view, table: Self.table)
            return
        }
        try format.show(try await rate(from, to), table: Self.text)
    }

    /// The scheduler's word; this host's with `--offline`, and where no scheduler was named and none answers.
    private func rate(_ from: String, _ to: String) async throws -> ExchangeRate {
        let work = work
        guard !offline else { return try Self.offline(from, to, work) }
        let isNamed = connection.scheduler != nil || LocalPaths.current.environment["HCS_SCHEDULER"] != nil
        do {
            return try await connection.withClient {
                try await $0.exchangeRate(from: from, to: to, class: work.workloadClass, precision: work.precision)
            }
        } catch let error as ClientError where error.code == .unreachable && !isNamed {
            FileHandle.standardError.write(
                Data("hcs: no scheduler answers; this is by the catalogue of this host alone\n".utf8))
            return try Self.offline(from, to, work)
        }
    }

    private static func offline(_ from: String, _ to: String, _ work: ExchangeWork) throws -> ExchangeRate {
        let (catalog, files) = Catalog.builtIn.overridden(by: StandardDirectories.configuration() + "/catalog.d")
        for problem in files.compactMap(\.problem) {
            FileHandle.standardError.write(Data("hcs: catalogue: \(Format.printable(problem))\n".utf8))
        }
        do {
            return try ExchangeTable(cards: catalog.cards).rate(
                from, to, class: work.workloadClass, precision: work.precision)
        } catch {
            throw CommandFailure(error.code == .ambiguousCard ? .badData : .noSuchThing, error.message)
        }
    }

    static func text(_ rate: ExchangeRate, _ style: Style) -> String {
        let factors = rate.terms.map(\.factor).map { "x \(Format.figure($0))" }
        let width = factors.reduce(0) { max($0, $1.count) }
        let work = "\(rate.workloadClass.rawValue), \(rate.precision.rawValue)"
        let worth = style.bold(Format.figure(rate.rate))
        var lines = ["1 \(Format.printable(rate.from)) = \(worth) \(Format.printable(rate.to))  (\(work))"]
        if !rate.terms.isEmpty { lines += ["", "made of"] }
        for (term, factor) in zip(rate.terms, factors) {
            let pad = String(repeating: " ", count: width - factor.count)
            lines.append("  \(factor)\(pad)  \(name(of: term.kind)): \(Format.printable(term.detail))")
        }
        let span = "\(Format.figure(rate.low)) to \(Format.figure(rate.high)) for two thirds of such work"
        lines += ["", "confidence  \(rate.confidence.rawValue): \(span)"]
        lines += rate.sources.map { "source      \(Format.printable($0.card)): \(Format.printable($0.text))" }
        return lines.joined(separator: "\n")
    }

    private static func name(of kind: ExchangeRate.Term.Kind) -> String {
        switch kind {
        case .compute: "compute"
        case .bandwidth: "memory bandwidth"
        case .observed: "observed"
        case .stated: "stated"
        }
    }

    static func table(_ view: ExchangeView, _ style: Style) -> String {
        guard !view.items.isEmpty else { return "No node has reported a device." }
        var table = TextTable([
            .init("CARD"), .init("DEVICES", .right), .init("TFLOPS", .right), .init("OF UNIT", .right),
            .init("SEEN", .right), .init("FIGURES"), .init("KIND"), .init("WHY NOT"),
        ])
        let unit = view.precision.unitCard.tflops
        for item in view.items {
            table.add([
                .init(item.name), .init("\(item.devices)"), .init(Format.tflops(item.teraflops)),
                .init(item.teraflops.map { Format.figure($0 / unit) } ?? Format.none), .init("\(item.workloadsSeen)"),
                .init(item.confidence.rawValue), .init(item.simulated ? "simulated" : "real"),
                .init(item.unknown ?? ""),
            ])
        }
        let head =
            "\(view.workloadClass.rawValue), \(view.precision.rawValue); TFLOPS as \(view.unit) does the class; SEEN: workloads that compared it"
        return ([head, "", table.render(style)] + view.problems.map { "not counted: \(Format.printable($0))" })
            .joined(separator: "\n")
    }
}

/// Which work a rate is for.
struct ExchangeWork: ParsableArguments {
    @Option(name: .customLong("class"), help: "What the work is like: training, prefill, decode or embedding.")
    var workloadClass: WorkloadClass = .training

    @Option(name: .long, help: "Number format: fp64, fp32, tf32, fp16, bf16, fp8 or int8.")
    var precision: Precision = .fp16
}

struct ReportThroughputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Report what a workload did on one device of a card.",
        discussion: """
            Throughput of the same workload, unit, class and precision on several cards moves their rates. The newest \
            nine of each count, by their median. Give the workload a name that says what changes its speed: model, \
            batch, length.

            Examples:
              hcs exchange report --class decode --workload llama3-8b-b32 --model 910B3 --throughput 1234 --unit tokens/s --baseline A100-80G=1800
            """)

    @OptionGroup var work: ExchangeWork

    @Option(name: .long, help: ArgumentHelp("What ran, for example llama3-8b-b32.", valueName: "name"))
    var workload: String

    @Option(name: .long, help: ArgumentHelp("The card, by any name of the catalogue.", valueName: "card"))
    var model: String

    @Option(name: .long, help: ArgumentHelp("Of one device; more is better.", valueName: "number"))
    var throughput: Double

    @Option(name: .long, help: ArgumentHelp("Such as tokens/s.", valueName: "unit"))
    var unit: String

    @Option(name: .long, help: ArgumentHelp("The same on another card.", valueName: "card=number"))
    var baseline: String?

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let report = ThroughputReport(
            card: model, workloadClass: work.workloadClass, precision: work.precision, workload: workload, unit: unit,
            throughput: throughput, baseline: try baseline.map(Self.baseline), by: caller.name)
        try report.validate()
        let list = try await connection.withClient { try await $0.report(report) }
        try format.show(list) { ThroughputCommand.table($0.items, $1) }
    }

    static func baseline(_ text: String) throws -> ThroughputReport.Baseline {
        guard let mark = text.lastIndex(of: "="), let throughput = Double(text[text.index(after: mark)...]),
            mark != text.startIndex
        else {
            throw CommandFailure(.usage, "--baseline '\(text)' is not understood: write it as A100-80G=1800")
        }
        return ThroughputReport.Baseline(card: String(text[..<mark]), throughput: throughput)
    }
}

struct ThroughputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "observations", abstract: "List the throughput that was reported.",
        discussion: """
            Examples:
              hcs exchange observations
            """)

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let list = try await connection.withClient { try await $0.throughput() }
        try format.show(list) { Self.table($0.items, $1) }
    }

    static func table(_ records: [ThroughputRecord], _ style: Style) -> String {
        guard !records.isEmpty else { return "Nothing was reported." }
        var table = TextTable([
            .init("CLASS"), .init("PRECISION"), .init("WORKLOAD"), .init("CARD"), .init("MEDIAN", .right),
            .init("UNIT"), .init("REPORTS", .right),
        ])
        for record in records {
            table.add([
                .init(record.key.workloadClass.rawValue), .init(record.key.precision.rawValue),
                .init(record.key.workload), .init(record.key.card),
                .init(record.median.map(Format.figure) ?? Format.none), .init(record.key.unit),
                .init("\(record.count)"),
            ])
        }
        return table.render(style)
    }
}

struct ForgetThroughputCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Take back what was reported of a card for a class of work.",
        discussion: """
            It counts in no rate any more. Shows what was taken back; where there was nothing, that is no error.

            Examples:
              hcs exchange forget --class decode --model 910B3
              hcs exchange forget --class decode --model 910B3 --precision fp16 --workload llama3-8b-b32
            """)

    @Option(name: .customLong("class"), help: "What the work was like: training, prefill, decode or embedding.")
    var workloadClass: WorkloadClass

    @Option(name: .long, help: ArgumentHelp("The card, by any name of the catalogue.", valueName: "card"))
    var model: String

    @Option(name: .long, help: "Only of this number format; otherwise of all.")
    var precision: Precision?

    @Option(name: .long, help: ArgumentHelp("Only of this workload; otherwise of all.", valueName: "name"))
    var workload: String?

    @OptionGroup var caller: Caller
    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let request = ForgetThroughputRequest(
            card: model, workloadClass: workloadClass, precision: precision, workload: workload, by: caller.name)
        try request.validate()
        let list = try await connection.withClient { try await $0.forget(request) }
        try format.show(list) { list, style in
            list.items.isEmpty ? "Nothing of that was reported." : ThroughputCommand.table(list.items, style)
        }
    }
}
