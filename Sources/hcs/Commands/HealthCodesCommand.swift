import ArgumentParser
import HCSHealth

struct HealthCodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "codes", abstract: "Show the fault catalogue: what a vendor's code means for the score.",
        discussion: """
            Hard faults make a score 0 until there is evidence of a repair; held ones while the processes live that had \
            the device; soft ones lower it for a while; application ones count when they hit several jobs. health.yaml \
            can say otherwise (`hcs health policy`).

            Examples:
              hcs health codes 79
              hcs health codes ascend --json
            """)

    @Argument(
        help: ArgumentHelp(
            "Only codes, vendors, families and names with this in them; a number only that code.", valueName: "text"))
    var text: String?

    @OptionGroup var format: OutputOptions

    private struct Code: Encodable {
        var vendor: String
        var family: String
        var code: String
        var `class`: String
        var group: String?
        var advice: String?
        var name: String
        var source: String
    }

    func run() throws {
        let codes = FaultCatalogue.builtIn.rows.filter(isWanted).map {
            Code(
                vendor: $0.code.vendor, family: $0.code.family, code: $0.code.code, class: $0.faultClass.rawValue,
                group: $0.group.isEmpty ? nil : $0.group, advice: $0.advice?.rawValue, name: $0.name, source: $0.source)
        }
        try format.show(codes) { codes, style in
            guard !codes.isEmpty else { return "No code of the catalogue has '\(Format.printable(text ?? ""))' in it." }
            var table = TextTable([
                .init("VENDOR"), .init("FAMILY"), .init("CODE"), .init("CLASS"), .init("ADVICE"), .init("NAME"),
            ])
            for code in codes {
                table.add([
                    .init(code.vendor), .init(code.family), .init(code.code), .init(code.class),
                    .init(code.advice ?? "-"), .init(code.name),
                ])
            }
            return table.render(style)
        }
    }

    private func isWanted(_ row: FaultCatalogue.Row) -> Bool {
        guard let wanted = text?.lowercased() else { return true }
        if UInt64(wanted) != nil { return row.code.code == wanted }
        return [row.code.description, row.name].contains { $0.lowercased().contains(wanted) }
    }
}
