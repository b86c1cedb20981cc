/// Counts the changes of the scheduler's state; only grows. Long polls resume by it.
package struct Revision: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
    package var number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package static let zero = Revision(0)
    package var next: Revision { Revision(number + 1) }
    package static func < (a: Revision, b: Revision) -> Bool { a.number < b.number }
    package var description: String { String(number) }

    package init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(UInt64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}
