package import HCSModel

/// The cards whose peak throughput is known. Data: `Data/catalog.csv`, compiled into the program.
package struct Catalog: Sendable {
    package let rows: [CatalogRow]
    private let exact: [Key: [Int]]
    private let normalised: [Key: [Int]]

    private struct Key: Hashable, Sendable {
        var vendor: Vendor
        var name: String
    }

    /// Reads the catalogue's text: comments (`#`), the header line, one card for each line.
    /// - Throws: `badCatalog` with the line's number; also where two cards could not be told apart.
    package init(csv: some StringProtocol) throws(DeviceError) {
        var rows: [CatalogRow] = []
        var exact: [Key: [Int]] = [:]
        var normalised: [Key: [Int]] = [:]
        var sawHeader = false
        for (index, line) in csv.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard sawHeader else {
                guard line == CatalogRow.header else {
                    throw DeviceError(.badCatalog, "catalogue line \(index + 1): the header is not the expected one")
                }
                sawHeader = true
                continue
            }
            let row = try CatalogRow(line: String(line), number: index + 1)
            for name in Set(row.aliases.map { Self.normalise($0) }) {
                let key = Key(vendor: row.vendor, name: name)
                let others = normalised[key, default: []]
                guard
                    others.allSatisfy({ rows[$0].memory != row.memory && rows[$0].memory != nil && row.memory != nil })
                else {
                    throw DeviceError(
                        .badCatalog, "catalogue line \(index + 1): '\(name)' is there already with this memory size")
                }
                normalised[key] = others + [rows.count]
            }
            for name in Set(row.aliases.map { $0.lowercased() }) {
                exact[Key(vendor: row.vendor, name: name), default: []].append(rows.count)
            }
            rows.append(row)
        }
        guard !rows.isEmpty else { throw DeviceError(.badCatalog, "the catalogue has no rows") }
        self.rows = rows
        self.exact = exact
        self.normalised = normalised
    }

    /// The catalogue this program was built with. A bad row is a bug of the build, found by the contract test; the
    /// program then runs without a catalogue.
    package static let builtIn: Catalog = {
        do {
            return try Catalog(csv: String(decoding: PackageResources.catalog_csv, as: UTF8.self))
        } catch {
            assertionFailure("\(error)")
            return Catalog()
        }
    }()

    private init() {
        rows = []
        exact = [:]
        normalised = [:]
    }
}

extension Catalog {
    /// The card of that name: the exact alias first, then without the maker's name and punctuation. Where several sizes
    /// share a name, the one nearest to `memory`, which must be within an eighth of it (drivers keep some back).
    package func row(vendor: Vendor, name: String, memory: ByteCount) -> CatalogRow? {
        let candidates =
            exact[Key(vendor: vendor, name: name.lowercased())]
            ?? normalised[Key(vendor: vendor, name: Self.normalise(name))] ?? []
        guard candidates.count > 1 else { return candidates.first.map { rows[$0] } }
        func distance(_ row: CatalogRow) -> UInt64 {
            guard let size = row.memory else { return .max }
            return max(size, memory).subtracting(min(size, memory)).bytes
        }
        return candidates.map { rows[$0] }
            .filter { row in row.memory.map { distance(row) <= $0.bytes / 8 } ?? false }
            .min { distance($0) < distance($1) }
    }

    /// What the device can do at best: the catalogue's figure; for an NVIDIA card it does not know, FP32 from cores and
    /// clock, labelled estimated (two operations for each core and cycle); else unknown.
    package func fingerprint(of device: DeviceInventory, vendor: Vendor) -> Fingerprint {
        if let row = row(vendor: vendor, name: device.name, memory: device.memory) { return row.fingerprint }
        guard vendor == .nvidia, let cores = device.cores, let clock = device.maximumClockMHz,
            (1...1_000_000).contains(cores), (1...10_000).contains(clock)
        else { return .unknown }
        return Fingerprint(
            tflops: [.fp32: Double(cores) * Double(clock) * 2 / 1e6], confidence: .estimated,
            source: "\(cores) cores x \(clock) MHz x 2 as the library reports them")
    }

    private static let makers = ["nvidia", "tesla", "geforce", "huawei", "ascend", "hygon", "cambricon"]

    /// Lower-case letters and digits only, without the maker's and the brand's name in front.
    static func normalise(_ name: String) -> String {
        var text = name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) }[...]
        while let maker = makers.first(where: { text.hasPrefix($0) && text.count > $0.count }) {
            text = text.dropFirst(maker.count)
        }
        return String(text)
    }
}
