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
}

extension PlacementTerm {
    private var isPlain: Bool { !value.contains("*") }

    /// Whether every device that satisfies this satisfies `other`, as far as the words alone tell.
    package func implies(_ other: PlacementTerm) -> Bool {
        guard key == other.key else { return false }
        switch other.relation {
        case .equal:
            return relation == .equal
                ? NamePattern.covers(other.value, value) : other.value.allSatisfy { $0 == "*" }
        case .notEqual:
            return contradicts(PlacementTerm(key, .equal, other.value))
                || relation == .notEqual && NamePattern.covers(value, other.value)
        case .atLeast:
            return (relation == .atLeast || relation == .equal && isPlain)
                && DottedVersion.compare(value, other.value) >= 0
        case .atMost:
            return (relation == .atMost || relation == .equal && isPlain)
                && DottedVersion.compare(value, other.value) <= 0
        }
    }

    /// Whether no device can satisfy both, as far as the words alone tell.
    package func contradicts(_ other: PlacementTerm) -> Bool {
        guard key == other.key else { return false }
        switch (relation, other.relation) {
        case (.equal, .notEqual): return NamePattern.covers(other.value, value)
        case (.notEqual, .equal): return NamePattern.covers(value, other.value)
        case (.equal, .equal): return excludes(other)
        // A host may have several runtimes installed; a device has one driver.
        case (.atLeast, .atMost), (.atLeast, .equal), (.equal, .atMost):
            return key == .driver && (isPlain && other.isPlain) && DottedVersion.compare(value, other.value) > 0
        case (.atMost, .atLeast), (.equal, .atLeast), (.atMost, .equal): return other.contradicts(self)
        default: return false
        }
    }

    /// Both are `=`.
    private func excludes(_ other: PlacementTerm) -> Bool {
        let mine = value.lowercased()
        let theirs = other.value.lowercased()
        switch key {
        case .node: return isPlain ? !NamePattern.matches(theirs, mine) : other.isPlain && other.excludes(self)
        // A card behind another maker's library has two names.
        case .vendor:
            return mine != theirs && Vendor(rawValue: mine) != nil && Vendor(rawValue: theirs) != nil
        // A part of a card has the card's name and its own, which begins with it.
        case .model: return isPlain && other.isPlain && !mine.hasPrefix(theirs) && !theirs.hasPrefix(mine)
        case .driver: return isPlain && other.isPlain && DottedVersion.compare(mine, theirs) != 0
        case .runtime: return false
        }
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
