/// A size in bytes. Arithmetic that could wrap is checked by the callers (`adding`, `subtracting`).
package struct ByteCount: Hashable, Sendable, Comparable, Codable {
    package var bytes: UInt64

    package init(_ bytes: UInt64) { self.bytes = bytes }

    package static let zero = ByteCount(0)
    package static func mebibytes(_ n: UInt64) -> ByteCount { ByteCount(n << 20) }
    package static func gibibytes(_ n: UInt64) -> ByteCount { ByteCount(n << 30) }

    package static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

    /// The sum, or the largest value where it would wrap: sums of hostile figures saturate, they never trap.
    package func adding(_ other: ByteCount) -> ByteCount {
        let (sum, overflow) = bytes.addingReportingOverflow(other.bytes)
        return ByteCount(overflow ? .max : sum)
    }

    /// The difference, or zero.
    package func subtracting(_ other: ByteCount) -> ByteCount {
        ByteCount(bytes > other.bytes ? bytes - other.bytes : 0)
    }

    /// A number of bytes, or a text of the quota grammar (`8Gi`).
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do { bytes = try container.decode(UInt64.self) } catch {
            guard let text = try? container.decode(String.self) else { throw error }
            do { self = try Self.parse(text) } catch {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
            }
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

extension ByteCount {
    private static let units: [(suffix: String, factor: UInt64)] = [
        ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40),
        ("K", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000),
    ]

    /// Reads the quota grammar's size (conventions, "Quota grammar"): digits and one of K M G T Ki Mi Gi Ti.
    /// No sign, fraction, blank or `B`; case matters; a size that does not fit 64 bits is an error.
    package static func parse(_ text: some StringProtocol) throws(ModelError) -> ByteCount {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        guard !digits.isEmpty else { throw .badSize(String(text), "it must start with a digit") }
        let suffix = text.dropFirst(digits.count)
        var factor: UInt64 = 1
        if !suffix.isEmpty {
            guard let unit = units.first(where: { $0.suffix == suffix }) else {
                throw .badSize(String(text), "the unit '\(suffix)' is none of K M G T Ki Mi Gi Ti")
            }
            factor = unit.factor
        }
        guard let count = UInt64(digits) else { throw .badSize(String(text), "it does not fit 64 bits") }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw .badSize(String(text), "it does not fit 64 bits") }
        return ByteCount(bytes)
    }
}

extension ByteCount: CustomStringConvertible {
    /// For people: the largest binary unit with at most one decimal, `512Mi`, `79.6Gi`.
    package var description: String {
        for (suffix, factor) in [("Ti", UInt64(1) << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        where bytes >= factor {
            let tenths = bytes / factor * 10 + bytes % factor * 10 / factor
            return tenths % 10 == 0 ? "\(tenths / 10)\(suffix)" : "\(tenths / 10).\(tenths % 10)\(suffix)"
        }
        return "\(bytes)"
    }
}
