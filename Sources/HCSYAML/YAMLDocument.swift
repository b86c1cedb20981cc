package import HCSModel
internal import Yams

/// A YAML file that somebody wrote by hand, read strictly: every error names file, line and field. Bounded, because its
/// aliases could multiply.
package struct YAMLDocument {
    package static let maximumBytes = 1 << 18
    private static let maximumValues = 20_000
    private static let maximumDepth = 16
    /// A complaint may quote a line that is as long as the file.
    private static let maximumComplaint = 1024

    private let name: String
    private var root: Node

    /// - Parameter name: what errors call it.
    /// - Throws: `badRequest` for what is no YAML, is too large, or has no mapping at the top. An empty text is an empty
    ///   mapping.
    package init(_ text: String, name: String) throws(ModelError) {
        self.name = name
        root = Node([(Node, Node)]())
        guard text.utf8.count <= Self.maximumBytes else { throw complaint(": larger than \(Self.maximumBytes) bytes") }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch {
            throw complaint(Self.explain(error))
        }
        guard let node, node.null == nil || node.mapping != nil else { return }
        guard node.mapping != nil else {
            throw complaint(" line \(node.mark?.line ?? 1): a mapping (key: value) is needed here")
        }
        var budget = Self.maximumValues
        guard Self.count(node, &budget, depth: 0) else {
            throw complaint(": more than \(Self.maximumValues) values, or \(Self.maximumDepth) levels")
        }
        root = node
    }

    /// An error about this file, bounded. `why` begins with its place.
    package func complaint(_ why: String) -> ModelError {
        ModelError(.badRequest, name + String(decoding: why.utf8.prefix(Self.maximumComplaint), as: UTF8.self))
    }

    /// Puts this document over another: mappings are laid over its mappings, lists and values replace its.
    package mutating func lay(over base: YAMLDocument) { root = Self.overlay(root, over: base.root) }

    private static func overlay(_ over: Node, over base: Node) -> Node {
        guard case .mapping(var result) = base, case .mapping(let changes) = over else { return over }
        for (key, value) in changes {
            let merged = result[key].map { overlay(value, over: $0) } ?? value
            // The key that was there would keep its own line.
            result[key] = nil
            result[key] = merged
        }
        return .mapping(result)
    }

    package func has(_ key: String) -> Bool { root.mapping?[key] != nil }

    /// Puts a value over what the file says at the top.
    package mutating func set(_ key: String, to text: String) {
        root.mapping?[Node(key)] = Node(text, Tag(.str))
    }

    package mutating func set(_ key: String, to texts: [String]) {
        root.mapping?[Node(key)] = Node(texts.map { Node($0, Tag(.str)) })
    }

    /// - Throws: `badRequest`.
    package func decode<Value: Decodable>(_ type: Value.Type) throws(ModelError) -> Value {
        do { return try YAMLDecoder().decode(type, from: root) } catch {
            guard let error = error as? DecodingError else { throw complaint(Self.explain(error)) }
            let (path, why, key) = Self.reason(of: error)
            throw complaint(at: path, key, why)
        }
    }

    /// As `decode`; a key that no field took is an error as well: one that the value does not write again.
    /// - Throws: `badRequest`.
    package func decodeWhole<Value: Codable>(_ type: Value.Type) throws(ModelError) -> Value {
        let value = try decode(type)
        let written: Node?
        do { written = try Yams.compose(yaml: YAMLEncoder().encode(value)) } catch {
            throw complaint(Self.explain(error))
        }
        if let path = Self.untaken(root, by: written), let key = path.last {
            throw complaint(at: path.dropLast(), key, "unknown field '\(key.stringValue.prefix(64))'")
        }
        return value
    }

    /// The path of the first key or item that is not in `written`.
    private static func untaken(_ node: Node, by written: Node?) -> [Key]? {
        for (key, value) in node.mapping ?? [:] {
            let place = Key(stringValue: key.string ?? "?")
            guard let other = written?.mapping?[key] else { return [place] }
            if let rest = untaken(value, by: other) { return [place] + rest }
        }
        let others = written?.sequence.map(Array.init) ?? []
        for (index, value) in (node.sequence.map(Array.init) ?? []).enumerated() {
            guard others.indices.contains(index) else { return [Key(index)] }
            if let rest = untaken(value, by: others[index]) { return [Key(index)] + rest }
        }
        return nil
    }

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int?
        init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
        init(_ index: Int) { (stringValue, intValue) = ("[\(index)]", index) }
        init?(intValue: Int) { self.init(intValue) }
    }

    /// - Parameter key: the field below `path` that should not be there.
    private func complaint(at path: [any CodingKey], _ key: (any CodingKey)?, _ why: String) -> ModelError {
        let field = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        let place = field.isEmpty ? "" : "\(field.replacing(".[", with: "[")): "
        let line = line(of: path + (key.map { [$0] } ?? [])).map { " line \($0)" } ?? ""
        return complaint("\(line): \(place)\(why)")
    }

    /// Where each item of a list at the top begins.
    package func lines(ofItemsIn key: String) -> [Int] {
        root.mapping?[key]?.sequence?.map { $0.mark?.line ?? 0 } ?? []
    }

    /// Of the last thing on the path that is there.
    private func line(of path: [any CodingKey]) -> Int? {
        var node = root
        var line = node.mark?.line
        for key in path {
            if let index = key.intValue, let items = node.sequence, items.indices.contains(index) {
                node = items[index]
                line = node.mark?.line ?? line
            } else if let entry = node.mapping?.first(where: { $0.key.string == key.stringValue }) {
                // The key's own line: a value may begin on the next.
                line = entry.key.mark?.line ?? entry.value.mark?.line ?? line
                node = entry.value
            } else {
                break
            }
        }
        return line
    }

    /// `key`: the field that should not be there.
    private static func reason(
        of error: DecodingError
    ) -> (path: [any CodingKey], why: String, key: (any CodingKey)?) {
        switch error {
        case .dataCorrupted(let context):
            (context.codingPath, context.debugDescription, (context.underlyingError as? UnknownField)?.key)
        case .keyNotFound(let key, let context): (context.codingPath, "field '\(key.stringValue)' is missing", nil)
        case .typeMismatch(_, let context): (context.codingPath, context.debugDescription, nil)
        case .valueNotFound(_, let context): (context.codingPath, context.debugDescription, nil)
        @unknown default: ([], "\(error)", nil)
        }
    }

    private static func explain(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return " line \(mark.line): \(problem)"
        case .reader(let problem, _, _, _), .writer(let problem), .emitter(let problem), .representer(let problem):
            return ": \(problem)"
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "'\($0.prefix(64))'" }.sorted().joined(separator: ", ")
            return " line \(context.mark.line): \(names) is there twice"
        default: return ": \(error)"
        }
    }

    private static func count(_ node: Node, _ budget: inout Int, depth: Int) -> Bool {
        budget -= 1
        guard budget > 0, depth < maximumDepth else { return false }
        for (key, value) in node.mapping ?? [:]
        where !count(key, &budget, depth: depth + 1) || !count(value, &budget, depth: depth + 1) { return false }
        for value in node.sequence ?? [] where !count(value, &budget, depth: depth + 1) { return false }
        return true
    }
}
