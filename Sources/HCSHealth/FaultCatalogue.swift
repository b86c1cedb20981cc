/// What the vendors' fault codes mean. Data: `Data/fault-catalogue.csv`, compiled into the program.
package struct FaultCatalogue: Hashable, Sendable {
    package struct Row: Hashable, Sendable {
        package var code: FaultCode
        package var faultClass: FaultClass
        /// The policy's group in which a soft fault counts; empty for others.
        package var group: String
        package var advice: FaultAdvice?
        package var name: String
        package var source: String
    }

    package static let header = "vendor,family,code,class,group,advice,name,source"
    package static let maximumRows = 8192
    package static let maximumLineBytes = 1024

    package let rows: [Row]
    private let index: [FaultCode: Int]

    /// Reads a catalogue's text: comments (`#`), the header line, one code for each line, no quoting.
    /// - Throws: `badCatalogue` with the line's number.
    package init(csv: String) throws(HealthError) {
        var rows: [Row] = []
        var index: [FaultCode: Int] = [:]
        var sawHeader = false
        for (number, bytes) in csv.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            func bad(_ why: String) -> HealthError {
                HealthError(.badCatalogue, "fault catalogue line \(number + 1): \(why)")
            }
            guard bytes.count <= Self.maximumLineBytes else { throw bad("longer than \(Self.maximumLineBytes) bytes") }
            let line = String(decoding: bytes.last == 13 ? bytes.dropLast() : bytes, as: UTF8.self)
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard sawHeader else {
                guard line == Self.header else { throw bad("the header is not the expected one") }
                sawHeader = true
                continue
            }
            guard rows.count < Self.maximumRows else { throw bad("more than \(Self.maximumRows) codes") }
            let row: Row
            do throws(HealthError) { row = try Row(line: line) } catch { throw bad(error.message) }
            guard index.updateValue(rows.count, forKey: row.code) == nil else {
                throw bad("\(row.code) is given twice")
            }
            rows.append(row)
        }
        guard !rows.isEmpty else { throw HealthError(.badCatalogue, "the fault catalogue has no rows") }
        self.rows = rows
        self.index = index
    }

    private init() { (rows, index) = ([], [:]) }

    /// The catalogue this program was built with. A bad row is a bug of the build, found by the contract test; the
    /// program then knows no codes.
    package static let builtIn: FaultCatalogue = {
        do {
            return try FaultCatalogue(csv: String(decoding: PackageResources.fault_catalogue_csv, as: UTF8.self))
        } catch {
            assertionFailure("\(error)")
            return FaultCatalogue()
        }
    }()

    /// The row of this code, else the one of any code of its family.
    package func row(_ code: FaultCode) -> Row? { (index[code] ?? index[code.wildcard]).map { rows[$0] } }
}

extension FaultCatalogue.Row {
    fileprivate init(line: String) throws(HealthError) {
        func bad(_ why: String) -> HealthError { HealthError(.badCatalogue, why) }
        let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 8 else { throw bad("\(fields.count) fields, not 8") }
        guard let code = FaultCode("\(fields[0])/\(fields[1])/\(fields[2])") else {
            throw bad("'\(line.prefix(64))' begins with no vendor, family and code")
        }
        guard let faultClass = FaultClass(rawValue: fields[3]) else {
            throw bad("unknown class '\(fields[3].prefix(32))'")
        }
        let advice = FaultAdvice(rawValue: fields[5])
        guard advice != nil || fields[5].isEmpty else { throw bad("unknown advice '\(fields[5].prefix(32))'") }
        let needsGroup = [.soft, .application, .held, .decode].contains(faultClass)
        guard needsGroup != fields[4].isEmpty else {
            throw bad("class \(faultClass.rawValue) \(needsGroup ? "needs a group" : "has no group")")
        }
        guard !fields[7].isEmpty else { throw bad("no source") }
        self.init(
            code: code, faultClass: faultClass, group: fields[4], advice: advice, name: fields[6], source: fields[7])
    }
}
