private struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// Behind a decoding error about a field that does not exist: which one, for who can tell its line.
package struct UnknownField: Error {
    package let key: any CodingKey
}

extension Decoder {
    /// Throws for a key that is none of `Keys`, naming it and those that are allowed.
    package func rejectUnknownKeys<Keys: CodingKey & CaseIterable>(_: Keys.Type) throws {
        let allowed = Set(Keys.allCases.map(\.stringValue))
        let container = try container(keyedBy: AnyKey.self)
        for key in container.allKeys where !allowed.contains(key.stringValue) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath,
                    debugDescription:
                        "unknown field '\(key.stringValue.prefix(64))'; known: \(allowed.sorted().joined(separator: ", "))",
                    underlyingError: UnknownField(key: key)))
        }
    }
}
