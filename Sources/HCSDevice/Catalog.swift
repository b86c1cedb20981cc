package import HCSModel

/// The cards whose peak throughput is known. Data: `Data/catalog.csv`, compiled into the program, and what the operator
/// put over it.
package struct Catalog: Sendable {
    package let rows: [CatalogRow]
    private let exact: [Key: [Int]]
    private let normalised: [Key: [Int]]
    /// The operator's, in the order they were read; the last one that knows a card has it.
    var overrides: [Catalog] = []

    private struct Key: Hashable, Sendable {
        var vendor: Vendor
        var name: String
    }

    /// Reads a catalogue's text: comments (`#`), the header line, one card for each line.
    /// - Parameter name: how the text is called in an error.
    /// - Throws: `badCatalog` with the line's number; also where two cards could not be told apart.
    package init(csv: String, name: String = "catalogue") throws(DeviceError) {
        var rows: [CatalogRow] = []
        var exact: [Key: [Int]] = [:]
        var normalised: [Key: [Int]] = [:]
        var sawHeader = false
        for (index, bytes) in csv.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            let line = String(decoding: bytes.last == 13 ? bytes.dropLast() : bytes, as: UTF8.self)
            func bad(_ why: String) -> DeviceError { DeviceError(.badCatalog, "\(name) line \(index + 1): \(why)") }
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard sawHeader else {
                guard line == CatalogRow.header else { throw bad("the header is not the expected one") }
                sawHeader = true
                continue
            }
            guard rows.count < Self.maximumRows else { throw bad("more than \(Self.maximumRows) cards") }
            let row: CatalogRow
            do throws(DeviceError) { row = try CatalogRow(line: line) } catch { throw bad(error.message) }
            for alias in Set(row.aliases.map { Self.normalise($0) }) {
                let key = Key(vendor: row.vendor, name: alias)
                let others = normalised[key, default: []]
                guard
                    others.allSatisfy({ rows[$0].memory != row.memory && rows[$0].memory != nil && row.memory != nil })
                else { throw bad("'\(alias)' is there already with this memory size") }
                normalised[key] = others + [rows.count]
            }
            for alias in Set(row.aliases.map { $0.lowercased() }) {
                exact[Key(vendor: row.vendor, name: alias), default: []].append(rows.count)
            }
            rows.append(row)
        }
        guard !rows.isEmpty else { throw DeviceError(.badCatalog, "\(name) has no rows") }
        self.rows = rows
        self.exact = exact
        self.normalised = normalised
    }

    package static let maximumRows = 4096

    /// The catalogue this program was built with. A bad row is a bug of the build, found by the contract test; the
    /// program then runs without a catalogue.
    package static let builtIn: Catalog = {
        do {
            return try Catalog(csv: String(decoding: PackageResources.catalog_csv, as: UTF8.self))
        } catch {
            assertionFailure("\(error)")
            return Catalog(rows: [], exact: [:], normalised: [:])
        }
    }()

    /// Every figure's source with the operator's file behind it.
    func naming(file: String) -> Catalog {
        Catalog(
            rows: rows.map { row in
                var row = row
                row.fingerprint.source += " (\(file))"
                return row
            }, exact: exact, normalised: normalised)
    }

    private init(rows: [CatalogRow], exact: [Key: [Int]], normalised: [Key: [Int]]) {
        self.rows = rows
        self.exact = exact
        self.normalised = normalised
    }

}

extension Catalog {
    /// The card of that name: the exact alias first, then without the maker's name and punctuation. Where several sizes
    /// share a name, the one nearest to `memory`, which must be within an eighth of it (drivers keep some back). The
    /// operator's rows win; one with a size counts for that size only.
    package func row(vendor: Vendor, name: String, memory: ByteCount) -> CatalogRow? {
        row(vendor: vendor, name: name, memory: memory as ByteCount?)
    }

    /// `memory` nil: not known, as for a part of a card.
    func row(vendor: Vendor, name: String, memory: ByteCount?) -> CatalogRow? {
        for table in overrides.reversed() {
            let found = table.candidates(vendor, name).filter { Self.fits($0, memory) || $0.memory == nil }
            if let row = Self.nearest(found, memory) { return row }
        }
        let found = candidates(vendor, name)
        return found.count > 1 ? Self.nearest(found.filter { Self.fits($0, memory) }, memory) : found.first
    }

    private func candidates(_ vendor: Vendor, _ name: String) -> [CatalogRow] {
        let found =
            exact[Key(vendor: vendor, name: name.lowercased())]
            ?? normalised[Key(vendor: vendor, name: Self.normalise(name))] ?? []
        return found.map { rows[$0] }
    }

    private static func fits(_ row: CatalogRow, _ memory: ByteCount?) -> Bool {
        guard let memory, let size = row.memory else { return memory == nil }
        return max(size, memory).subtracting(min(size, memory)).bytes <= size.bytes / 8
    }

    private static func nearest(_ rows: [CatalogRow], _ memory: ByteCount?) -> CatalogRow? {
        guard let memory else { return rows.count == 1 ? rows.first : nil }
        return rows.min {
            func distance(_ row: CatalogRow) -> UInt64 {
                row.memory.map { max($0, memory).subtracting(min($0, memory)).bytes } ?? 0
            }
            return distance($0) < distance($1)
        }
    }

    private static let makers = [
        "nvidia", "tesla", "geforce", "huawei", "ascend", "hygon", "cambricon", "amd", "instinct",
    ]

    /// Lower-case letters and digits only, without the maker's and the brand's name in front.
    static func normalise(_ name: String) -> String {
        var text = name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }[...]
        while let maker = makers.first(where: { text.hasPrefix($0) && text.count > $0.count }) {
            text = text.dropFirst(maker.count)
        }
        return String(text)
    }
}
