/// Columns that line up, two blanks apart. The last column is never padded, so that no line ends in blanks.
struct TextTable {
    enum Alignment: Sendable { case left, right }

    struct Column: Sendable {
        var title: String
        var alignment: Alignment
        init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    /// A cell's width is that of its text; the paint around it takes no room.
    struct Cell: ExpressibleByStringLiteral {
        var text: String
        var paint: (String) -> String
        init(_ text: String, _ paint: @escaping (String) -> String = { $0 }) {
            // Names come from vendor libraries and from submitters: a control character must not move the cursor.
            self.text = String(text.map { $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "?" : $0 })
            self.paint = paint
        }
        init(stringLiteral value: String) { self.init(value) }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    mutating func add(_ row: [Cell]) {
        precondition(row.count == columns.count, "a row has one cell for each column")
        rows.append(row)
    }

    func render(_ style: Style) -> String {
        let widths = columns.indices.map { index in
            rows.reduce(columns[index].title.count) { max($0, $1[index].text.count) }
        }
        let header = columns.map { Cell($0.title, style.bold) }
        return ([header] + rows).map { line($0, widths) }.joined(separator: "\n")
    }

    private func line(_ cells: [Cell], _ widths: [Int]) -> String {
        var result = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[index] - cell.text.count)
            let isLast = index == cells.count - 1
            switch columns[index].alignment {
            case .right: result += padding + cell.paint(cell.text)
            case .left: result += cell.paint(cell.text) + (isLast ? "" : padding)
            }
            if !isLast { result += "  " }
        }
        while result.last == " " { result.removeLast() }
        return result
    }
}
