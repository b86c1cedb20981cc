/// One wish about the device or its node, written `key=value`: `vendor=nvidia`, `model=*A100*`, `driver>=535`.
package struct PlacementTerm: Hashable, Sendable, CustomStringConvertible {
    package enum Key: String, CaseIterable, Hashable, Sendable {
        case vendor, model, node
        /// Version of the device's driver.
        case driver
        /// Version of the maker's runtime that is installed on the host.
        case runtime
    }

    package enum Relation: String, Hashable, Sendable {
        // Longest first: `>=` is not `>` and a value that begins with `=`.
        case notEqual = "!="
        case atLeast = ">="
        case atMost = "<="
        case equal = "="
    }

    package var key: Key
    package var relation: Relation
    /// A name, in which `*` stands for any text (case does not matter), or a version.
    package var value: String

    package static let valueLimit = 128

    package init(_ key: Key, _ relation: Relation, _ value: String) {
        self.key = key
        self.relation = relation
        self.value = value
    }

    /// - Throws: `badRequest` with the keys and relations that there are.
    package init(parsing text: String) throws(ModelError) {
        func bad(_ why: String) -> ModelError { ModelError(.badRequest, "'\(text.prefix(160))': \(why)") }
        let keys = Key.allCases.map(\.rawValue).joined(separator: ", ")
        guard let mark = text.firstIndex(where: { "!<>=".contains($0) }) else {
            throw bad("write it as key=value; keys are \(keys)")
        }
        guard let key = Key(rawValue: String(text[..<mark])) else { throw bad("keys are \(keys)") }
        let rest = text[mark...]
        let relations: [Relation] = [.notEqual, .atLeast, .atMost, .equal]
        guard let relation = relations.first(where: { rest.hasPrefix($0.rawValue) }) else {
            throw bad("relations are =, !=, >= and <=")
        }
        let value = String(rest.dropFirst(relation.rawValue.count))
        guard !value.isEmpty, value.utf8.count <= Self.valueLimit,
            value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw bad("the value must be 1 to \(Self.valueLimit) printable bytes") }
        let ordered = relation == .atLeast || relation == .atMost
        guard !ordered || key == .driver || key == .runtime else {
            throw bad("\(relation.rawValue) compares versions: of driver and runtime only")
        }
        self.init(key, relation, value)
    }

    package var description: String { "\(key.rawValue)\(relation.rawValue)\(value)" }

    package var isNegated: Bool { relation == .notEqual }

    /// `=` for `!=` and the reverse; versions that are ordered have none and stay.
    package var negated: PlacementTerm {
        switch relation {
        case .equal: PlacementTerm(key, .notEqual, value)
        case .notEqual: PlacementTerm(key, .equal, value)
        case .atLeast, .atMost: self
        }
    }

    /// Whether no device can satisfy both: a term and its negation, or two different plain names of one thing.
    package func contradicts(_ other: PlacementTerm) -> Bool {
        guard key == other.key, relation == .equal || relation == .notEqual else { return false }
        if self.negated == other { return true }
        guard relation == .equal, other.relation == .equal, !value.contains("*"), !other.value.contains("*") else {
            return false
        }
        return value.lowercased() != other.value.lowercased()
    }
}

extension PlacementTerm: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do { try self.init(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
