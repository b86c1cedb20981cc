/// What the demo promised and what was seen, in the order it happened.
struct Promises {
    struct Row {
        var step: String
        var promised: String
        var seen: String
        var kept: Bool
    }

    private(set) var rows: [Row] = []

    var allKept: Bool { !rows.isEmpty && rows.allSatisfy(\.kept) }

    mutating func add(_ row: Row) { rows.append(row) }

    func table(_ screen: Screen) -> [String] {
        let width = rows.map(\.promised.count).max() ?? 0
        let header = "     " + "PROMISED".padded(to: width) + "  SEEN"
        return [screen.bold(header)]
            + rows.map {
                "\($0.step.padded(to: 2)) \(screen.mark($0.kept)) \($0.promised.padded(to: width))  \($0.seen)"
            }
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
