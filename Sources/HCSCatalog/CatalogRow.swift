package import HCSModel

/// One card of the catalogue.
package struct CatalogRow: Hashable, Sendable {
    package var vendor: Vendor
    /// The names the vendor's library reports, and those people use.
    package var aliases: [String]
    /// Nil where the card is sold with several sizes and none tells it apart.
    package var memory: ByteCount?
    package var fingerprint: Fingerprint

    package init(vendor: Vendor, aliases: [String], memory: ByteCount?, fingerprint: Fingerprint) {
        self.vendor = vendor
        self.aliases = aliases
        self.memory = memory
        self.fingerprint = fingerprint
    }
}

extension CatalogRow {
    package static let header =
        "vendor,aliases,memory_gib,fp64,fp32,tf32,fp16,bf16,fp8,int8,bandwidth_gbps,tdp_w,confidence,source"
    private static let precisions: [Precision] = [.fp64, .fp32, .tf32, .fp16, .bf16, .fp8, .int8]

    /// Reads one line of the catalogue file.
    /// - Throws: `badCatalog` with what is wrong.
    init(line: String) throws(ModelError) {
        func bad(_ why: String) -> ModelError { ModelError(.badCatalog, why) }
        guard !line.contains("\"") else { throw bad("quotes are not used here") }
        let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard cells.count == 14 else { throw bad("14 fields are needed, \(cells.count) are there") }
        func positive(_ column: Int) throws(ModelError) -> Double? {
            let cell = cells[column]
            guard !cell.isEmpty else { return nil }
            let digits = cell.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") }
            guard digits, let value = Double(cell), value > 0, value < 1e6 else {
                throw bad("'\(cell)' in column \(column + 1) is no positive number")
            }
            return value
        }
        guard let vendor = Vendor(rawValue: cells[0]) else { throw bad("'\(cells[0])' is no vendor") }
        let aliases = cells[1].split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        guard aliases.allSatisfy({ PrintableText.clean($0) == $0 }), Set(aliases).count == aliases.count else {
            throw bad("an alias is empty, unprintable or there twice")
        }
        guard let confidence = Fingerprint.Confidence(rawValue: cells[12]), confidence != .estimated else {
            throw bad("'\(cells[12])' is no confidence")
        }
        guard PrintableText.clean(cells[13], limit: 512) == cells[13] else { throw bad("the source is missing") }
        var tflops: [Precision: Double] = [:]
        for (column, precision) in Self.precisions.enumerated() {
            if let value = try positive(3 + column) { tflops[precision] = value }
        }
        guard tflops.isEmpty == (confidence == .unknown) else {
            throw bad("figures need a confidence, and a confidence needs figures")
        }
        self.init(
            vendor: vendor, aliases: aliases,
            memory: try positive(2).map { ByteCount(UInt64($0 * 1_073_741_824)) },
            fingerprint: Fingerprint(
                tflops: tflops, bandwidthGBps: try positive(10), tdpWatts: try positive(11), confidence: confidence,
                source: cells[13]))
    }
}
