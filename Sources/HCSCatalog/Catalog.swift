package import HCSModel

/// The cards whose peak throughput is known. Data: `Data/catalog.csv`, compiled into the program, and what the operator
/// put over it.
package struct Catalog: Sendable {
    package let rows: [CatalogRow]
    private let index: CardIndex
    /// The operator's, in the order they were read; the last one that knows a card has it.
    var overrides: [Catalog] = []

    /// Reads a catalogue's text: comments (`#`), the header line, one card for each line.
    /// - Parameter name: how the text is called in an error.
    /// - Throws: `badCatalog` with the line's number; also where two cards could not be told apart.
    package init(csv: String, name: String = "catalogue") throws(ModelError) {
        var rows: [CatalogRow] = []
        var cards = CardIndex()
        var sawHeader = false
        for (index, bytes) in csv.utf8.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            let line = String(decoding: bytes.last == 13 ? bytes.dropLast() : bytes, as: UTF8.self)
            func bad(_ why: String) -> ModelError { ModelError(.badCatalog, "\(name) line \(index + 1): \(why)") }
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard sawHeader else {
                guard line == CatalogRow.header else { throw bad("the header is not the expected one") }
                sawHeader = true
                continue
            }
            guard rows.count < Self.maximumRows else { throw bad("more than \(Self.maximumRows) cards") }
            let row: CatalogRow
            do throws(ModelError) {
                row = try CatalogRow(line: line)
                try cards.add(vendor: row.vendor, aliases: row.aliases, memory: row.memory)
            } catch { throw bad(error.message) }
            rows.append(row)
        }
        guard !rows.isEmpty else { throw ModelError(.badCatalog, "\(name) has no rows") }
        self.rows = rows
        index = cards
    }

    package static let maximumRows = 4096

    /// The catalogue this program was built with. A bad row is a bug of the build, found by the contract test; the
    /// program then runs without a catalogue.
    package static let builtIn: Catalog = {
        do {
            return try Catalog(csv: String(decoding: PackageResources.catalog_csv, as: UTF8.self))
        } catch {
            assertionFailure("\(error)")
            return Catalog(rows: [], index: CardIndex())
        }
    }()

    /// Every figure's source with the operator's file behind it.
    func naming(file: String) -> Catalog {
        Catalog(
            rows: rows.map { row in
                var row = row
                row.fingerprint.source += " (\(file))"
                return row
            }, index: index)
    }

    private init(rows: [CatalogRow], index: CardIndex) {
        self.rows = rows
        self.index = index
    }
}

extension Catalog {
    /// The card of that name: the exact alias first, then without the maker's name and punctuation. Where several sizes
    /// share a name, the one nearest to `memory`, which must be within an eighth of it (drivers keep some back). The
    /// operator's rows win; one with a size counts for that size only.
    /// - Parameter memory: nil = not known, as for a part of a card.
    package func row(vendor: Vendor, name: String, memory: ByteCount?) -> CatalogRow? {
        for table in overrides.reversed() {
            let found = table.index.candidates(vendor, name).filter {
                table.index.fits($0, memory) || table.rows[$0].memory == nil
            }
            if let card = table.index.nearest(found, memory) { return table.rows[card] }
        }
        return index.card(vendor, name, memory: memory).map { rows[$0] }
    }

    /// Every card once: the operator's rows before the built-in ones that they stand for, each with a name of its own.
    package var cards: [ExchangeCard] {
        var seen = CardIndex()
        var kept: [CatalogRow] = []
        for row in overrides.reversed().flatMap(\.rows) + rows
        where (try? seen.add(vendor: row.vendor, aliases: row.aliases, memory: row.memory)) != nil { kept.append(row) }
        let first = Dictionary(kept.map { ($0.aliases[0], 1) }, uniquingKeysWith: +)
        return kept.map { row in
            let size = row.memory.map { " \($0)" } ?? ""
            return ExchangeCard(
                vendor: row.vendor, name: first[row.aliases[0]] == 1 ? row.aliases[0] : row.aliases[0] + size,
                aliases: row.aliases, memory: row.memory, fingerprint: row.fingerprint)
        }
    }
}
