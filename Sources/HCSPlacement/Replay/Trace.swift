/// A cluster and the work that arrives at it, as read from a trace.
package struct Trace: Sendable {
    package var nodeNames: [String]
    package var nodes: [PackingNode]
    /// Device models by the index that nodes and shapes use.
    package var models: [String]
    package var pods: [PackingShape]
    /// Models that pods would take besides ones that nodes have, and in how many lines.
    package private(set) var absentModels: [String: Int] = [:]

    /// Thousandths of devices in all nodes.
    package var capacity: Int { nodes.reduce(0) { $0 + $1.free.reduce(0) { $0 + Int($1) } } }
    /// Thousandths of devices that all pods ask for.
    package var demand: Int { pods.reduce(0) { $0 + $1.deviceMilli } }

    /// Reads two CSV files of the openb format (Alibaba cluster-trace-gpu-v2023).
    ///
    /// Nodes need the columns `sn,cpu_milli,memory_mib,gpu,model`, pods `name,cpu_milli,memory_mib,num_gpu,gpu_milli`
    /// and, where pods are bound to models, `gpu_spec` (names joined by `|`). Other columns are not looked at. Throws
    /// `TraceError` with every bad line: no line is left out in silence.
    package init(nodes nodeText: String, called nodeFile: String, pods podText: String, called podFile: String) throws {
        nodeNames = []
        nodes = []
        models = []
        pods = []
        try readNodes(CSVTable(nodeText, file: nodeFile, needs: ["sn", "cpu_milli", "memory_mib", "gpu", "model"]))
        try readPods(
            CSVTable(podText, file: podFile, needs: ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"]))
    }

    package init(nodes: [PackingNode], models: [String], pods: [PackingShape]) {
        nodeNames = nodes.indices.map { "node-\($0)" }
        self.nodes = nodes
        self.models = models
        self.pods = pods
    }

    private mutating func readNodes(_ table: CSVTable) throws {
        var problems = TraceError(file: table.file)
        var lineOf: [String: Int] = [:]
        for row in table.rows {
            problems.collect(row.line) {
                let name = row["sn"]
                guard !name.isEmpty else { throw RowProblem("the node has no name (sn)") }
                guard lineOf[name] == nil else {
                    throw RowProblem("node '\(name)' stands in line \(lineOf[name] ?? 0) already")
                }
                let count = try row.number("gpu", upTo: PackingNode.deviceLimit)
                let model = row["model"]
                guard count == 0 || !model.isEmpty else { throw RowProblem("the node's devices have no model") }
                let node = PackingNode(
                    model: count == 0 ? 0 : try modelIndex(model), cpu: Int32(try row.number("cpu_milli")),
                    memory: Int32(try row.number("memory_mib")),
                    free: Array(repeating: PackingShape.wholeDevice, count: count))
                lineOf[name] = row.line
                nodeNames.append(name)
                nodes.append(node)
            }
        }
        try problems.throwIfAny()
        guard nodes.count < RankKey.nodeLimit else {
            throw TraceError(file: table.file, line: 1, "\(nodes.count) nodes are more than \(RankKey.nodeLimit - 1)")
        }
        guard !nodes.isEmpty else { throw TraceError(file: table.file, line: 1, "there is no node") }
    }

    private mutating func modelIndex(_ name: String) throws(RowProblem) -> UInt8 {
        if let index = models.firstIndex(of: name) { return UInt8(index) }
        guard models.count < PackingNode.modelLimit else {
            throw RowProblem("'\(RowProblem.quotable(name))' is one model more than \(PackingNode.modelLimit)")
        }
        models.append(name)
        return UInt8(models.count - 1)
    }

    private mutating func readPods(_ table: CSVTable) throws {
        var problems = TraceError(file: table.file)
        for row in table.rows {
            problems.collect(row.line) {
                let cpu = Int32(try row.number("cpu_milli"))
                let memory = Int32(try row.number("memory_mib"))
                let count = try row.number("num_gpu", upTo: PackingNode.deviceLimit)
                let share = try row.number("gpu_milli", upTo: Int(PackingShape.wholeDevice))
                guard (count == 0) == (share == 0) else {
                    throw RowProblem("num_gpu \(count) with gpu_milli \(share): both are 0 or neither")
                }
                let allowed = try modelMask(row["gpu_spec"])
                pods.append(
                    PackingShape(
                        cpu: cpu, memory: memory, devices: UInt8(count), share: UInt16(share), models: allowed))
            }
        }
        try problems.throwIfAny()
        guard !pods.isEmpty else { throw TraceError(file: table.file, line: 1, "there is no pod") }
    }

    /// A pod that names several models is read when one of them is there: the others are counted, not refused.
    private mutating func modelMask(_ spec: String) throws(RowProblem) -> UInt64 {
        guard !spec.isEmpty else { return PackingShape.anyModel }
        var mask: UInt64 = 0
        var absent: [String] = []
        for name in spec.split(separator: "|", omittingEmptySubsequences: false) {
            if let index = models.firstIndex(of: String(name)) {
                mask |= 1 << UInt64(index)
            } else {
                absent.append(RowProblem.quotable(String(name)))
            }
        }
        guard mask != 0, !absent.contains("") else {
            throw RowProblem(
                "gpu_spec names model '\(absent.first ?? "")', the nodes have "
                    + models.sorted().joined(separator: ", "))
        }
        for name in absent where absentModels[name] != nil || absentModels.count < PackingNode.modelLimit {
            absentModels[name, default: 0] += 1
        }
        return mask
    }
}

/// What is wrong with a trace, line by line.
package struct TraceError: Error, Equatable, CustomStringConvertible, Sendable {
    package var file: String
    package private(set) var lines: [Line] = []
    /// Bad lines in all; `lines` holds the first ones.
    package private(set) var count = 0

    package struct Line: Equatable, Sendable {
        package var number: Int
        package var message: String
    }

    package static let lineLimit = 20

    init(file: String) { self.file = file }

    init(file: String, line: Int, _ message: String) {
        self.file = file
        add(line, message)
    }

    private mutating func add(_ line: Int, _ message: String) {
        count += 1
        if lines.count < Self.lineLimit { lines.append(Line(number: line, message: message)) }
    }

    mutating func collect(_ line: Int, _ body: () throws -> Void) {
        do { try body() } catch { add(line, "\(error)") }
    }

    func throwIfAny() throws(TraceError) { if count > 0 { throw self } }

    package var description: String {
        let listed = lines.map { "\(file):\($0.number): \($0.message)" }
        return (listed + (count > lines.count ? ["\(file): \(count - lines.count) more bad lines"] : []))
            .joined(separator: "\n")
    }
}

struct RowProblem: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    /// What a file says goes into messages short and without control characters.
    static func quotable(_ text: String) -> String {
        String(text.prefix(40).map { $0.isASCII && $0.asciiValue.map { $0 < 32 || $0 == 127 } == true ? "?" : $0 })
    }
}

/// Comma-separated lines below a header. Fields may stand in double quotes, not over several lines; blanks around one
/// without quotes do not count.
struct CSVTable {
    struct Row {
        var line: Int
        var fields: [String]
        var columns: [String: Int]

        /// Empty where the file has no such column.
        subscript(column: String) -> String { columns[column].map { fields[$0] } ?? "" }

        func number(_ column: String, upTo limit: Int = Int(Int32.max)) throws(RowProblem) -> Int {
            let text = self[column]
            // Spreadsheets write whole numbers with a fraction of zeros.
            let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            let digits = parts.first ?? ""
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
                parts.count == 1 || (!parts[1].isEmpty && parts[1].utf8.allSatisfy { $0 == 48 })
            else { throw RowProblem("\(column) is '\(RowProblem.quotable(text))', not a whole number from 0 on") }
            guard let value = Int(digits), value <= limit else {
                throw RowProblem("\(column) is \(RowProblem.quotable(text)), more than \(limit)")
            }
            return value
        }
    }

    var file: String
    var rows: [Row] = []

    init(_ text: String, file: String, needs: [String]) throws(TraceError) {
        self.file = file
        var problems = TraceError(file: file)
        var header: [String] = []
        var columns: [String: Int] = [:]
        var number = 0
        let body =
            text.utf8.starts(with: [0xEF, 0xBB, 0xBF]) ? text.unicodeScalars.dropFirst() : text.unicodeScalars[...]
        for line in body.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" }) {
            number += 1
            let line = line.last == "\r" ? line.dropLast() : line
            guard !line.isEmpty else { continue }
            problems.collect(number) {
                let fields = try Self.fields(of: line)
                guard !header.isEmpty else {
                    header = fields
                    for (i, name) in fields.enumerated() {
                        guard columns.updateValue(i, forKey: name) == nil else {
                            throw RowProblem("column '\(RowProblem.quotable(name))' stands there twice")
                        }
                    }
                    let missing = needs.filter { columns[$0] == nil }
                    guard missing.isEmpty else {
                        throw RowProblem("the header lacks \(missing.joined(separator: ", "))")
                    }
                    return
                }
                guard fields.count == header.count else {
                    throw RowProblem("\(fields.count) fields below a header of \(header.count)")
                }
                rows.append(Row(line: number, fields: fields, columns: columns))
            }
            // Below a bad header every line would be bad.
            if rows.isEmpty && problems.count > 0 && header.count != columns.count { break }
            if !needs.allSatisfy({ columns[$0] != nil }) { break }
        }
        if header.isEmpty && problems.count == 0 { throw TraceError(file: file, line: 1, "the file is empty") }
        try problems.throwIfAny()
    }

    private static func fields(of line: Substring.UnicodeScalarView) throws(RowProblem) -> [String] {
        var fields: [String] = []
        var field = String.UnicodeScalarView()
        var quoted = false
        var closed = false
        for scalar in line {
            if quoted {
                if scalar == "\"" {
                    quoted = false
                    closed = true
                } else {
                    field.append(scalar)
                }
            } else if scalar == "," {
                fields.append(trimmed(field, closed))
                field = String.UnicodeScalarView()
                closed = false
            } else if scalar == "\"" {
                // A doubled quote inside of quotes is one quote.
                if closed {
                    field.append(scalar)
                } else if !trimmed(field, false).isEmpty {
                    throw RowProblem("a quote inside of a field")
                } else {
                    field = String.UnicodeScalarView()
                }
                quoted = true
                closed = false
            } else if closed {
                guard isBlank(scalar) else { throw RowProblem("text after a closing quote") }
            } else {
                field.append(scalar)
            }
        }
        guard !quoted else { throw RowProblem("a quote is not closed") }
        return fields + [trimmed(field, closed)]
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }

    private static func trimmed(_ field: String.UnicodeScalarView, _ quoted: Bool) -> String {
        guard !quoted else { return String(field) }
        let start = field.firstIndex { !isBlank($0) } ?? field.endIndex
        var end = field.endIndex
        while end > start, isBlank(field[field.index(before: end)]) { end = field.index(before: end) }
        return String(field[start..<end])
    }
}
